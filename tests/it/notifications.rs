//! Notifications: which target is notified of what, the delivery log, retries, and the safety of outgoing requests.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use drift_inbox::app::App;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use drift_inbox::outgoing::{Lookup, Outgoing, OutgoingSettings, PrivateTargets};
use drift_inbox::scheduler::notify;
use drift_inbox::services::job_runs::{self, Report};
use entity::job_runs::{Job, JobOutcome};
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, Statement};
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::{TestApp, verifier};

const PUBLIC_URL: &str = "https://drift.example.com";

/// Creates a server that may call receivers on this machine.
pub(crate) async fn app() -> TestApp {
    with(TestApp::new().await, allowing())
}

fn allowing() -> Outgoing {
    Outgoing::new(OutgoingSettings {
        private: PrivateTargets::Allow,
        public_url: Some(PUBLIC_URL.to_owned()),
    })
}

fn with(mut t: TestApp, outgoing: Outgoing) -> TestApp {
    t.app = t.app.clone().with_outgoing(outgoing);
    t.router = router(HttpState::new(
        t.app.clone(),
        verifier(),
        ApiLimits::default(),
        true,
    ));
    t
}

const CREATE: &str = "mutation($input: CreateNotificationTargetInput!) {
    createNotificationTarget(input: $input) { secret target { id name host } } }";

