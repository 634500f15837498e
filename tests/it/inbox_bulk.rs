//! Many drifts at once on the inbox page: causes, the selection, and decisions about all of them with their undo.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::cloud_drift::DriftStatus;
use entity::ignore_rules;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::{Listed, droplet};
use crate::support::page::{
    ALL_SCREENS, ROW, TOTAL, look_at, row, signed_in, signed_in_as, three_differences,
};
use crate::support::served::Served;

const CAUSE: &str = "[data-testid=cause]";
const BULK: &str = "[data-testid=bulk-dialog]";
const CONFIRM: &str = "[data-testid=confirm-bulk]";
const SUMMARY: &str = "[data-testid=bulk-summary]";
const NOTICE: &str = "[data-testid=notice]";
const SELECTED: &str = "[data-testid=selected-count]";
const BAR: &str = "[data-testid=selection-bar]";

/// A cause: the kind and number of its resources, the field, and the expected and the live value.
type Cause = (&'static str, usize, &'static str, Value, Value);

fn causes() -> Vec<Cause> {
    let port =
        |number: u16| json!([{ "protocol": "tcp", "ports": number.to_string(), "sources": ["10.0.0.0/8"] }]);
    vec![
        ("firewall", 40, "inbound_rules", port(22), port(2222)),
        (
            "droplet",
            35,
            "size_slug",
            json!("s-1vcpu-1gb"),
            json!("s-2vcpu-2gb"),
        ),
        ("droplet", 30, "monitoring", json!(true), json!(false)),
        ("volume", 25, "size_gigabytes", json!(50), json!(100)),
        ("database", 20, "version", json!("15"), json!("16")),
        ("database", 15, "num_nodes", json!(1), json!(2)),
        (
            "load_balancer",
            10,
            "algorithm",
            json!("round_robin"),
            json!("least_connections"),
        ),
        (
            "load_balancer",
            8,
            "redirect_http_to_https",
            json!(true),
            json!(false),
        ),
        (
            "volume",
            6,
            "description",
            json!("data \"one\" / é"),
            json!("other"),
        ),
        ("droplet", 5, "labels", json!(["a", "b"]), json!(["b", "c"])),
        ("app", 4, "tier", json!("basic"), json!("professional")),
        ("app", 2, "weight", json!(1.50), json!(25.0)),
    ]
}

/// Starts a server with 200 open drifts of 12 causes. Some resources have drifts of two causes.
async fn two_hundred_drifts() -> Served {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    let mut listed: BTreeMap<(&str, usize), (Listed, Value)> = BTreeMap::new();
    for (kind, count, field, expected, live) in causes() {
        for n in 0..count {
            let name = format!("{kind}-{n:02}");
            let new = || {
                (
                    Listed::new(kind, &name).region("fra1"),
                    json!({ "region": "fra1" }),
                )
            };
            let (resource, spec) = listed.remove(&(kind, n)).unwrap_or_else(new);
            let resource = match field {
                "size_slug" => resource.size(live.as_str().unwrap()),
                field => resource.attr(field, live.clone()),
            };
            let mut spec = spec;
            spec[field] = expected.clone();
            listed.insert((kind, n), (resource, spec));
        }
    }
    t.cloud_has(listed.values().map(|(resource, _)| resource.clone()))
        .await;
    for ((kind, n), (_, spec)) in listed {
        t.record_spec(&format!("{kind}-{n:02}"), spec).await;
    }
    t.sweep().await;
    Served::start(t).await
}

/// Returns the stored text of every spec, by resource.
async fn stored_specs(t: &TestApp) -> Vec<(String, String, bool)> {
    let sql = "SELECT CAST(resource_id AS TEXT) AS of, CAST(spec AS TEXT) AS text, retired_at IS NULL AS active \
               FROM cloud_provisioned ORDER BY resource_id";
    let statement = Statement::from_string(t.db().backend(), sql.to_owned());
    let rows = t.db().reader().query_all_raw(statement).await.unwrap();
    let spec = |row: &sea_orm::QueryResult| {
        let text = |name| match row.try_get::<String>("", name) {
            Ok(text) => text,
            Err(_) => format!("{:?}", row.try_get::<Vec<u8>>("", name).unwrap()),
        };
        (text("of"), text("text"), row.try_get("", "active").unwrap())
    };
    rows.iter().map(spec).collect()
}

/// A user who counts the keys that are pressed.
struct Counting<'b> {
    browser: &'b Browser,
    keys: usize,
}

impl Counting<'_> {
    async fn press(&mut self, key: &str) {
        self.keys += 1;
        self.browser.press(key).await;
    }
}

