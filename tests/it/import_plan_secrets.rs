//! Secrets of Terraform plans: they are in no table, file, log or answer, in whatever form.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::cloud_drift::DriftStatus;
use serde_json::{Value, json};

use crate::import_plans::{dump, file, import, names, open, parsed, plan};
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::process::Program;

/// Planted values that are not recognized, each with the reason: neither a mark nor a name nor a form tells them from
/// ordinary values, so that a rule for them would hide ordinary values, too.
const NOT_RECOGNIZED: [(&str, &str); 5] = [
    (
        "planted-secret-013",
        "the name of a database user, which is no secret elsewhere",
    ),
    ("planted-secret-038", "a tag with the name `note`"),
    (
        "planted-secret-044",
        "an input with the name `key`, which is the name of object keys and of tags",
    ),
    (
        "planted-secret-049",
        "a tag with the name `note` that was changed outside",
    ),
    ("planted-secret-051", "the tag `Name` that was changed outside"),
];
/// A secret that has another form in JSON, in an address and in Base64.
const SPECIAL: &str = "it \"has\" a\\back/slash & ünïcode %41+";

/// The planted secrets of all plans.
fn planted() -> Vec<String> {
    let mut planted = Vec::new();
    for name in names() {
        if file(&format!("{name}.secrets.json")).is_some() {
            let secrets = parsed(&format!("{name}.secrets.json"));
            let values = secrets.as_array().unwrap().iter();
            planted.extend(values.map(|secret| secret["value"].as_str().unwrap().to_owned()));
        }
    }
    planted.sort();
    planted.dedup();
    planted
}

/// The forms in which a secret may be written: as it is, in JSON, in an address, and in Base64 at each of the three
/// positions that a text may have in a longer one.
fn forms(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![secret.to_owned(), json, encoded.replace('+', "%20"), encoded];
    for before in 0..3 {
        let padded = STANDARD.encode([&vec![b'x'; before], secret.as_bytes()].concat());
        // The characters at both ends depend on what is around the secret.
        let skipped = if before == 0 { 0 } else { before + 1 };
        let kept = (before + secret.len()) / 3 * 4;
        forms.push(padded[skipped..kept].to_owned());
    }
    forms
}

/// Asserts that no secret is in any of these texts, in any form, and that those that are not recognized still are not.
fn assert_hidden(texts: &BTreeMap<String, Vec<u8>>, secrets: &[String]) {
    // The search of the standard library is optimized in tests too, and these texts have many megabytes.
    let texts: BTreeMap<_, _> = texts
        .iter()
        .map(|(place, bytes)| (place, String::from_utf8_lossy(bytes)))
        .collect();
    for secret in secrets {
        let known = NOT_RECOGNIZED.iter().find(|(value, _)| value == secret);
        let forms = forms(secret);
        let mut found = texts.iter().flat_map(|(place, text)| {
            let found = forms.iter().filter(|form| text.contains(form.as_str()));
            found
                .map(|form| ((*place).clone(), form.clone()))
                .collect::<Vec<_>>()
        });
        match known {
            None => assert_eq!(found.next(), None, "{secret}"),
            Some((_, why)) => assert!(found.next().is_some(), "{secret} is recognized now: {why}"),
        }
    }
}

/// A plan of one instance with a marked secret that drifted.
fn marked(made_at: &str, applied: &str, live: &str, marks: &Value) -> Value {
    let mut marked: Value = serde_json::from_slice(&plan(made_at, &["a"])).unwrap();
    let resource = marked
        .pointer_mut("/prior_state/values/root_module/resources/0")
        .unwrap();
    resource["values"] = json!({ "size": 1, "note": live });
    resource["sensitive_values"] = marks.clone();
    marked["configuration"]["root_module"]["resources"][0]["expressions"]["note"] =
        json!({ "references": ["var.x"] });
    if applied != live {
        marked["resource_drift"] = json!([{ "address": "net_thing.a", "mode": "managed", "type": "net_thing", "name": "a",
            "provider_name": "registry.terraform.io/acme/net", "change": { "actions": ["update"],
            "before": { "size": 1, "note": applied }, "after": { "size": 1, "note": live },
            "before_sensitive": marks, "after_sensitive": marks } }]);
    }
    marked
}

const DRIFTS: &str =
    "{ drifts(first: 100, filter: { status: [OPEN, ACCEPTED, STALE] }) { nodes { id field expected
    actual redacted changes { path before after } resource { name providerId attrs tags provisioned { spec }
    events(first: 20) { nodes { type data } } } } } }";