/// Creates a target and returns its id and its secret.
pub(crate) async fn target(t: &TestApp, kind: &str, url: String, more: Value) -> (String, String) {
    let mut input = json!({ "name": format!("{kind} {url}"), "kind": kind, "url": url });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let data = t.data(CREATE, json!({ "input": input })).await;
    let made = &data["createNotificationTarget"];
    (
        made["target"]["id"].as_str().unwrap().to_owned(),
        made["secret"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn refusal(t: &TestApp, input: Value) -> String {
    let answer = t.ask(CREATE, json!({ "input": input })).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{answer:#}"
    );
    answer["errors"][0]["message"].as_str().unwrap().to_owned()
}

async fn deliveries(t: &TestApp) -> Vec<Value> {
    let data = t
        .data(
            "{ notificationDeliveries { totalCount nodes { id messageId kind state attemptCount nextAttemptAt endedAt \
             statusCode error target { name } attempts { number statusCode error endedAt } } } }",
            json!({}),
        )
        .await;
    data["notificationDeliveries"]["nodes"]
        .as_array()
        .unwrap()
        .clone()
}

async fn count(t: &TestApp, table: &str) -> i64 {
    let sql = Statement::from_string(t.db().backend(), format!("SELECT count(*) AS n FROM {table}"));
    let row = t.db().reader().query_one_raw(sql).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

/// Adds droplets that differ from their specs in the size.
pub(crate) async fn drift(t: &TestApp, names: &[&str]) {
    let known = entity::cloud_resources::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    let known = known.iter().map(|row| row.name.as_str());
    t.cloud_has(known.chain(names.iter().copied()).map(droplet)).await;
    for name in names {
        t.record_spec(name, json!({ "size_slug": "s-8vcpu-16gb" })).await;
    }
    t.sweep().await;
}

fn groups(message: &Received) -> Vec<(String, String, u64)> {
    let json = message.json();
    let groups = json["data"]["groups"].as_array().unwrap().iter();
    groups
        .map(|group| {
            (
                group["transition"].as_str().unwrap().to_owned(),
                group["field"].as_str().unwrap().to_owned(),
                group["count"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_webhook_gets_one_signed_message_for_each_sweep_with_its_causes_and_links() {
    let (t, receiver) = (app().await, Receiver::start().await);
    let (_, secret) = target(&t, "WEBHOOK", receiver.url("/hook?token=abc"), json!({})).await;
    drift(&t, &["web-1", "web-2", "web-3"]).await;
    notify(&t.app).await.unwrap();
    let messages = receiver.take();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let message = &messages[0];
    assert_eq!(
        (message.method.as_str(), message.path.as_str()),
        ("POST", "/hook?token=abc")
    );
    assert!(message.is_signed_with(&secret));
    assert!(!message.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!(
        groups(message),
        [("DRIFT_DETECTED".to_owned(), "size_slug".to_owned(), 3)]
    );
    let json = message.json();
    assert_eq!(json["type"], "drift.transitions");
    let row = t.open_drift("web-1", "size_slug").await;
    let listed = json["data"]["groups"][0]["drifts"].as_array().unwrap();
    let first = listed
        .iter()
        .find(|drift| drift["resourceName"] == "web-1")
        .unwrap();
    assert_eq!(
        first["link"],
        format!("{PUBLIC_URL}/?drift={}&revision=1", row.id)
    );
    assert_eq!(json["data"]["groups"][0]["expected"], "s-8vcpu-16gb");

    t.accept(&row).await.unwrap();
    notify(&t.app).await.unwrap();
    let accepted = receiver.take();
    assert_eq!(
        groups(&accepted[0]),
        [("DRIFT_ACCEPTED".to_owned(), "size_slug".to_owned(), 1)]
    );
    assert_ne!(accepted[0].header("webhook-id"), message.header("webhook-id"));
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty() && count(&t, "notification_outbox").await == 0);
    let log = deliveries(&t).await;
    assert_eq!(log.len(), 2);
    assert_eq!(log[1]["messageId"], message.header("webhook-id"));
    assert_eq!(
        (&log[1]["state"], &log[1]["statusCode"]),
        (&json!("DELIVERED"), &json!(200))
    );
}

#[tokio::test]
async fn an_accept_of_some_members_is_one_transition() {
    let (t, receiver) = (app().await, Receiver::start().await);
    t.cloud_has([droplet("web-1").attr("rules", json!(["a", "b"]))])
        .await;
    t.record_spec("web-1", json!({ "rules": [] })).await;
    t.sweep().await;
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    let rules = t.open_drift("web-1", "rules").await;
    let accept = "mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) { accepted { id } } }";
    let input = json!({ "driftId": rules.id, "revision": rules.revision, "members": ["a"] });
    let done = t.data(accept, json!({ "input": input })).await;
    let transitions = async || {
        notify(&t.app).await.unwrap();
        let messages = receiver.take();
        messages.iter().flat_map(groups).collect::<Vec<_>>()
    };
    let one = |word: &str| [(word.to_owned(), "rules".to_owned(), 1)];
    assert_eq!(transitions().await, one("DRIFT_ACCEPTED"));
    let undo = "mutation($id: ID!) { undoAccept(input: { driftId: $id }) { drift { id } } }";
    let id = &done["acceptDriftMembers"]["accepted"]["id"];
    t.data(undo, json!({ "id": id })).await;
    assert_eq!(transitions().await, one("ACCEPT_UNDONE"));
    t.cloud_has([droplet("web-1").attr("rules", json!(["a", "b", "c"]))])
        .await;
    t.sweep().await;
    assert_eq!(transitions().await, one("DRIFT_CHANGED"));
}

#[tokio::test]
async fn without_a_receiver_nothing_is_written() {
    let (t, receiver) = (app().await, Receiver::start().await);
    drift(&t, &["web-1"]).await;
    assert_eq!(count(&t, "notification_outbox").await, 0, "no target");
    target(&t, "WEBHOOK", receiver.url("/"), json!({ "enabled": false })).await;
    target(&t, "HEARTBEAT", receiver.url("/beat"), json!({})).await;
    drift(&t, &["web-2"]).await;
    let row = t.open_drift("web-2", "size_slug").await;
    t.accept(&row).await.unwrap();
    assert_eq!(
        count(&t, "notification_outbox WHERE type <> 'sweep_succeeded'").await,
        0
    );
    notify(&t.app).await.unwrap();
    assert_eq!(count(&t, "notification_outbox").await, 0);
    assert_eq!(
        count(&t, "notification_deliveries WHERE kind <> 'heartbeat'").await,
        0
    );
}

#[tokio::test]
async fn a_failed_message_is_tried_again_with_the_same_id_and_can_be_sent_again() {
    let (t, receiver) = (app().await, Receiver::start().await);
    let (_, secret) = target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    receiver.answers(Answer::Status(503, "no_service"));
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    notify(&t.app).await.unwrap();
    assert_eq!(receiver.received().len(), 1, "it waits before the next attempt");
    let log = deliveries(&t).await.remove(0);
    assert_eq!(log["state"], "PENDING");
    assert_eq!(
        log["error"],
        "the receiver answered 503 Service Unavailable: no_service"
    );
    t.later(TimeDelta::seconds(6));
    notify(&t.app).await.unwrap();
    receiver.answers(Answer::Status(204, ""));
    t.later(TimeDelta::seconds(11));
    notify(&t.app).await.unwrap();
    let messages = receiver.take();
    let ids: BTreeSet<&str> = messages
        .iter()
        .map(|message| message.header("webhook-id"))
        .collect();
    assert_eq!((messages.len(), ids.len()), (3, 1));
    assert!(messages.iter().all(|message| message.is_signed_with(&secret)));
    let log = deliveries(&t).await.remove(0);
    assert_eq!(
        (&log["state"], &log["attemptCount"], &log["error"]),
        (&json!("DELIVERED"), &json!(3), &Value::Null)
    );
    let statuses: Vec<&Value> = log["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["statusCode"])
        .collect();
    assert_eq!(statuses, [204, 503, 503]);

    let resend =
        "mutation($id: ID!) { resendNotification(input: { deliveryId: $id }) { delivery { state } } }";
    t.data(resend, json!({ "id": log["id"] })).await;
    notify(&t.app).await.unwrap();
    assert_eq!(
        receiver.take()[0].header("webhook-id"),
        messages[0].header("webhook-id")
    );
}

#[tokio::test]
async fn a_message_is_given_up_after_three_days_or_if_the_receiver_is_gone() {
    let (t, receiver) = (app().await, Receiver::start().await);
    let of_drifts = json!({ "filter": { "transitions": ["DRIFT_DETECTED"] } });
    target(&t, "WEBHOOK", receiver.url("/"), of_drifts).await;
    receiver.answers(Answer::Status(500, ""));
    drift(&t, &["web-1"]).await;
    for _ in 0..60 {
        notify(&t.app).await.unwrap();
        t.later(TimeDelta::hours(4));
    }
    let tried = receiver.take().len();
    assert!((15..=25).contains(&tried), "{tried}");
    assert_eq!(deliveries(&t).await[0]["state"], "FAILED");
    receiver.answers(Answer::Status(410, ""));
    drift(&t, &["web-2"]).await;
    notify(&t.app).await.unwrap();
    let gone = deliveries(&t).await.remove(0);
    assert_eq!(
        (&gone["state"], &gone["attemptCount"]),
        (&json!("FAILED"), &json!(1))
    );
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_after_a_rotation() {
    let (t, receiver) = (app().await, Receiver::start().await);
    let (id, old) = target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    let rotate = "mutation($id: ID!) { updateNotificationTarget(input: { targetId: $id, rotateSecret: true }) { secret } }";
    let data = t.data(rotate, json!({ "id": id })).await;
    let new = data["updateNotificationTarget"]["secret"].as_str().unwrap();
    let test = "mutation($id: ID!) { sendTestNotification(input: { targetId: $id }) { delivery { state } } }";
    t.data(test, json!({ "id": id })).await;
    let message = receiver.take().remove(0);
    assert!(message.is_signed_with(new) && message.is_signed_with(&old));
    t.later(TimeDelta::hours(25));
    t.data(test, json!({ "id": id })).await;
    let message = receiver.take().remove(0);
    assert!(message.is_signed_with(new) && !message.is_signed_with(&old));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (t, receiver, elsewhere) = (app().await, Receiver::start().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    receiver.answers(Answer::Redirect(elsewhere.url("/")));
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    assert_eq!((receiver.received().len(), elsewhere.received().len()), (1, 0));
    let error = deliveries(&t).await[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("redirects are not followed"), "{error}");
}

/// A resolver that returns public addresses at first and then those of this machine.
struct Rebinding(Mutex<Vec<SocketAddr>>);

impl Lookup for Rebinding {
    fn addresses(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        };
        Box::pin(async move { Ok(vec![answer]) })
    }
}

#[tokio::test]
async fn private_targets_and_names_that_lead_to_them_are_refused() {
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let lookup = Rebinding(Mutex::new(vec![
        receiver.address,
        "[::ffff:10.0.0.1]:0".parse().unwrap(),
    ]));
    let strict = Outgoing::with_lookup(OutgoingSettings::default(), Arc::new(lookup));
    let t = with(TestApp::new().await, strict);
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://hooks.example.com:{port}/"),
    ] {
        refusal(&t, json!({ "name": "x", "kind": "WEBHOOK", "url": url })).await;
    }
    let (id, _) = target(
        &t,
        "WEBHOOK",
        format!("https://rebind.example.com:{port}/"),
        json!({}),
    )
    .await;
    let test =
        "mutation($id: ID!) { sendTestNotification(input: { targetId: $id }) { delivery { state error } } }";
    for _ in 0..3 {
        let data = t.data(test, json!({ "id": id })).await;
        let delivery = &data["sendTestNotification"]["delivery"];
        assert_eq!(delivery["state"], "FAILED");
        assert!(
            delivery["error"].as_str().unwrap().starts_with("refused:"),
            "{delivery}"
        );
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn the_resolver_of_the_system_is_checked_too() {
    let t = with(TestApp::new().await, Outgoing::default());
    let (id, _) = target(&t, "WEBHOOK", "https://localhost/".to_owned(), json!({})).await;
    let test = "mutation($id: ID!) { sendTestNotification(input: { targetId: $id }) { delivery { error } } }";
    let data = t.data(test, json!({ "id": id })).await;
    let error = data["sendTestNotification"]["delivery"]["error"]
        .as_str()
        .unwrap();
    assert!(error.starts_with("refused:"), "{error}");
}

#[tokio::test]
async fn a_slow_receiver_does_not_hold_up_others() {
    let (t, slow, quick) = (app().await, Receiver::start().await, Receiver::start().await);
    slow.answers(Answer::Hang);
    target(&t, "WEBHOOK", slow.url("/"), json!({})).await;
    target(&t, "WEBHOOK", quick.url("/"), json!({})).await;
    drift(&t, &["web-1"]).await;
    let app = t.app.clone();
    let sending = tokio::spawn(async move { notify(&app).await });
    slow.until(|all| all.len() == 1).await;
    quick.until(|all| all.len() == 1).await;
    assert!(!sending.is_finished(), "the slow receiver has not answered");
    let one = deliveries(&t).await;
    sending.await.unwrap().unwrap();
    let states: BTreeSet<String> = one
        .iter()
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect();
    assert!(states.contains("PENDING"), "{one:#?}");
    let error = deliveries(&t)
        .await
        .into_iter()
        .find_map(|row| row["error"].as_str().map(str::to_owned));
    assert_eq!(error.as_deref(), Some("no answer within 10 s"));
}

#[tokio::test]
async fn slack_gets_text_and_blocks_without_a_signature() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "SLACK", receiver.url("/services/T0/B0/secret"), json!({})).await;
    drift(&t, &["web-1", "web-2"]).await;
    notify(&t.app).await.unwrap();
    let message = receiver.take().remove(0);
    let json = message.json();
    assert_eq!(json["text"], "2 drifts detected");
    let text = json["blocks"].to_string();
    assert!(
        text.contains("size_slug") && text.contains("web-1") && text.contains(PUBLIC_URL),
        "{text}"
    );
    assert_eq!(message.header("webhook-signature"), "");
}

#[tokio::test]
async fn a_filter_limits_what_a_target_is_notified_of() {
    let (t, all, closed, other) = (
        app().await,
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    target(
        &t,
        "WEBHOOK",
        all.url("/"),
        json!({ "filter": { "resourceKinds": ["droplet"], "fields": ["size_slug"] } }),
    )
    .await;
    target(
        &t,
        "WEBHOOK",
        closed.url("/"),
        json!({ "filter": { "transitions": ["DRIFT_STALE"] } }),
    )
    .await;
    target(
        &t,
        "WEBHOOK",
        other.url("/"),
        json!({ "filter": { "regions": ["ams3"] } }),
    )
    .await;
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    assert_eq!(
        [all.take().len(), closed.take().len(), other.take().len()],
        [1, 0, 0]
    );
    t.record_spec("web-1", json!({})).await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    assert_eq!(
        [all.take().len(), closed.take().len(), other.take().len()],
        [1, 1, 0]
    );
    refusal(
        &t,
        json!({ "name": "x", "kind": "WEBHOOK", "url": all.url("/"), "filter": { "fields": [] } }),
    )
    .await;
}

#[tokio::test]
async fn a_heartbeat_is_sent_after_a_sweep_that_proves_something_and_after_no_other() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "HEARTBEAT", receiver.url("/ping"), json!({ "method": "GET" })).await;
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    assert!(
        receiver.take().is_empty(),
        "a sweep without a spec proves nothing"
    );
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    let beats = receiver.take();
    assert_eq!(beats.len(), 1);
    assert_eq!((beats[0].method.as_str(), beats[0].body.as_str()), ("GET", ""));
    t.cloud.fail(Some("down"));
    t.sync().await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty(), "the inventory may be out of date");
}

#[tokio::test]
async fn an_undelivered_heartbeat_is_replaced_by_a_newer_one() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "HEARTBEAT", receiver.url("/ping"), json!({})).await;
    receiver.answers(Answer::Status(500, ""));
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    for _ in 0..3 {
        t.sweep().await;
        notify(&t.app).await.unwrap();
    }
    assert_eq!(
        count(&t, "notification_deliveries WHERE state = 'pending'").await,
        1
    );
    assert_eq!(
        count(&t, "notification_deliveries WHERE state = 'failed'").await,
        2
    );
}

#[tokio::test]
async fn a_source_that_fails_and_recovers_is_notified() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    t.cloud_has([droplet("web-1")]).await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty());
    t.cloud.fail(Some("the token was revoked"));
    for _ in 0..2 {
        t.sync().await;
        notify(&t.app).await.unwrap();
    }
    let failed = receiver.take();
    assert_eq!(failed.len(), 1, "once");
    let source = failed[0].json()["data"]["sources"][0].clone();
    assert_eq!(source["transition"], "SOURCE_FAILED");
    assert!(source["reason"].as_str().unwrap().contains("revoked"), "{source}");
    t.cloud.fail(None);
    t.sync().await;
    notify(&t.app).await.unwrap();
    let well = receiver.take();
    assert_eq!(
        well[0].json()["data"]["sources"][0]["transition"],
        "SOURCE_RECOVERED"
    );
}

#[tokio::test]
async fn a_digest_comes_once_a_day_at_its_time() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(
        &t,
        "SLACK",
        receiver.url("/"),
        json!({ "digestAt": "13:00", "filter": { "transitions": ["DRIFT_STALE"] } }),
    )
    .await;
    drift(&t, &["web-1", "web-2"]).await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty());
    t.later(TimeDelta::minutes(61));
    for _ in 0..2 {
        notify(&t.app).await.unwrap();
    }
    let digests = receiver.take();
    assert_eq!(digests.len(), 1);
    let title = |message: &Received| message.json()["text"].as_str().unwrap().to_owned();
    assert_eq!(
        title(&digests[0]),
        "2 drifts are open, and the inventory is up to date"
    );
    t.later(TimeDelta::days(3));
    notify(&t.app).await.unwrap();
    let digests = receiver.take();
    assert_eq!(digests.len(), 1, "missed digests are sent once");
    assert_eq!(
        title(&digests[0]),
        "2 drifts are open, but the inventory is not up to date"
    );
}

#[tokio::test]
async fn transitions_of_an_active_sweep_wait_for_its_end_but_not_for_that_of_a_killed_one() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    let other = job_runs::claim(t.db(), Job::DetectDrift).await.unwrap();
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty());
    let ended = Report {
        outcome: JobOutcome::Succeeded,
        counts: json!({}),
        error: None,
    };
    job_runs::finish(t.db(), other.id, &ended).await.unwrap();
    notify(&t.app).await.unwrap();
    assert_eq!(receiver.take().len(), 1);

    job_runs::claim(t.db(), Job::DetectDrift).await.unwrap();
    drift(&t, &["web-2"]).await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty());
    t.later(TimeDelta::seconds(31));
    notify(&t.app).await.unwrap();
    assert_eq!(
        receiver.take().len(),
        1,
        "its process sends no heartbeats any more"
    );
}