async fn causes_are(browser: &Browser, count: usize) {
    browser
        .until(&format!(
            "document.querySelectorAll('{CAUSE}').length === {count}"
        ))
        .await;
}

#[tokio::test]
async fn two_hundred_drifts_of_twelve_causes_are_cleared_with_sixty_keys_and_undone_with_twelve() {
    let served = two_hundred_drifts().await;
    let before = stored_specs(&served).await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "200 open").await;
    let mut user = Counting {
        browser: &browser,
        keys: 0,
    };
    user.press("g").await;
    causes_are(&browser, 12).await;
    browser.see_text(TOTAL, "200 open · 12 causes").await;
    browser.shoot("causes").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    user.press("j").await;
    let mut open = Vec::new();
    for left in (0..12).rev() {
        open.push(served.inbox().await.len());
        user.press("a").await;
        browser.see(&format!("{CONFIRM}:enabled")).await;
        if left == 11 {
            browser.shoot("bulk-preview").await;
            assert_eq!(browser.axe().await, Vec::<String>::new());
        }
        user.press(ENTER).await;
        browser.see_none(BULK).await;
        causes_are(&browser, left).await;
        if left > 0 {
            browser
                .until("document.activeElement.matches('.cause-row .row-link')")
                .await;
        }
    }
    browser.see("[data-testid=empty]").await;
    assert!(served.inbox().await.is_empty());
    assert!(user.keys <= 60, "{} keys", user.keys);
    let accepted = stored_specs(&served).await;
    assert!(
        before
            .iter()
            .zip(&accepted)
            .all(|(before, after)| before.1 != after.1)
    );

    served.later(TimeDelta::minutes(1));
    let mut undo = Counting {
        browser: &browser,
        keys: 0,
    };
    // Each key undoes the bulk before, so the drifts that were open before it are open again.
    for open in open.into_iter().rev() {
        undo.press("z").await;
        browser.see_text(TOTAL, &format!("{open} open")).await;
    }
    assert!(undo.keys <= 12, "{} keys", undo.keys);
    causes_are(&browser, 12).await;
    assert_eq!(served.inbox().await.len(), 200);
    assert_eq!(stored_specs(&served).await, before, "to the byte");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_cause_opens_to_its_drifts_in_all_widths() {
    let served = two_hundred_drifts().await;
    let browser = signed_in(&served).await;
    browser.click("[data-testid=group-by-cause]").await;
    causes_are(&browser, 12).await;
    assert_eq!(browser.path().await, "/?group=cause");
    browser.see_text(CAUSE, "35 resources").await;
    browser.press("j").await;
    browser.press(ENTER).await;
    browser.see(ROW).await;
    let opened = browser.count(ROW).await;
    let heading = browser.texts(CAUSE).await.remove(0);
    assert!(heading.contains(&format!("{opened} resources")), "{heading}");
    assert_eq!(browser.axe().await, Vec::<String>::new());
    for (width, name) in [(1920, "wide"), (390, "phone"), (1280, "laptop")] {
        browser.resize(width, 900).await;
        let overflow = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        browser.until(overflow).await;
        for scheme in ["dark", "light"] {
            browser.prefer(scheme).await;
            browser.shoot(&format!("causes-{name}-{scheme}")).await;
        }
    }
    // A drift of the cause opens beside the list, and is accepted alone.
    browser.press("j").await;
    browser.press("o").await;
    browser.see("[data-testid=detail]").await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=detail]").await;
    browser.press("a").await;
    browser.see("[data-testid=accept-dialog]").await;
    browser.press(ENTER).await;
    browser.see_text(TOTAL, "199 open").await;
    browser
        .until(&format!(
            "document.querySelectorAll('{ROW}').length === {}",
            opened - 1
        ))
        .await;
    browser.press("g").await;
    browser.see_none(CAUSE).await;
    assert_eq!(browser.path().await, "/");
}

#[tokio::test]
async fn a_key_that_begins_a_sequence_does_not_group() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.press("gh").await;
    assert_eq!(browser.path().await, "/?view=history");
    browser.run("history.back()").await;
    browser.until("location.search === ''").await;
    browser.see(ROW).await;
}

