//! The mutations that start jobs.

use std::time::Duration;

use chrono::TimeDelta;
use entity::job_runs::{self, JobOutcome};
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::cloud::{Listed, droplet};
use crate::support::graphql::stable;
use crate::support::{ADMIN, TestApp};

const DETECT: &str = "mutation($input: DetectDriftInput!) { detectDrift(input: $input) { run {
    id job scheduledFor startedAt finishedAt outcome counts error } } }";
const SYNC: &str = "mutation($input: SyncInventoryInput!) { syncInventory(input: $input) { run {
    id job scheduledFor startedAt finishedAt outcome counts error } } }";

async fn two_drifted_droplets() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "region": "fra1", "status": "active" }))
            .await;
    }
    t.later(TimeDelta::minutes(1));
    t
}

async fn runs(t: &TestApp) -> Vec<job_runs::Model> {
    job_runs::Entity::find().all(t.db().reader()).await.unwrap()
}

/// Waits until the newest run satisfies a condition.
async fn wait_for(t: &TestApp, is_so: impl Fn(&job_runs::Model) -> bool) -> job_runs::Model {
    for _ in 0..1_000 {
        let newest = runs(t).await.into_iter().max_by_key(|run| run.id);
        if let Some(run) = newest.filter(|run| is_so(run)) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no run satisfies the condition: {:?}", runs(t).await);
}

#[tokio::test]
async fn a_sweep_of_everything_returns_its_run() {
    let t = two_drifted_droplets().await;
    let answer = t.ask(DETECT, json!({ "input": {} })).await;
    assert_eq!(t.inbox().await.len(), 2);
    insta::assert_json_snapshot!(stable(answer));
}

#[tokio::test]
async fn a_sweep_can_be_narrowed_to_some_resources() {
    let t = two_drifted_droplets().await;
    let web_2 = t.resource("web-2").await.id;
    let input = json!({ "resourceIds": [web_2, web_2] });
    let run = t.data(DETECT, json!({ "input": input })).await["detectDrift"]["run"].clone();
    assert_eq!(
        (&run["outcome"], &run["counts"]["opened"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
    let open = t.inbox().await;
    assert_eq!((open.len(), open[0].resource_id), (1, web_2));
}

#[tokio::test]
async fn the_input_of_a_job_may_be_omitted() {
    let t = two_drifted_droplets().await;
    let query = "mutation { syncInventory { run { outcome } } detectDrift { run { outcome } } }";
    let wanted = json!({
        "syncInventory": { "run": { "outcome": "SUCCEEDED" } }, "detectDrift": { "run": { "outcome": "SUCCEEDED" } }
    });
    assert_eq!(t.data(query, json!({})).await, wanted);
    let empty = "mutation { syncInventory(input: { kinds: null }) { run { outcome } }
        detectDrift(input: { resourceIds: null }) { run { outcome counts } } }";
    let data = t.data(empty, json!({})).await;
    assert_eq!(data["detectDrift"]["run"]["counts"]["resources"], 2);
}

#[tokio::test]
async fn a_sweep_of_an_invalid_list_of_ids_is_refused() {
    let t = two_drifted_droplets().await;
    let before = runs(&t).await.len();
    let id = t.resource("web-1").await.id;
    for ids in [json!([]), json!(["x"]), json!([id, null]), json!(vec![id; 501])] {
        let input = json!({ "input": { "resourceIds": ids } });
        assert_eq!(t.refusal(DETECT, input).await, "BAD_USER_INPUT");
    }
    assert_eq!(runs(&t).await.len(), before, "no run was started");
    let input = json!({ "input": { "resourceIds": vec![id; 500] } });
    assert_eq!(
        t.data(DETECT, input).await["detectDrift"]["run"]["outcome"],
        "SUCCEEDED"
    );
}

#[tokio::test]
async fn a_sweep_of_an_unknown_resource_is_refused() {
    let t = two_drifted_droplets().await;
    let ids = json!([
        t.resource("web-1").await.id,
        "00000000-0000-7000-8000-000000000000"
    ]);
    let answer = t.ask(DETECT, json!({ "input": { "resourceIds": ids } })).await;
    assert!(t.inbox().await.is_empty());
    insta::assert_json_snapshot!(stable(answer));
}

#[tokio::test]
async fn a_sync_returns_its_run() {
    let t = two_drifted_droplets().await;
    t.cloud.set([
        droplet("web-1").region("fra1"),
        droplet("web-3"),
        Listed::new("volume", "data-1"),
    ]);
    insta::assert_json_snapshot!(stable(t.ask(SYNC, json!({ "input": {} })).await));
}

#[tokio::test]
async fn a_sync_can_be_narrowed_to_some_kinds() {
    let t = two_drifted_droplets().await;
    t.cloud.set([droplet("web-1"), Listed::new("volume", "data-1")]);
    let input = json!({ "input": { "kinds": ["volume", "volume"] } });
    let run = t.data(SYNC, input).await["syncInventory"]["run"].clone();
    let counts = &run["counts"];
    assert_eq!((&counts["discovered"], &counts["gone"]), (&json!(1), &json!(0)));
    assert_eq!(t.resource("web-2").await.gone_at, None);
}

#[tokio::test]
async fn a_sync_of_no_or_unknown_kinds_is_refused_and_changes_nothing() {
    let t = two_drifted_droplets().await;
    assert_eq!(
        t.refusal(SYNC, json!({ "input": { "kinds": [] } })).await,
        "BAD_USER_INPUT"
    );
    t.cloud.set([droplet("web-9")]);
    let mut answers = Vec::new();
    for kinds in [json!(["toaster"]), json!(["droplet", "toa\0ster"]), json!([""])] {
        answers.push(stable(t.ask(SYNC, json!({ "input": { "kinds": kinds } })).await));
    }
    assert_eq!(t.resource("web-1").await.gone_at, None);
    insta::assert_json_snapshot!(answers);
}

#[tokio::test]
async fn a_sync_from_an_unreachable_cloud_fails_with_a_reason() {
    let t = two_drifted_droplets().await;
    t.cloud.fail(Some("the cloud answered 503: try again later"));
    insta::assert_json_snapshot!(stable(t.ask(SYNC, json!({ "input": {} })).await));
}

#[tokio::test]
async fn the_reason_of_a_failure_is_stored_even_with_invalid_characters() {
    let t = two_drifted_droplets().await;
    t.cloud.fail(Some("the cloud answered \"a\0b\""));
    let run = t.data(SYNC, json!({ "input": {} })).await["syncInventory"]["run"].clone();
    assert_eq!(run["outcome"], "FAILED");
    assert!(
        run["error"].as_str().unwrap().starts_with("the cloud answered"),
        "{run}"
    );
}

#[tokio::test]
async fn a_second_sync_is_refused_while_the_first_runs() {
    let t = two_drifted_droplets().await;
    let hanging = t.cloud.hang().await;
    let (first, refused) = tokio::join!(t.ask(SYNC, json!({ "input": {} })), async {
        wait_for(&t, |run| run.outcome.is_none()).await;
        let refused = t.ask(SYNC, json!({ "input": {} })).await;
        let sweep = t.data(DETECT, json!({ "input": {} })).await;
        assert_eq!(sweep["detectDrift"]["run"]["outcome"], "SUCCEEDED");
        drop(hanging);
        refused
    });
    assert_eq!(first["data"]["syncInventory"]["run"]["outcome"], "SUCCEEDED");
    assert_eq!(codes(&refused), ["JOB_ALREADY_RUNNING"]);
    insta::assert_json_snapshot!(refused);
}

#[tokio::test]
async fn a_run_continues_when_the_client_disconnects() {
    let t = two_drifted_droplets().await;
    t.cloud
        .set([droplet("web-1"), droplet("web-2"), droplet("web-3")]);
    let hanging = t.cloud.hang().await;
    {
        let mut request = Box::pin(t.ask(SYNC, json!({ "input": {} })));
        tokio::select! {
            answer = &mut request => panic!("the cloud hangs: {answer}"),
            _ = wait_for(&t, |run| run.outcome.is_none()) => {}
        }
    }
    drop(hanging);
    let run = wait_for(&t, |run| run.outcome.is_some()).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{run:?}");
    assert_eq!(t.resource("web-3").await.gone_at, None);
}

#[tokio::test]
async fn an_active_run_can_be_queried() {
    let t = two_drifted_droplets().await;
    let hanging = t.cloud.hang().await;
    let token = t.token(Some(ADMIN), &["platform_admin"]);
    let input = json!({ "input": {} });
    let request = t.ask_as(Some(&token), SYNC, input);
    let (_, shown) = tokio::join!(request, async {
        let run = wait_for(&t, |run| run.outcome.is_none()).await;
        let query = "query($id: ID!) { node(id: $id) { ... on JobRun { job outcome finishedAt error } } }";
        let shown = t.data(query, json!({ "id": run.id })).await["node"].clone();
        drop(hanging);
        shown
    });
    let wanted =
        json!({ "job": "SYNC_INVENTORY", "outcome": null, "finishedAt": null, "error": Value::Null });
    assert_eq!(shown, wanted);
}

#[tokio::test]
async fn a_started_run_ends_even_if_the_client_disconnects_at_once() {
    let t = two_drifted_droplets().await;
    for pause in 0..80 {
        let request = t.ask(DETECT, json!({ "input": {} }));
        _ = tokio::time::timeout(Duration::from_micros(100 * pause), request).await;
    }
    wait_for(&t, |_| true).await;
    for _ in 0..1_000 {
        if runs(&t).await.iter().all(|run| run.outcome.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let open = runs(&t).await.into_iter().filter(|run| run.outcome.is_none());
    panic!("these runs never end: {:?}", open.collect::<Vec<_>>());
}
