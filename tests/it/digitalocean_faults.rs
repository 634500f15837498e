//! Faults of the API or the network: the sync ends and reports the kinds that it could not read, and no existing
//! resource becomes gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drift_inbox::provider::digitalocean::Limits;
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};

use crate::support::account::{Account, counts, limits};
use crate::support::faults::{DROPLETS, account_with, page_2_answers, page_2_of, sync_with};
use crate::support::stub_do::{Answer, StubDo, normal_answer, response};

/// Syncs while this change is applied to every page of the droplets.
async fn pages_with(
    change: impl Fn(usize, &mut Value) + Send + Sync + 'static,
) -> (Account, job_runs::Model, String) {
    let account = account_with(limits()).await;
    let (run, reason) = sync_with(&account, move |request, value| {
        let mut value = value.unwrap_or_default();
        if let Some(page) = (1..=9).find(|page| request.is_droplets(*page)) {
            change(page, &mut value);
        }
        normal_answer(Some(value).filter(|value| !value.is_null()))
    })
    .await;
    (account, run, reason)
}

#[tokio::test]
async fn a_lasting_500_on_page_2_keeps_the_inventory() {
    let reason = page_2_answers(limits(), || {
        response(500, [], r#"{"id":"server_error","message":"oops"}"#)
    })
    .await;
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: the response status is 500 (server_error)"
    );
}