#[tokio::test]
async fn rows_are_selected_by_key_by_range_and_by_filter() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.press("jx").await;
    browser.see_text(SELECTED, "1 selected").await;
    browser.press("jj").await;
    browser.press("X").await;
    browser.see_text(SELECTED, "3 selected").await;
    browser.press("x").await;
    browser.see_text(SELECTED, "2 selected").await;
    browser.shoot("selection").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.resize(390, 800).await;
    browser.prefer("dark").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("selection-phone").await;
    browser.prefer("light").await;
    browser.resize(1280, 900).await;
    browser.press(ESCAPE).await;
    browser.see_none(BAR).await;
    // The keys of the page do the same as the boxes of the rows.
    let size = row(&served, "web-1", "size_slug").await;
    browser
        .run(&format!(
            "document.querySelector(\"{size} [data-testid=select]\").click()"
        ))
        .await;
    browser.see_text(SELECTED, "1 selected").await;
    browser.press("*").await;
    browser.see_text(SELECTED, "3 selected").await;
    browser.click("[data-testid=clear-selection]").await;
    browser.see_none(BAR).await;
    // A filter selects what matches it, and only that is accepted.
    browser.fill("[data-testid=search]", "kind:droplet ").await;
    browser.see_text(TOTAL, "2 open").await;
    browser.run("document.activeElement.blur()").await;
    browser.press("*").await;
    browser.see_text(SELECTED, "2 selected").await;
    browser.press("a").await;
    browser
        .see_text(SUMMARY, "2 drifts of 1 resource, 2 causes")
        .await;
    browser.fill("[data-testid=bulk-note]", "as planned").await;
    browser.press(ENTER).await;
    browser.see_none(BULK).await;
    browser.see_text(NOTICE, "Accepted 2 drifts").await;
    browser.see_none(BAR).await;
    let spec = served.spec("web-1").await;
    assert_eq!(spec.spec_version, 2, "one version for both fields");
    let accepted = served.drifts().await.into_iter();
    let notes: Vec<_> = accepted.filter_map(|drift| drift.resolution_note).collect();
    assert_eq!(notes, ["as planned", "as planned"]);
    assert_eq!(served.inbox().await.len(), 1);
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the accept of 2 drifts").await;
    browser.see_text(TOTAL, "2 open").await;
    assert_eq!(served.inbox().await.len(), 3);
}

#[tokio::test]
async fn a_row_that_moved_after_the_preview_stays_and_is_listed() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.press("*").await;
    browser.press("a").await;
    browser
        .see_text(SUMMARY, "3 drifts of 2 resources, 3 causes")
        .await;
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 400);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), data_1])
        .await;
    served.sweep().await;
    browser.press(ENTER).await;
    browser
        .see_text("[data-testid=bulk-refused]", "1 drift moved meanwhile")
        .await;
    browser.see_text(BULK, "data-1").await;
    browser.shoot("bulk-refused").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.press(ENTER).await;
    browser.see_none(BULK).await;
    browser.see_text(TOTAL, "1 open").await;
    let open = served.inbox().await;
    assert_eq!((open.len(), open[0].actual.clone()), (1, Some(json!(400))));
}

