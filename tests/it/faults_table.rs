//! A table of faults. After each of them, neither the API, nor a sweep, nor `/readyz?sources`, nor the exit code of the
//! command line says that all is well. Without a fault, all of them do.

use std::pin::Pin;

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::{KindListing, Presence};
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::job_runs::{RunRequest, claim, heartbeat};
use drift_inbox::services::sources::{self, Registration};
use entity::job_runs::{Job, JobOutcome};
use entity::sources::SourceKind;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::process::Program;

type Done<'t> = Pin<Box<dyn Future<Output = ()> + Send + 't>>;

/// A fault that happens to an installation whose sources are all up to date.
struct Fault {
    name: &'static str,
    cause: fn(&TestApp) -> Done<'_>,
    /// Whether time has to pass. A process of the program has the real time and would not see that.
    takes_time: bool,
}

const fn fault(name: &'static str, cause: fn(&TestApp) -> Done<'_>) -> Fault {
    Fault {
        name,
        cause,
        takes_time: false,
    }
}

const fn slow(name: &'static str, cause: fn(&TestApp) -> Done<'_>) -> Fault {
    Fault {
        takes_time: true,
        ..fault(name, cause)
    }
}

const FAULTS: [Fault; 36] = [
    slow("three ticks of the sync were skipped", |t| {
        Box::pin(async {
            t.later(TimeDelta::hours(3));
        })
    }),
    fault("the sync failed", |t| sync_fails(t, "503 Service Unavailable")),
    fault("the token has expired", |t| {
        sync_fails(t, "401: the token has expired")
    }),
    fault("the token is that of another account", |t| {
        Box::pin(async {
            t.cloud.set_account_id("another");
            t.sync().await;
        })
    }),
    fault("the list of a kind was cut off", |t| {
        unread(t, KindListing::Incomplete("page 2 is missing".into()))
    }),
    fault("the token may not read a kind", |t| {
        unread(t, KindListing::NotReadable("scope droplet:read".into()))
    }),
    fault("a field that a spec has could not be read", |t| {
        Box::pin(async {
            t.cloud.set_unread_fields([("droplet", "size_slug")]);
            t.sync().await;
        })
    }),
    slow("only another kind was synced", |t| {
        Box::pin(async {
            t.later(TimeDelta::hours(3));
            let options = SyncOptions {
                kinds: Some(["volume".to_owned()].into()),
                ..SyncOptions::default()
            };
            t.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
        })
    }),
    fault("most resources have vanished from the list", |t| {
        Box::pin(async {
            t.cloud.set([]);
            t.sync().await;
        })
    }),
    fault("a resource is not listed, and not confirmed as gone", |t| {
        Box::pin(async {
            let all = droplets();
            let id = all[0].resource.provider_id.clone();
            t.cloud
                .set_presence("droplet", &id, Presence::Unknown("429 Too Many Requests".into()));
            t.cloud.set(all.into_iter().skip(1));
            t.sync().await;
        })
    }),
    fault("the process of a sync was killed", |t| {
        Box::pin(async {
            let request = RunRequest {
                source: Some("cloud".to_owned()),
                ..Job::SyncInventory.into()
            };
            let run = claim(t.db(), request).await.unwrap();
            t.later(TimeDelta::minutes(2));
            assert!(!heartbeat(t.db(), run.id).await.unwrap());
        })
    }),
    slow("the clock was set back by an hour", |t| {
        Box::pin(async {
            t.later(TimeDelta::hours(-1));
        })
    }),
    fault("a resource is settling", |t| {
        Box::pin(async {
            let mut all = droplets();
            all[0].resource.settling = true;
            t.cloud.set(all);
            t.sync().await;
        })
    }),
    fault("a resource with a spec was never listed", |t| {
        Box::pin(async {
            crate::sources::imported(t, "imported").await;
        })
    }),
    fault("another source lists a resource too", |t| {
        Box::pin(async {
            let lines = "{\"provider\":\"digitalocean\"}\n{\"kind\":\"droplet\",\"providerId\":\"web-1\"}\n{\"complete\":\"droplet\"}";
            t.post_text("/api/v1/inventory/copy", lines).await;
        })
    }),
    fault("an expected source was never listed", |t| {
        Box::pin(async {
            let expected = Registration {
                name: "new".to_owned(),
                kind: SourceKind::Lines,
                schedule: None,
                interval: Some(TimeDelta::hours(1)),
            };
            sources::register(t.db(), &[expected]).await.unwrap();
        })
    }),
    fault("the row of a spec cannot be read", |t| {
        Box::pin(async {
            t.database
                .execute("UPDATE cloud_provisioned SET spec = '[1]' WHERE source = 'api'")
                .await
                .unwrap();
        })
    }),
    fault("the plan has errored", |t| {
        plan_with(t, |plan| plan["errored"] = json!(true))
    }),
    fault("the plan was made with -target", |t| {
        plan_with(t, |plan| plan["complete"] = json!(false))
    }),
    fault("the plan was made with -refresh=false", |t| {
        plan_with(t, |plan| plan["resource_changes"] = json!([]))
    }),
    fault("the plan is truncated", |t| {
        Box::pin(async {
            let mut text = plan(t.now(), &["a", "b"], 1).to_string();
            text.truncate(text.len() / 2);
            t.post_text("/api/v1/plans/prod", text).await;
        })
    }),
    fault("the file is not JSON", |t| {
        sent_as_plan(t, "Error: No configuration files")
    }),
    fault("the file is empty", |t| sent_as_plan(t, "")),
    fault("the file is a state and no plan", |t| {
        sent_as_plan(t, r#"{"format_version":"1.0","values":{}}"#)
    }),
    fault("the file is the log of plan -json", |t| {
        sent_as_plan(
            t,
            "{\"@level\":\"info\",\"type\":\"version\"}\n{\"@level\":\"info\"}\n",
        )
    }),
    fault("the plan is older than the last one", |t| {
        Box::pin(async {
            import(t, &plan(t.now() - TimeDelta::hours(2), &["a", "b"], 1)).await;
        })
    }),
    fault("the plan is of another state", |t| {
        Box::pin(async {
            import(t, &plan(t.now(), &["x", "y"], 1)).await;
        })
    }),
    fault("the plan is of a workspace without resources", |t| {
        plan_with(t, |plan| {
            plan.as_object_mut().unwrap().remove("prior_state");
        })
    }),
    fault("the clock of the CI machine is ahead", |t| {
        Box::pin(async {
            import(t, &plan(t.now() + TimeDelta::hours(1), &["a", "b"], 1)).await;
        })
    }),
    slow("no plan was imported for more than two days", |t| {
        Box::pin(async {
            t.later(TimeDelta::hours(49));
            t.sync().await;
            push(t, SERVERS).await;
        })
    }),
    fault("apply -refresh-only took over a change", |t| {
        Box::pin(async {
            import(t, &plan(t.now(), &["a", "b"], 2)).await;
        })
    }),
    fault("the first plan of a state was refused", |t| {
        Box::pin(async {
            t.post_text("/api/v1/plans/new", "{").await;
        })
    }),
    fault("the lines of a kind have no end", |t| {
        Box::pin(push(
            t,
            "{\"kind\":\"server\",\"providerId\":\"s-1\",\"attrs\":{\"cores\":2}}\n",
        ))
    }),
    fault("a line is not valid", |t| Box::pin(push(t, "{\"kind\":\n"))),
    fault("the body has no lines", |t| {
        Box::pin(async {
            t.post_text("/api/v1/inventory/hetzner", "").await;
        })
    }),
    slow("no lines were sent for more than two days", |t| {
        Box::pin(async {
            t.later(TimeDelta::hours(49));
            t.sync().await;
            import(t, &plan(t.now(), &["a", "b"], 1)).await;
        })
    }),
];

const SERVERS: &str = "{\"kind\":\"server\",\"providerId\":\"s-1\",\"name\":\"s-1\",\"attrs\":{\"cores\":2}}\n\
    {\"complete\":\"server\"}\n";

fn sync_fails<'t>(t: &'t TestApp, why: &'static str) -> Done<'t> {
    Box::pin(async move {
        t.cloud.fail(Some(why));
        t.sync().await;
    })
}

fn unread(t: &TestApp, listing: KindListing) -> Done<'_> {
    Box::pin(async move {
        t.cloud.unread([("droplet", listing)]);
        t.sync().await;
    })
}