#[tokio::test]
async fn a_page_without_links_does_not_make_the_list_incomplete() {
    let (_, run, reason) = pages_with(|_, page| {
        page.as_object_mut().unwrap().remove("links");
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
}

#[tokio::test]
async fn a_total_that_is_too_high_makes_the_kind_incomplete() {
    let (_, run, reason) = pages_with(|_, page| page["meta"]["total"] = 700.into()).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: 450 different items were returned, but the total is 700 (meta.total)"
    );
}

#[tokio::test]
async fn a_list_with_one_wrong_total_is_requested_again() {
    let lies = AtomicUsize::new(1);
    let (account, run, reason) = pages_with(move |number, page| {
        if number == 3 && lies.swap(0, Ordering::SeqCst) == 1 {
            page["meta"]["total"] = 451.into();
        }
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
    let requests = account.stub.requests();
    let pages = requests
        .iter()
        .filter(|request| (1..=3).any(|page| request.is_droplets(page)));
    assert_eq!(pages.count(), 6);
}

#[tokio::test]
async fn a_total_that_is_too_low_hides_nothing() {
    // 50 droplets are not listed, and the absence of each is checked.
    let (account, run, reason) = pages_with(|_, page| page["meta"]["total"] = 400.into()).await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
    assert_eq!((counts(&run).gone, counts(&run).resources), (0, 451));
    let single = account
        .stub
        .requests()
        .iter()
        .filter(|request| request.path.starts_with("droplets/") && request.path != "droplets/autoscale")
        .count();
    assert_eq!(single, 50);
}

#[tokio::test]
async fn a_total_that_is_far_too_low_changes_nothing() {
    let (_, run, _) = pages_with(|_, page| page["meta"]["total"] = 200.into()).await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(
        run.error
            .unwrap()
            .contains("250 of 450 resources of the kind droplet")
    );
}

#[tokio::test]
async fn a_list_without_a_total_is_incomplete() {
    let (_, run, reason) = pages_with(|_, page| {
        page.as_object_mut().unwrap().remove("meta");
    })
    .await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert!(
        reason.starts_with("incomplete: ") && reason.contains("meta.total"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_empty_object_instead_of_a_list_keeps_the_inventory() {
    let (_, run, reason) = pages_with(|_, page| *page = json!({})).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: the response has no list of droplets"
    );
}

#[tokio::test]
async fn a_resource_that_a_deletion_moves_between_pages_is_read_alone() {
    let account = account_with(limits()).await;
    // The deletion moves the first droplet of page 2 to page 1, which has already been read.
    account.stub.change("droplets", 200, |hidden| {
        hidden["size_slug"] = "s-8vcpu-16gb".into()
    });
    let (delete, deleted) = (account.stub.deleter("droplets", 3), AtomicUsize::new(0));
    account.stub.fault(move |request, value| {
        if request.is_droplets(1) && deleted.fetch_add(1, Ordering::SeqCst) == 0 {
            delete();
        }
        normal_answer(value)
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{}", run.counts);
    assert_eq!(
        (counts(&run).gone, counts(&run).resources),
        (0, 451),
        "450 droplets and a volume"
    );
    let present = account.present("droplet").await;
    assert_eq!(present.len(), DROPLETS);
    let hidden = present
        .iter()
        .find(|droplet| droplet.provider_id == "201")
        .unwrap();
    assert_eq!(hidden.size_slug.as_deref(), Some("s-8vcpu-16gb"));

    // The deleted droplet was read before its deletion.
    assert_eq!(counts(&account.sync().await).gone, 1);
    let present = account.present("droplet").await;
    assert!(present.len() == DROPLETS - 1 && present.iter().all(|droplet| droplet.provider_id != "4"));
}

#[tokio::test]
async fn a_next_link_that_never_changes_is_ignored() {
    let (account, run, reason) = pages_with(|_, page| {
        page["links"] = json!({ "pages": { "next": "https://api.digitalocean.com/v2/droplets?page=2" } });
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
    let requests = account.stub.requests();
    let pages = requests
        .iter()
        .filter(|request| request.path == "droplets" && !request.query.contains_key("type"));
    assert_eq!(pages.count(), 3);
}

#[tokio::test]
async fn a_next_link_to_another_host_is_not_followed() {
    let other = StubDo::start().await;
    let next = format!("{}/v2/droplets?page=2", other.url);
    let (_, run, reason) = pages_with(move |_, page| {
        page["links"] = json!({ "pages": { "next": next, "last": next } });
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
    assert!(other.requests().is_empty(), "{:?}", other.requests());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (account, other) = (account_with(limits()).await, StubDo::start().await);
    for status in [301, 302, 307, 308] {
        let to = format!("{}/v2/droplets?page=2", other.url);
        let reason = page_2_of(&account, move || {
            response(status, [("location", to.as_str())], "")
        })
        .await;
        assert_eq!(
            reason,
            format!("incomplete: /v2/droplets: the response is a redirect ({status}), which is not followed")
        );
    }
    assert!(other.requests().is_empty(), "{:?}", other.requests());
}

#[tokio::test]
async fn a_truncated_response_keeps_the_inventory() {
    let cut = || {
        response(
            200,
            [("content-type", "application/json")],
            r#"{"droplets":[{"id":1,"name":"we"#,
        )
    };
    let reason = page_2_answers(limits(), cut).await;
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: the response is not JSON, or is incomplete"
    );
}

#[tokio::test]
async fn an_html_page_of_a_proxy_keeps_the_inventory() {
    let account = account_with(limits()).await;
    for status in [200, 502] {
        let html = move || {
            let page = "<html>hunter2 502 Bad Gateway</html>";
            response(status, [("content-type", "text/html")], page)
        };
        let reason = page_2_of(&account, html).await;
        assert!(
            reason.starts_with("incomplete: ") && !reason.contains("hunter2"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_response_keeps_the_inventory() {
    let short = Limits {
        request_timeout: Duration::from_millis(700),
        ..limits()
    };
    let reason = page_2_answers(short, || Answer::Hang).await;
    assert!(
        reason.starts_with("incomplete: /v2/droplets: no response in time"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_response_that_is_too_large_keeps_the_inventory() {
    let large = || Answer::Json(json!({ "droplets": [], "padding": "x".repeat(1024 * 1024) }));
    let reason = page_2_answers(limits(), large).await;
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: the response is larger than 1048576 bytes"
    );
}

#[tokio::test]
async fn a_client_error_is_not_retried() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let reason = page_2_answers(limits(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
        response(422, [], r#"{"id":"unprocessable_entity","message":"hunter2"}"#)
    })
    .await;
    assert_eq!(
        reason,
        "incomplete: /v2/droplets: the response status is 422 (unprocessable_entity)"
    );
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn characters_that_cannot_be_stored_are_replaced_in_the_reason() {
    let account = account_with(limits()).await;
    account
        .stub
        .has("domains", [json!({ "name": "a\u{0}b.example" })]);
    let (run, _) = sync_with(&account, |request, value| match request.path.as_str() {
        path if path.ends_with("/records") => response(404, [], "{}"),
        _ => normal_answer(value),
    })
    .await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let why = counts(&run)
        .kinds
        .remove("domain_record")
        .unwrap()
        .reason
        .unwrap();
    assert!(why.contains("/v2/domains/a\u{fffd}b.example/records"), "{why}");
}
