//! Secrets are planted everywhere: in settings, addresses, headers, paths, queries, bodies and targets. None of them is in
//! a log, an answer, an error, or the name of a file.

use std::fs;
use std::sync::Mutex;

use axum::http::StatusCode;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::db::TestDb;
use crate::support::process::{Ended, Program};
use crate::support::stub_do::{StubDo, response};

/// The planted secrets, and what was printed.
#[derive(Default)]
struct Garden {
    planted: Mutex<Vec<(String, String)>>,
    seen: Mutex<Vec<(String, String)>>,
}

impl Garden {
    /// Returns a new secret for this place. It is long enough for each use, and no escape changes it.
    fn plant(&self, place: &str) -> String {
        let secret = format!("s{}", &Uuid::new_v4().simple().to_string()[..24]);
        self.planted
            .lock()
            .unwrap()
            .push((place.to_owned(), secret.clone()));
        secret
    }

    fn see(&self, what: &str, text: impl Into<String>) {
        self.seen.lock().unwrap().push((what.to_owned(), text.into()));
    }

    fn see_end(&self, what: &str, ended: &Ended) {
        assert!(!ended.output().contains("panicked"), "{what}: {}", ended.output());
        self.see(what, ended.output());
    }

    /// Checks that no secret was seen. Returns how many there are.
    fn check(&self) -> usize {
        let (planted, seen) = (self.planted.lock().unwrap(), self.seen.lock().unwrap());
        let mut leaks = Vec::new();
        for (place, secret) in planted.iter() {
            for (what, text) in seen.iter() {
                if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                    leaks.push(format!("the secret of {place} is in {what}: {line}"));
                }
            }
        }
        assert!(leaks.is_empty(), "{leaks:#?}");
        planted.len()
    }
}

/// Settings that are wrong and hold a secret in a place where people put one by mistake.
const WRONG: &[(&str, &str)] = &[
    ("DATABASE_URL", "mysql://u:SECRET@host/drift"),
    ("DATABASE_URL", "postgres://u:SECRET@host:port/drift"),
    ("DATABASE_URL", "postgres://u:SECRET@host/drift?sslmod=SECRET"),
    ("DATABASE_URL", "postgres://u:SECRET@host/drift?sslmode=SECRET"),
    ("DATABASE_URL", "postgres://u:SECRET@host/drift?pooler=SECRET"),
    ("DATABASE_URL", "sqlite://drift.db?mode=SECRET"),
    ("DATABASE_URL", "SECRET"),
    ("DIGITALOCEAN_TOKEN", "SECRET SECRET"),
    ("DIGITALOCEAN_TOKEN", "SECRET\u{fc}"),
    ("DIGITALOCEAN_API_URL", "https://u:SECRET@api.example.com"),
    ("DIGITALOCEAN_API_URL", "https://api.example.com/?token=SECRET"),
    ("DRIFT_OIDC_ISSUER", "https://u:SECRET@id.example.com"),
    ("DRIFT_OIDC_ISSUER", "https://id.example.com/?secret=SECRET"),
    ("DRIFT_PUBLIC_URL", "https://u:SECRET@drift.example.com"),
    ("DRIFT_PUBLIC_URL", "https://drift.example.com/#token=SECRET"),
    ("DRIFT_ALLOWED_ORIGINS", "https://u:SECRET@ops.example.com"),
    ("DRIFT_NOTIFY_PRIVATE", "https://hooks.example.com/SECRET"),
    ("DRIFT_LISTEN", "http://u:SECRET@127.0.0.1:80"),
    ("DRIFT_PROXY_SECRET", "SECRET"),
    ("DRIFT_JWT_SECRET_FILE", "wrong"),
];

/// Requests with a secret where a client may put one by mistake, without a valid token.
const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/SECRET"),
    ("GET", "/?token=SECRET"),
    ("GET", "/graphql?query=%7B__typename%7D&token=SECRET"),
    ("GET", "/graphql?query=%7Bdrift(id:%22SECRET%22)%7Bid%7D%7D"),
    ("GET", "/graphql/SECRET"),
    ("GET", "/web/SECRET"),
    ("GET", "/operations/SECRET"),
    ("GET", "/graphiql/SECRET"),
    ("GET", "/api/v1/drift?access_token=SECRET"),
    ("GET", "/api/v1/drift?status=SECRET"),
    ("POST", "/api/v1/drift/SECRET/accept"),
    ("POST", "/api/v1/plans/SECRET"),
    ("POST", "/api/v1/inventory/SECRET"),
    ("GET", "/export/drifts.csv?token=SECRET"),
    ("GET", "/export/drifts.json?SECRET=1"),
    ("GET", "/readyz?SECRET"),
    ("DELETE", "/api/v1/drift?SECRET"),
];