fn sent_as_plan<'t>(t: &'t TestApp, text: &'static str) -> Done<'t> {
    Box::pin(async move {
        t.post_text("/api/v1/plans/prod", text).await;
    })
}

fn plan_with(t: &TestApp, change: fn(&mut Value)) -> Done<'_> {
    Box::pin(async move {
        let mut plan = plan(t.now(), &["a", "b"], 1);
        change(&mut plan);
        import(t, &plan).await;
    })
}

async fn import(t: &TestApp, plan: &Value) {
    t.post_text("/api/v1/plans/prod", plan.to_string()).await;
}

async fn push(t: &TestApp, lines: &str) {
    t.later(TimeDelta::seconds(1));
    t.post_text(
        "/api/v1/inventory/hetzner",
        format!("{{\"provider\":\"hetzner\"}}\n{lines}"),
    )
    .await;
}

/// A refresh-only plan. The code declares the size 1.
pub(crate) fn plan(made_at: DateTime<Utc>, instances: &[&str], size: u32) -> Value {
    let of = |entry: fn(&str, u32) -> Value| -> Vec<Value> {
        instances.iter().map(|name| entry(name, size)).collect()
    };
    let stored = of(|name, size| {
        json!({ "address": format!("net_thing.{name}"), "mode": "managed", "type": "net_thing", "name": name,
            "provider_name": "registry.terraform.io/acme/net", "values": { "size": size }, "sensitive_values": {} })
    });
    let declared = of(|name, _| {
        json!({ "address": format!("net_thing.{name}"), "mode": "managed", "type": "net_thing", "name": name,
            "provider_config_key": "net", "expressions": { "size": { "constant_value": 1 } } })
    });
    json!({ "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": { "root_module": {} },
        "prior_state": { "format_version": "1.0", "values": { "root_module": { "resources": stored } } },
        "configuration": { "root_module": { "resources": declared } },
        "timestamp": made_at, "applyable": true, "complete": true, "errored": false })
}

