//! Runs operations on the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::Db;
use drift_inbox::domain::ignore_rules::Definition;
use drift_inbox::domain::snooze;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift, accept_drift_once};
use drift_inbox::services::detection::Scope;
use drift_inbox::services::ignore_rules::{self, NewRule, Origin};
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use drift_inbox::services::retirement::{RetireSpec, retire_spec};
use drift_inbox::services::reverting::note_revert;
use drift_inbox::services::snoozes::{snooze_drift, unsnooze_drift};
use drift_inbox::services::undo::{UndoAccept, undo_accept};
use entity::job_runs::JobOutcome;
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::model::operations::{KINDS, USERS};
use crate::model::state::Rule;
use crate::model::steps::{Answer, Ended, Step};
use crate::model::values::{field_name, spec_json};
use crate::support::TestApp;
use crate::support::cloud::Cloud;

/// The ids of what a step names.
pub(super) struct Ids {
    pub(super) resources: HashMap<usize, Uuid>,
    pub(super) drifts: Vec<Uuid>,
    pub(super) rules: Vec<Uuid>,
}

/// Runs a step on a server.
pub(super) async fn execute(app: &App, step: &Step, ids: &Ids) -> Answer {
    let (db, now) = (app.db(), app.clock().now());
    let done = match step {
        Step::Sync { .. } => return ended(app, JobRequest::Sync(SyncOptions::default())).await,
        Step::Sweep(None) => return ended(app, JobRequest::detect_all()).await,
        Step::Sweep(Some(resource)) => {
            let scope = Scope::Resources(vec![ids.resources[resource]]);
            return ended(
                app,
                JobRequest::Detect {
                    scope,
                    progress: None,
                },
            )
            .await;
        }
        Step::Accept {
            user,
            drift,
            revision,
            once,
        } => {
            let accept = AcceptDrift {
                drift_id: ids.drifts[*drift],
                revision: *revision,
                note: None,
            };
            match once {
                true => accept_drift_once(db, USERS[*user], &accept, now).await.map(drop),
                false => accept_drift(db, USERS[*user], &accept, now).await.map(drop),
            }
        }
        Step::Undo { user, drift } => {
            let undo = UndoAccept {
                drift_id: ids.drifts[*drift],
                reason: None,
            };
            undo_accept(db, USERS[*user], &undo, now).await.map(drop)
        }
        Step::Record {
            user,
            resource,
            spec,
            version,
        } => {
            let record = RecordSpec {
                resource_id: ids.resources[resource],
                spec: spec_json(spec),
                source: SOURCE_API.to_owned(),
                expected_version: *version,
                take_over: false,
                reason: None,
            };
            record_provisioned(db, USERS[*user], &record, now).await.map(drop)
        }
        Step::Retire {
            user,
            resource,
            version,
        } => {
            let retire = RetireSpec {
                resource_id: ids.resources[resource],
                expected_version: *version,
            };
            retire_spec(db, USERS[*user], retire, now).await.map(drop)
        }
        Step::Snooze {
            user,
            drift,
            revision,
            snooze,
        } => {
            let end = snooze::Snooze {
                until: snooze.until,
                until_change: snooze.until_change,
            };
            snooze_drift(
                db,
                (USERS[*user], None),
                (ids.drifts[*drift], *revision),
                end,
                now,
            )
            .await
            .map(drop)
        }
        Step::Unsnooze { user, drift } => unsnooze_drift(db, (USERS[*user], None), ids.drifts[*drift], now)
            .await
            .map(drop),
        Step::Revert {
            user,
            drift,
            is_reverting,
        } => note_revert(db, (USERS[*user], None), ids.drifts[*drift], *is_reverting, now)
            .await
            .map(drop),
        Step::Ignore { user, rule } => {
            ignore_rules::create(db, app.clock(), USERS[*user], &server_rule(rule, ids))
                .await
                .map(drop)
        }
        Step::Replace { user, rule, by } => {
            let (old, new) = (ids.rules[*rule], server_rule(by, ids));
            ignore_rules::replace(db, app.clock(), USERS[*user], old, &new)
                .await
                .map(drop)
        }
        Step::EndRule { user, rule } => {
            ignore_rules::end(db, app.clock(), USERS[*user], ids.rules[*rule], None)
                .await
                .map(drop)
        }
    };
    match done {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused(error.code()),
    }
}

async fn ended(app: &App, request: JobRequest) -> Answer {
    match app.jobs().run(request).await {
        Ok(run) => Answer::Run(match run.outcome {
            Some(JobOutcome::Succeeded) => Ended::Succeeded,
            Some(JobOutcome::Partial) => Ended::Partial,
            Some(JobOutcome::Failed) => Ended::Failed,
            _ => Ended::Unknown,
        }),
        Err(error) => Answer::Refused(error.code()),
    }
}

fn server_rule(rule: &Rule, ids: &Ids) -> NewRule {
    NewRule {
        name: None,
        definition: Definition {
            field: field_name(rule.field).to_owned(),
            kind: rule.kind.map(|kind| KINDS[kind].to_owned()),
            resource_ids: rule
                .resource
                .map(|resource| ids.resources[&resource])
                .into_iter()
                .collect(),
            live: rule.live.map(|live| live.json()).into_iter().collect(),
            open_after_sweeps: rule.open_after,
            ..Definition::default()
        },
        reason: "expected".to_owned(),
        owner: None,
        expires_at: rule.expires_at,
        origin: Origin::Api,
        bulk: None,
    }
}

/// Runs a step on a server with connections and threads of its own, and ends the server after this many statements, as if its
/// process were killed: the next statement is on its way. Returns the answer if the server gives it before.
pub(super) async fn kill(t: &TestApp, after: usize, step: &Step, ids: Ids) -> Option<Answer> {
    let (url, clock, step) = (t.database.url.clone(), t.clock.clone(), step.clone());
    let inventory: Arc<Cloud> = Arc::clone(&t.cloud);
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = runtime.block_on(async {
            let (killed, begun) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
            let (kill, done) = (Arc::clone(&killed), Arc::clone(&begun));
            let db = Db::connect(&url, 16).await.unwrap();
            let db = db.with_time(clock.clone()).observed(move |_| {
                if done.fetch_add(1, Ordering::SeqCst) == after {
                    kill.notify_one();
                }
            });
            let app = App::new(
                db,
                Clock::Manual(clock),
                Some(inventory as Arc<dyn InventoryProvider>),
            );
            tokio::select! {
                biased;
                () = killed.notified() => None,
                answer = execute(&app, &step, &ids) => Some(answer),
            }
        });
        drop(runtime);
        answer
    });
    let answer = server.join().unwrap();
    until_quiet(t).await;
    answer
}

/// Waits until the database has ended the transactions of servers that were killed.
async fn until_quiet(t: &TestApp) {
    t.db().write_txn(|_txn| async { Ok(()) }).await.unwrap();
    if !t.database.is_postgres() {
        return;
    }
    let others = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'";
    for _ in 0..5_000 {
        let row = t
            .db()
            .reader()
            .query_one_raw(Statement::from_string(t.db().backend(), others))
            .await;
        if row.unwrap().unwrap().try_get::<i64>("", "n").unwrap() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("a transaction of a killed server never ended");
}
