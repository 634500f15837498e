//! Concurrent operations on one row.

use std::sync::Mutex;
use std::time::Duration;

use drift_inbox::error::Result;
use drift_inbox::services::locks::{self, Lock};
use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::TestApp;

/// An open transaction that locks the row of a resource and may have changed it. Operations on the resource wait until
/// the transaction commits.
struct Held {
    release: oneshot::Sender<()>,
    holder: JoinHandle<Result<()>>,
}

async fn hold(t: &TestApp, name: &str, change: Option<String>) -> Held {
    let (db, resource) = (t.database.connect().await, t.resource(name).await.id);
    let (held, is_held) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let signals = Mutex::new(Some((held, released)));
    let holder = tokio::spawn(async move {
        let (signals, change) = (&signals, change.as_deref());
        db.write_txn(|txn| async move {
            locks::resource_in_txn(&txn, resource, Lock::Update).await?;
            if let Some(change) = change {
                txn.execute_unprepared(change).await?;
            }
            let (held, released) = signals.lock().unwrap().take().expect("the transaction ran twice");
            held.send(()).unwrap();
            released.await.unwrap();
            Ok(())
        })
        .await
    });
    is_held.await.unwrap();
    Held { release, holder }
}

/// Runs two operations concurrently: neither gets the lock of the resource before both wait for it. SQLite cannot list
/// waiting operations, and runs one writer at a time in any case.
pub(crate) async fn together<A, B>(
    t: &TestApp,
    name: &str,
    a: impl Future<Output = A> + Send + 'static,
    b: impl Future<Output = B> + Send + 'static,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let held = hold(t, name, None).await;
    let (a, b) = (tokio::spawn(a), tokio::spawn(b));
    if t.database.is_postgres() {
        until_they_wait(t, 2).await;
    }
    held.release.send(()).unwrap();
    held.holder.await.unwrap().unwrap();
    (a.await.unwrap(), b.await.unwrap())
}

/// Runs an operation while a transaction has changed a resource. The transaction commits when the operation waits for
/// it.
pub(crate) async fn behind<A: Send + 'static>(
    t: &TestApp,
    name: &str,
    change: String,
    a: impl Future<Output = A> + Send + 'static,
) -> A {
    let held = hold(t, name, Some(change)).await;
    let a = tokio::spawn(a);
    if t.database.is_postgres() {
        until_they_wait(t, 1).await;
    }
    held.release.send(()).unwrap();
    held.holder.await.unwrap().unwrap();
    a.await.unwrap()
}

async fn until_they_wait(t: &TestApp, callers: i64) {
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..2_000 {
        let statement = Statement::from_string(t.db().backend(), waiting);
        let row = t.db().reader().query_one_raw(statement).await.unwrap().unwrap();
        if row.try_get::<i64>("", "n").unwrap() >= callers {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the operations never waited for the lock");
}
