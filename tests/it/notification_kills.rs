//! Servers that are killed at any point between a transition and its delivery lose no notification.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drift_inbox::outgoing::{Outgoing, OutgoingSettings, PrivateTargets};
use entity::cloud_resource_events::{self as events, EventType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use crate::notifications::{drift, drift_ids, target};
use crate::support::receiver::{Answer, Receiver};
use crate::support::{TestApp, verifier};

const KILLS: usize = 200;

fn server(t: &TestApp) -> Child {
    Command::new(env!("CARGO_BIN_EXE_drift-inbox"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--detect-cron",
            "off",
            "--sync-cron",
            "off",
        ])
        .env_clear()
        .env("DATABASE_URL", &t.database.url)
        .env("DRIFT_JWT_SECRET", "a secret for tests, and long enough for them")
        .env("DRIFT_NOTIFY_PRIVATE", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Returns the ids of the drifts that were detected.
async fn detected(t: &TestApp) -> BTreeSet<String> {
    let rows = events::Entity::find().filter(events::Column::EventType.eq(EventType::DriftDetected));
    let rows = rows.all(t.db().reader()).await.unwrap();
    rows.iter()
        .map(|row| row.data["driftId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn two_hundred_killed_servers_lose_no_notification() {
    let mut t = TestApp::today().await;
    let outgoing = Outgoing::new(OutgoingSettings {
        private: PrivateTargets::Allow,
        public_url: None,
    });
    t.app = t.app.clone().with_outgoing(outgoing);
    let state = drift_inbox::http::HttpState::new(t.app.clone(), verifier(), Default::default(), true);
    t.router = drift_inbox::http::router(state);
    let receiver = Receiver::start().await;
    let (_, secret) = target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    receiver.answers(Answer::Late(Duration::from_millis(30)));

    let mut points = [0; 3];
    for kill in 0..KILLS {
        let name = format!("web-{kill}");
        drift(&t, &[&name]).await;
        let before = receiver.received().len();
        let mut child = server(&t);
        if kill % 2 == 0 {
            // Around the arrival of the message: before the receiver answers, and before and after the answer is recorded.
            receiver.until(|all| all.len() > before).await;
            tokio::time::sleep(Duration::from_millis((kill as u64 * 7) % 50)).await;
        } else {
            // At any point of the start, of the making of the message and of the request.
            tokio::time::sleep(Duration::from_millis((kill as u64 * 37) % 600)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let arrived = receiver.received().len() - before;
        points[arrived.min(2)] += 1;
    }
    assert!(points[0] > 0 && points[1] + points[2] > KILLS / 4, "{points:?}");

    let wanted = detected(&t).await;
    assert_eq!(wanted.len(), KILLS);
    let mut child = server(&t);
    receiver
        .until(|all| wanted.is_subset(&all.iter().flat_map(drift_ids).collect()))
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let messages = receiver.received();
    assert!(messages.iter().all(|message| message.is_signed_with(&secret)));
    // What arrived more than once has the same id and the same contents.
    let mut distinct: BTreeSet<(&str, &str)> = BTreeSet::new();
    distinct.extend(
        messages
            .iter()
            .map(|message| (message.header("webhook-id"), message.body.as_str())),
    );
    let ids: BTreeSet<&str> = distinct.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), distinct.len());
    let notified: Vec<String> = distinct
        .iter()
        .flat_map(|(_, body)| {
            let json: serde_json::Value = serde_json::from_str(body).unwrap();
            let groups = json["data"]["groups"].as_array().unwrap().clone();
            groups
                .iter()
                .flat_map(|group| group["drifts"].as_array().unwrap().clone())
                .collect::<Vec<_>>()
        })
        .map(|drift| drift["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(notified.len(), KILLS, "each transition is in exactly one message");
    assert_eq!(notified.into_iter().collect::<BTreeSet<_>>(), wanted);
}