const RESOURCES: &str =
    "{ resources(first: 100) { nodes { name providerId urn region tags attrs provisioned { spec
    notCompared } specVersions(first: 20) { nodes { spec } } events(first: 20) { nodes { type data } } } } }";

/// All answers of the API.
async fn answers(t: &TestApp) -> String {
    // The same by the resolvers.
    let slow = DRIFTS
        .replacen("{ drifts", "query($yes: Boolean = true) { drifts", 1)
        .replace("redacted", "redacted @include(if: $yes)");
    let drifts = t.data(DRIFTS, Value::Null).await;
    let mut all = format!(
        "{drifts}{}{}",
        t.data(&slow, Value::Null).await,
        t.data(RESOURCES, Value::Null).await
    );
    for path in [
        "/api/v1/drift",
        "/api/v1/drift?status=ACCEPTED",
        "/api/v1/drift?status=STALE",
    ] {
        all.push_str(&t.call_as_admin("GET", path).await.body.to_string());
    }
    // The errors of an accept contain the live value if it has moved.
    let rows = drifts["drifts"]["nodes"].as_array().unwrap();
    for row in rows.iter().filter(|row| row["redacted"] == true) {
        let id = row["id"].as_str().unwrap();
        let accept = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { id } } }";
        let input = json!({ "input": { "driftId": id, "expectedActual": "another" } });
        all.push_str(&t.ask(accept, input).await.to_string());
        all.push_str(
            &t.call_as_admin("POST", &format!("/api/v1/drift/{id}/accept"))
                .await
                .body
                .to_string(),
        );
    }
    all
}

/// The database files: the file itself, its write-ahead log, and a copy of its contents.
async fn files(t: &TestApp, into: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    if t.database.is_postgres() {
        return files;
    }
    let copy = into.join("copy.db");
    t.database
        .execute(format!("VACUUM INTO '{}'", copy.display()))
        .await
        .unwrap();
    let path = t.database.url.strip_prefix("sqlite://").unwrap();
    let path = path.split('?').next().unwrap();
    for (name, path) in [
        ("the database", path.to_owned()),
        ("the write-ahead log", format!("{path}-wal")),
        ("the copy", copy.display().to_string()),
    ] {
        files.insert(name.to_owned(), std::fs::read(&path).unwrap());
    }
    assert!(!files["the write-ahead log"].is_empty());
    files
}

#[tokio::test]
async fn no_planted_secret_is_in_a_table_a_file_a_log_or_an_answer() {
    let t = TestApp::today().await;
    let mut secrets = planted();
    assert_eq!(secrets.len(), 60, "{secrets:?}");
    secrets.push(SPECIAL.to_owned());
    let mut program = Program::new()
        .with("DATABASE_URL", &t.database.url)
        .with("RUST_LOG", "trace")
        .with("DRIFT_JWT_SECRET", "the secret of a test that runs servers")
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off");
    let token = program.run(&["token", "--role", "platform_admin"]).out;
    let mut server = program.start(&["serve"]);
    let address = server.address();
    let client = reqwest::Client::new();
    let mut texts = BTreeMap::new();
    let special = marked(
        "2026-11-20T10:00:00Z",
        "before",
        SPECIAL,
        &json!({ "note": true }),
    );
    let mut plans: Vec<(String, Vec<u8>)> = names()
        .into_iter()
        .filter(|name| file(&format!("{name}.secrets.json")).is_some())
        .map(|name| (name.clone(), file(&format!("{name}.plan.json")).unwrap()))
        .collect();
    plans.push(("special".to_owned(), special.to_string().into_bytes()));
    for (name, plan) in plans {
        let text = String::from_utf8(plan).unwrap();
        let errored = text.replace("\"errored\":false", "\"errored\":true");
        let cut = text[..text.len() / 2].to_owned();
        for (what, text, code) in [("whole", text, 0), ("errored", errored, 1), ("cut", cut, 1)] {
            let posted = client.post(format!("http://{address}/api/v1/plans/posted%20{name}"));
            let posted = posted
                .bearer_auth(token.trim())
                .body(text.clone())
                .send()
                .await
                .unwrap();
            assert_eq!(
                posted.status().as_u16(),
                if code == 0 { 200 } else { 422 },
                "{name} {what}"
            );
            texts.insert(
                format!("{name} {what} posted"),
                posted.bytes().await.unwrap().to_vec(),
            );
            program = program.with_file("plan.json", text);
            let ended = program.run(&["import-plan", "plan.json", "--state", &name]);
            assert_eq!(ended.code, Some(code), "{name} {what}: {}", ended.output());
            texts.insert(format!("{name} {what}"), ended.output().into_bytes());
        }
    }
    server.signal("TERM");
    let log = server.end().output();
    assert!(log.contains("DEBUG") && log.contains("/api/v1/plans/"), "{log}");
    texts.insert("the log of the server".to_owned(), log.into_bytes());
    for command in [&["detect"][..], &["detect", "--json"]] {
        texts.insert(command.join(" "), program.run(command).output().into_bytes());
    }
    texts.insert("answers".to_owned(), answers(&t).await.into_bytes());
    texts.insert("tables".to_owned(), dump(&t).await.into_bytes());
    texts.extend(files(&t, program.folder()).await);
    assert_hidden(&texts, &secrets);
    assert!(!String::from_utf8_lossy(&texts["answers"]).contains("drift-inbox:redacted"));
}