#[tokio::test]
async fn more_than_a_thousand_drifts_are_accepted_in_turns() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    let names: Vec<String> = (0..12).map(|n| format!("web-{n:02}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name))).await;
    let spec: Value = (0..100)
        .map(|n| (format!("field_{n:03}"), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for name in &names {
        t.record_spec(name, spec.clone()).await;
    }
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "1,200 open").await;
    browser.press("*").await;
    browser.press("a").await;
    browser
        .see_text("[data-testid=bulk-left]", "200 more drifts match")
        .await;
    browser.see_text(CONFIRM, "Accept 1,000 drifts").await;
    browser.press(ENTER).await;
    browser.see_text(CONFIRM, "Accept 200 drifts").await;
    browser.press(ENTER).await;
    browser.see_none(BULK).await;
    browser.see("[data-testid=empty]").await;
    assert!(served.inbox().await.is_empty());
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the accept of 200 drifts").await;
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the accept of 1,000 drifts").await;
    browser.see_text(TOTAL, "1,200 open").await;
}

#[tokio::test]
async fn a_cause_is_ignored_with_one_rule() {
    let served = two_hundred_drifts().await;
    let browser = signed_in(&served).await;
    browser.go("/?field=monitoring&group=cause").await;
    causes_are(&browser, 1).await;
    browser.press("j").await;
    browser.press("i").await;
    browser
        .see_text(
            "[data-testid=ignore-preview]",
            "Closes 30 open drifts of 30 resources",
        )
        .await;
    browser.see("[data-testid=ignore-cause]:checked").await;
    browser.press("switched off on purpose").await;
    browser.shoot("ignore-cause").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.press(ENTER).await;
    browser.see_text(NOTICE, "Ignored 30 drifts").await;
    browser.see("[data-testid=empty]").await;
    assert_eq!(served.inbox().await.len(), 170);
    browser.press("z").await;
    causes_are(&browser, 1).await;
    let open = served.inbox().await;
    assert_eq!(
        open.iter().filter(|drift| drift.field == "monitoring").count(),
        30
    );
}

#[tokio::test]
async fn two_causes_are_ignored_after_a_preview_and_come_back_with_one_key() {
    let served = two_hundred_drifts().await;
    let browser = signed_in(&served).await;
    browser.go("/?field=monitoring&field=size_slug").await;
    browser.see_text(TOTAL, "65 open").await;
    browser.press("*").await;
    browser.press("i").await;
    browser
        .see_text(SUMMARY, "65 drifts of 35 resources, 2 causes. 2 ignore rules")
        .await;
    assert_eq!(browser.count("[data-testid=bulk-cause]").await, 2);
    look_at(&browser, "bulk-ignore", &ALL_SCREENS).await;
    // Without a reason, nothing is ignored.
    browser.see(&format!("{CONFIRM}:disabled")).await;
    browser.press(ENTER).await;
    let rules = || async {
        ignore_rules::Entity::find()
            .all(served.db().reader())
            .await
            .unwrap()
    };
    assert!(rules().await.is_empty());
    browser
        .fill("[data-testid=bulk-note]", "resized by the autoscaler")
        .await;
    browser.fill("[data-testid=bulk-owner]", "shop").await;
    browser
        .run("const day = document.querySelector('[data-testid=bulk-until]'); day.value = '2999-12-31'; day.dispatchEvent(new Event('input'))")
        .await;
    browser.see_text(CONFIRM, "Ignore 65 drifts").await;
    browser.click(CONFIRM).await;
    browser.see_none(BULK).await;
    browser.see_text(NOTICE, "Ignored 65 drifts").await;
    browser.see("[data-testid=empty]").await;
    assert_eq!(served.inbox().await.len(), 135);
    let made = rules().await;
    assert_eq!(made.len(), 2, "one for each field");
    assert!(made.iter().all(|rule| {
        rule.reason == "resized by the autoscaler"
            && rule.owner.as_deref() == Some("shop")
            && rule.expires_at.is_some()
    }));
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the ignore of 65 drifts").await;
    browser.see_text(TOTAL, "65 open").await;
    assert_eq!(served.inbox().await.len(), 200);
    assert!(rules().await.iter().all(|rule| rule.ended_at.is_some()));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_snooze_of_many_shows_what_it_is_about_before_anything_is_written() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.press("*").await;
    browser.press("s").await;
    browser
        .see_text(SUMMARY, "3 drifts of 2 resources, 3 causes. Snoozed until ")
        .await;
    browser.see_text(CONFIRM, "Snooze 3 drifts").await;
    look_at(&browser, "bulk-snooze", &ALL_SCREENS).await;
    let snoozed = || async { served.inbox().await.iter().filter(|drift| drift.snoozed).count() };
    assert_eq!(snoozed().await, 0, "the preview writes nothing");
    // Another end is another decision about the same drifts.
    browser.click("[data-testid=bulk-snooze-change]").await;
    browser.see_text(SUMMARY, "Snoozed until a value changes.").await;
    // A drift that changes meanwhile is not snoozed unseen.
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 400);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), data_1])
        .await;
    served.sweep().await;
    browser.press(ENTER).await;
    browser
        .see_text("[data-testid=bulk-message]", "The drifts have changed")
        .await;
    browser.see_text("[data-testid=bulk-preview]", "400").await;
    assert_eq!(snoozed().await, 0);
    browser.press(ENTER).await;
    browser.see_none(BULK).await;
    browser.see_text(NOTICE, "Snoozed 3 drifts").await;
    browser.see("[data-testid=empty]").await;
    assert_eq!(snoozed().await, 3);
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the snooze of 3 drifts").await;
    browser.see_text(TOTAL, "3 open").await;
    assert_eq!(snoozed().await, 0);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_viewer_groups_but_does_not_select() {
    let served = three_differences().await;
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.see(ROW).await;
    browser.press("jx").await;
    browser.press("*").await;
    browser.press("a").await;
    browser.press("g").await;
    causes_are(&browser, 3).await;
    browser.press("jxa").await;
    browser.see_none(BAR).await;
    browser.see_none(BULK).await;
    assert_eq!(browser.count("[data-testid=select]").await, 0);
    assert!(
        served
            .drifts()
            .await
            .iter()
            .all(|drift| drift.status == DriftStatus::Open)
    );
}