/// Headers that hold secrets. Each is sent alone.
const HEADERS: &[(&str, &str)] = &[
    ("authorization", "Bearer SECRET"),
    ("authorization", "Bearer a.SECRET.b"),
    ("authorization", "Basic SECRET"),
    ("authorization", "SECRET"),
    ("proxy-authorization", "Basic SECRET"),
    ("cookie", "session=SECRET"),
    ("x-proxy-secret", "SECRET"),
    ("remote-user", "SECRET"),
    ("x-api-key", "SECRET"),
    ("x-auth-token", "SECRET"),
    ("x-forwarded-access-token", "SECRET"),
    ("referer", "https://drift.example.com/?token=SECRET"),
    ("origin", "https://u:SECRET@ops.example.com"),
    ("user-agent", "curl SECRET"),
    ("content-type", "application/json; SECRET=1"),
];

/// Bodies of requests to `/graphql` with a valid token.
const BODIES: &[&str] = &[
    r#"{"query":"SECRET"}"#,
    r#"{"query":"{ SECRET }"}"#,
    r#"{"query":"{ drift(id: \"SECRET\") { id } }"}"#,
    r#"{"query":"query($id: ID!) { drift(id: $id) { id } }","variables":{"id":"SECRET"}}"#,
    r#"{"query":"{ __typename }","operationName":"SECRET"}"#,
    r#"{"query":"{ __typename }","extensions":{"token":"SECRET"}}"#,
    r#"{"query":"{ __typename }","SECRET":"#,
    "SECRET",
];