#[tokio::test]
async fn a_row_of_a_newer_release_keeps_no_transition_from_waiting_for_a_sweep() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    let newer = "INSERT INTO notification_outbox (type, data, occurred_at) \
                 VALUES ('of_a_newer_release', '{}', '2026-12-31T12:00:00+00:00')";
    t.database.execute(newer).await.unwrap();
    job_runs::claim(t.db(), Job::DetectDrift).await.unwrap();
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    assert!(receiver.take().is_empty(), "the sweep may find more");
    t.later(TimeDelta::seconds(31));
    notify(&t.app).await.unwrap();
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(count(&t, "notification_outbox").await, 1);
}

#[tokio::test]
async fn several_servers_make_each_message_once() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    let mut servers = vec![t.app.clone()];
    for _ in 0..3 {
        servers.push(t.another_server().await.with_outgoing(allowing()));
    }
    for n in 0..5 {
        drift(&t, &[&format!("web-{n}")]).await;
        let together = servers.iter().map(|app: &App| notify(app));
        for done in futures_util::future::join_all(together).await {
            done.unwrap();
        }
        notify(&t.app).await.unwrap();
    }
    let messages = receiver.take();
    let ids: BTreeSet<&str> = messages
        .iter()
        .map(|message| message.header("webhook-id"))
        .collect();
    assert_eq!(messages.len(), ids.len(), "no message was sent twice");
    let notified: BTreeSet<String> = messages.iter().flat_map(drift_ids).collect();
    assert_eq!(notified.len(), 5);
}