fn droplets() -> Vec<Listed> {
    (1..=12)
        .map(|number| droplet(&format!("web-{number}")).size("s-1vcpu-1gb"))
        .collect()
}

/// Returns an installation with an account, a Terraform state and lines, all up to date.
async fn healthy() -> TestApp {
    let t = TestApp::today().await;
    t.cloud.set_account_id("ours");
    t.cloud_has(droplets()).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    import(&t, &plan(t.now() - TimeDelta::minutes(1), &["a", "b"], 1)).await;
    push(&t, SERVERS).await;
    t.record_spec("s-1", json!({ "cores": 2 })).await;
    t
}

/// What each part of the program says of the inbox.
#[derive(Debug, PartialEq)]
struct Verdict {
    vouched: bool,
    sweep_succeeded: bool,
    open: usize,
    sources_ready: bool,
    exit_code: Option<i32>,
}

impl Verdict {
    const ALL_IS_WELL: Self = Self {
        vouched: true,
        sweep_succeeded: true,
        open: 0,
        sources_ready: true,
        exit_code: Some(0),
    };
}

async fn verdict(t: &TestApp, with_program: bool) -> Verdict {
    let exit_code = with_program.then(|| {
        let program = Program::new().with("DATABASE_URL", &t.database.url);
        program
            .run(&["detect", "--exit-code", "--max-age", "2h"])
            .code
            .unwrap()
    });
    let run = t.app.jobs().run(JobRequest::detect_all()).await.unwrap();
    let data = t.data("{ freshness { vouched } }", json!({})).await;
    let ready = t.call("GET", "/readyz?sources", None).await;
    Verdict {
        vouched: data["freshness"]["vouched"] == json!(true),
        sweep_succeeded: run.outcome == Some(JobOutcome::Succeeded),
        open: t.inbox().await.len(),
        sources_ready: ready.status.is_success(),
        exit_code,
    }
}

#[tokio::test]
async fn without_a_fault_all_is_well() {
    let t = healthy().await;
    assert_eq!(verdict(&t, true).await, Verdict::ALL_IS_WELL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_no_fault_anything_says_that_all_is_well() {
    let mut wrong = Vec::new();
    for Fault {
        name,
        cause,
        takes_time,
    } in FAULTS
    {
        let t = healthy().await;
        cause(&t).await;
        let found = verdict(&t, !takes_time).await;
        let says_well = found.open == 0 && (found.vouched || found.exit_code == Some(0));
        // Only a sweep that left out a settling or unreadable resource succeeds; it says how many it left out.
        let counted = [
            "a resource is settling",
            "a resource with a spec was never listed",
        ];
        let sweeps_well = found.open == 0 && found.sweep_succeeded && !counted.contains(&name);
        if says_well || sweeps_well {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