#[tokio::test]
async fn values_that_were_recorded_before_a_field_was_secret_are_hidden() {
    let t = TestApp::new().await;
    let none = json!({});
    // A closed, an accepted and an open drift, all of them readable.
    for (hour, applied, live) in [
        (1, "secret-a", "secret-b"),
        (2, "secret-a", "secret-a"),
        (3, "secret-a", "secret-c"),
    ] {
        let made_at = format!("2026-12-31T{hour:02}:00:00Z");
        let plan = marked(&made_at, applied, live, &none);
        import(&t, "prod", plan.to_string().as_bytes(), None)
            .await
            .unwrap();
    }
    let drift = t.inbox().await.remove(0);
    t.accept(&drift).await.unwrap();
    let plan = marked("2026-12-31T04:00:00Z", "secret-a", "secret-d", &none);
    import(&t, "prod", plan.to_string().as_bytes(), None)
        .await
        .unwrap();
    assert!(dump(&t).await.contains("secret-b"));
    let plan = marked(
        "2026-12-31T05:00:00Z",
        "secret-a",
        "secret-d",
        &json!({ "note": true }),
    );
    let done = import(&t, "prod", plan.to_string().as_bytes(), None)
        .await
        .unwrap();
    assert_eq!(done.open, 1);
    let drifts = t.drifts().await;
    let of = |status: DriftStatus| drifts.iter().filter(|drift| drift.status == status).count();
    assert_eq!(
        (
            of(DriftStatus::Stale),
            of(DriftStatus::Accepted),
            of(DriftStatus::Open)
        ),
        (1, 1, 1)
    );
    // It is hidden once.
    let plan = marked(
        "2026-12-31T06:00:00Z",
        "secret-a",
        "secret-d",
        &json!({ "note": true }),
    );
    let before = t.tables().await.events.len();
    let again = import(&t, "prod", plan.to_string().as_bytes(), None)
        .await
        .unwrap();
    assert_eq!(
        (again.open, again.changed, t.tables().await.events.len()),
        (1, 0, before)
    );
    let shown = format!("{}{}", dump(&t).await, answers(&t).await);
    assert!(!shown.contains("secret-"), "{shown}");
}

#[tokio::test]
async fn a_value_of_a_user_cannot_hide_a_drift() {
    let t = TestApp::new().await;
    let forged = json!({ "drift-inbox:redacted": "00ff" });
    let mut listed = droplet("web-1");
    listed.resource.attrs = json!({ "note": forged, "other": 1 })
        .as_object()
        .cloned()
        .unwrap();
    t.cloud_has([listed]).await;
    t.record_spec("web-1", json!({ "note": "expected" })).await;
    assert_eq!(t.sweep().await.opened, 1);
    // In a plan, also as the text of JSON.
    for (state, live) in [("object", forged.clone()), ("text", json!(forged.to_string()))] {
        let mut plan = marked("2026-12-31T01:00:00Z", "x", "y", &json!({}));
        *plan
            .pointer_mut("/prior_state/values/root_module/resources/0/values/note")
            .unwrap() = live.clone();
        plan["resource_drift"][0]["change"]["after"]["note"] = live;
        import(&t, state, plan.to_string().as_bytes(), None)
            .await
            .unwrap();
        assert_eq!(open(&t, state).await.len(), 1, "{state}");
    }
    let answer = t
        .ask(
            "{ drifts { nodes { field expected actual redacted } } }",
            Value::Null,
        )
        .await;
    let rows = answer["data"]["drifts"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{answer:#}");
    for row in rows {
        assert_eq!(
            (&row["field"], &row["redacted"]),
            (&json!("note"), &json!(false)),
            "{answer:#}"
        );
        assert_eq!(
            row["actual"],
            json!({ "drift-inbox:redacted'": "00ff" }),
            "{answer:#}"
        );
    }
}