/// Returns the ids of the drifts that a message lists.
pub(crate) fn drift_ids(message: &Received) -> Vec<String> {
    let json = message.json();
    let groups = json["data"]["groups"].as_array().cloned().unwrap_or_default();
    let drifts = groups
        .iter()
        .flat_map(|group| group["drifts"].as_array().unwrap().clone());
    drifts
        .map(|drift| drift["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn neither_addresses_nor_secrets_are_shown_again() {
    let (t, receiver) = (app().await, Receiver::start().await);
    let (id, secret) = target(
        &t,
        "WEBHOOK",
        receiver.url("/path-with-token?key=hunter2"),
        json!({ "name": "one" }),
    )
    .await;
    receiver.answers(Answer::Status(400, "you sent whsec_x to /path-with-token"));
    let test = "mutation($id: ID!) { sendTestNotification(input: { targetId: $id }) { delivery { error body target { host } } } }";
    let mut shown = t.data(test, json!({ "id": id })).await.to_string();
    drop(receiver);
    shown += &t.data(test, json!({ "id": id })).await.to_string();
    let list = "{ notificationTargets { totalCount nodes { id name kind host method enabled digestAt nextDigestAt \
        previousSecretUntil createdAt createdBy updatedAt updatedBy filter { transitions fields } } } \
        notificationDeliveries { nodes { error body attempts { error } } } }";
    shown += &t.data(list, json!({})).await.to_string();
    let rows = entity::notification_targets::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    shown += &format!("{rows:?}");
    for part in ["path-with-token", "hunter2", "whsec_", secret.as_str()] {
        assert!(!shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("127.0.0.1"), "{shown}");
}

#[tokio::test]
async fn a_hundred_thousand_transitions_are_one_message_of_limited_size() {
    const ROWS: usize = 100_000;
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    receiver.take();
    let (resource, event) = (
        t.resource("web-1").await.id,
        t.open_drift("web-1", "size_slug").await,
    );
    let rows = match t.database.is_postgres() {
        true => format!(
            "INSERT INTO cloud_resource_events (id, resource_id, type, actor, data, occurred_at) SELECT \
             gen_random_uuid(), '{resource}', 'drift_detected', 'system', jsonb_build_object('driftId', '{}', \
             'field', 'field-' || (n % 1000), 'expected', n % 10, 'actual', 0), now() FROM generate_series(1, {ROWS}) AS n",
            event.id
        ),
        false => format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) \
             INSERT INTO cloud_resource_events (id, resource_id, type, actor, data, occurred_at) SELECT \
             randomblob(16), x'{}', 'drift_detected', 'system', json_object('driftId', '{}', \
             'field', 'field-' || (n % 1000), 'expected', n % 10, 'actual', 0), '2027-01-01T12:00:00+00:00' FROM s",
            resource.simple(),
            event.id
        ),
    };
    t.db()
        .write_txn(|txn| {
            let rows = rows.clone();
            async move {
                txn.execute_unprepared(&rows).await?;
                Ok(())
            }
        })
        .await
        .unwrap();
    assert_eq!(count(&t, "notification_outbox").await, ROWS as i64);
    notify(&t.app).await.unwrap();
    let messages = receiver.take();
    assert_eq!(messages.len(), 1);
    let json = messages[0].json();
    assert_eq!(json["data"]["total"], ROWS);
    assert_eq!(json["data"]["groups"].as_array().unwrap().len(), 50);
    assert!(messages[0].body.len() < 400_000, "{}", messages[0].body.len());
    assert_eq!(count(&t, "notification_outbox").await, 0);
}

#[tokio::test]
async fn delivered_messages_are_purged_and_undelivered_ones_are_kept() {
    use drift_inbox::domain::retention::Retention;
    use drift_inbox::services::retention::purge;
    let (t, receiver, down) = (app().await, Receiver::start().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    target(&t, "WEBHOOK", down.url("/"), json!({})).await;
    down.answers(Answer::Status(500, ""));
    drift(&t, &["web-1"]).await;
    notify(&t.app).await.unwrap();
    t.later(TimeDelta::days(100));
    let purged = purge(t.db(), &Retention::default(), t.app.clock()).await.unwrap();
    assert_eq!(purged.notifications, 1);
    let rows = entity::notification_deliveries::Entity::find();
    assert_eq!(rows.count(t.db().reader()).await.unwrap(), 1);
    assert_eq!(count(&t, "notification_attempts").await, 1);
}

#[tokio::test]
async fn a_drift_that_is_put_back_and_an_undone_accept_are_notified() {
    let (t, receiver) = (app().await, Receiver::start().await);
    target(&t, "WEBHOOK", receiver.url("/hook"), json!({})).await;
    drift(&t, &["web-1", "web-2"]).await;
    notify(&t.app).await.unwrap();
    assert_eq!(receiver.take().len(), 1);
    let first = t.open_drift("web-1", "size_slug").await;
    let mark = "mutation($id: ID!) { markReverting(input: {driftId: $id}) { drift { id } } }";
    t.data(mark, json!({ "id": first.id })).await;
    let second = t.open_drift("web-2", "size_slug").await;
    t.accept(&second).await.unwrap();
    let undo = "mutation($id: ID!) { undoAccept(input: {driftId: $id}) { drift { id } } }";
    t.data(undo, json!({ "id": second.id })).await;
    t.cloud_has([droplet("web-1").size("s-8vcpu-16gb"), droplet("web-2")])
        .await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    let notified: BTreeSet<String> = receiver
        .take()
        .iter()
        .flat_map(groups)
        .map(|(transition, ..)| transition)
        .collect();
    for transition in [
        "DRIFT_REVERTED",
        "ACCEPT_UNDONE",
        "DRIFT_ACCEPTED",
        "DRIFT_DETECTED",
    ] {
        assert!(notified.contains(transition), "{transition} in {notified:?}");
    }
}