/// Sends requests with secrets in all places. Errors of GraphQL and of the parser of requests may quote what the client
/// sent to the client itself, so only the answers of others are looked at.
async fn attack(garden: &Garden, address: &str, token: &str) {
    let client = Client::new();
    let url = |path: &str| format!("http://{address}{path}");
    for (method, path) in REQUESTS {
        let path = path.replace("SECRET", &garden.plant(&format!("{method} {path}")));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let sent = client
            .request(method, url(&path))
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_ne!(sent.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    for (name, value) in HEADERS {
        let value = value.replace("SECRET", &garden.plant(&format!("the header {name}: {value}")));
        let sent = client
            .post(url("/graphql"))
            .header("content-type", "application/json");
        let sent = sent
            .header(*name, value)
            .body(r#"{"query":"{ viewer { subject } }"}"#);
        let answer = sent.send().await.unwrap();
        assert!(!answer.status().is_server_error(), "{name}");
        garden.see(
            &format!("the answer to the header {name}"),
            answer.text().await.unwrap(),
        );
    }
    for body in BODIES {
        let body = body.replace("SECRET", &garden.plant(&format!("the body {body}")));
        let sent = client.post(url("/graphql")).bearer_auth(token);
        let sent = sent.header("content-type", "application/json").body(body);
        assert_ne!(
            sent.send().await.unwrap().status(),
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    for path in ["/healthz", "/readyz", "/readyz?sources", "/metrics"] {
        garden.see(
            path,
            client.get(url(path)).send().await.unwrap().text().await.unwrap(),
        );
    }
}

/// Creates a target of notifications whose address is a secret and does not answer, and sends a message to it.
async fn notify(garden: &Garden, address: &str, token: &str) {
    let secret = garden.plant("the address of a webhook");
    let mutation = "mutation($input: CreateNotificationTargetInput!) { createNotificationTarget(input: $input) { \
                    secret target { id host } } }";
    let input = json!({ "name": "hook", "kind": "WEBHOOK", "url": format!("http://u:{}@127.0.0.1:1/{secret}?t={}",
        garden.plant("the user of a webhook"), garden.plant("the query of a webhook")) });
    let ask = async |query: &str, variables: Value| -> Value {
        let sent = Client::new()
            .post(format!("http://{address}/graphql"))
            .bearer_auth(token);
        let sent = sent.json(&json!({ "query": query, "variables": variables }));
        sent.send().await.unwrap().json().await.unwrap()
    };
    let mut input = json!({ "input": input });
    let mut made = ask(mutation, input.clone()).await;
    if made["data"]["createNotificationTarget"].is_null() {
        garden.see("the refusal of a target", made.to_string());
        input["input"]["url"] = format!("http://127.0.0.1:1/{secret}").into();
        made = ask(mutation, input).await;
    }
    let made = &made["data"]["createNotificationTarget"];
    let key = made["secret"].as_str().unwrap().to_owned();
    garden
        .planted
        .lock()
        .unwrap()
        .push(("the key of a webhook".to_owned(), key));
    garden.see("a target", made["target"].to_string());
    let listed = ask(
        "{ notificationTargets(first: 10) { nodes { name host } } }",
        json!({}),
    )
    .await;
    garden.see("the targets", listed.to_string());
}

/// Returns the program with valid settings whose secrets are planted.
fn configured(garden: &Garden, database: &TestDb, stub: &StubDo) -> Program {
    let url = match database.url.split_once('@') {
        Some((before, after)) if database.is_postgres() && before.matches(':').count() == 1 => {
            format!("{before}:{}@{after}", garden.plant("DATABASE_URL"))
        }
        _ => database.url.clone(),
    };
    Program::new()
        .with("RUST_LOG", "trace")
        .with("DATABASE_URL", url)
        .with(
            "DRIFT_JWT_SECRET",
            garden.plant("DRIFT_JWT_SECRET") + "-and-longer",
        )
        .with(
            "DRIFT_PROXY_SECRET",
            garden.plant("DRIFT_PROXY_SECRET") + "-and-longer",
        )
        .with("DRIFT_PROXY_SIGN_IN", "on")
        .with("DIGITALOCEAN_TOKEN", garden.plant("DIGITALOCEAN_TOKEN"))
        .with("DIGITALOCEAN_API_URL", &stub.url)
        .with("DRIFT_OIDC_ISSUER", "http://127.0.0.1:1")
        .with("DRIFT_OIDC_AUDIENCE", "drift")
        .with("DRIFT_NOTIFY_PRIVATE", "allow")
        .with("DRIFT_LISTEN", "127.0.0.1:0")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_is_in_a_log_an_answer_or_an_error() {
    let (garden, database, stub) = (Garden::default(), TestDb::create().await, StubDo::start().await);
    let body =
        json!({ "id": "forbidden", "message": garden.plant("the body of an error of the API") }).to_string();
    stub.fault(move |_, _| response(403, [], &body));
    let program = configured(&garden, &database, &stub);
    let token = program.run(&["token", "--role", "platform_admin"]);
    assert_eq!(token.code, Some(0), "{}", token.output());
    let token = token.out.trim().to_owned();
    let planted = ("a token".to_owned(), token.clone());
    garden.planted.lock().unwrap().push(planted);
    let mut running = program.start(&["serve"]);
    let address = running.address();
    attack(&garden, &address, &token).await;
    notify(&garden, &address, &token).await;
    running.signal("TERM");
    let ended = running.end();
    assert!(
        ended.err.contains("path=\"/api/v1/drift/{id}/accept\""),
        "the log is on: {}",
        ended.err
    );
    garden.see_end("serve", &ended);
    for arguments in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["config"],
        &["config", "--json"],
        &["sync"],
        &["detect"],
        &["notify", "list"],
        &["notify", "test", "hook"],
        &["notify", "log"],
        &["backup", "copy.db"],
        &["sources", "list"],
        &["serve", "--help"],
    ] {
        garden.see_end(&arguments.join(" "), &program.run(arguments));
    }
    for (name, value) in WRONG {
        let value = value.replace("SECRET", &garden.plant(&format!("{name}={value}")));
        let wrong = configured(&garden, &database, &stub)
            .with_file("wrong", garden.plant("a file with a short secret"))
            .with(name, value);
        let ended = wrong.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.output());
        garden.see_end(name, &ended);
        garden.see_end(name, &wrong.run(&["config"]));
        garden.see_end(name, &wrong.run(&["doctor"]));
    }
    for entry in fs::read_dir(program.folder()).unwrap() {
        garden.see("the name of a file", entry.unwrap().path().display().to_string());
    }
    assert!(garden.check() >= 60);
}
