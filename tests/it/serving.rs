//! The server process: its address, its responses and its shutdown.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use entity::job_runs::JobOutcome;
use graphql_server::transport::server::{ConnectionLimits, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::schedule::eventually;
use crate::socket_client::Socket;
use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::live::{EVERYTHING, any_status};
use crate::support::process::{Ended, MAX_WAIT, Program, Running};

const SECRET: &str = "the secret of a test that runs servers";
/// Maximum time in which a stopped server must end, as supervisors require.
const GRACE: Duration = Duration::from_secs(10);

/// Returns the program with the settings of a server on this database, without schedules.
fn server(database: &TestDb) -> Program {
    Program::new()
        .with("DATABASE_URL", &database.url)
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off")
}

fn token() -> String {
    let ended = Program::new()
        .with("DRIFT_JWT_SECRET", SECRET)
        .run(&["token", "--role", "platform_admin"]);
    ended.out.trim().to_owned()
}

async fn ask(address: &str, token: Option<&str>, query: &str) -> Value {
    let request = reqwest::Client::new().post(format!("http://{address}/graphql"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.json(&json!({ "query": query })).send().await.unwrap();
    answer.json().await.unwrap()
}

async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Stops the server with a signal. It must end in time with code 0.
fn stopped(running: Running, signal: &str) -> Ended {
    let began = Instant::now();
    running.signal(signal);
    let ended = running.end();
    assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    ended
}

#[tokio::test]
async fn a_server_prints_its_address_and_answers_there() {
    let database = TestDb::create().await;
    let mut running = server(&database).start(&["serve"]);
    let address = running.address();
    assert!(!address.ends_with(":0"), "{address}");
    assert_eq!(get(&address, "/healthz").await.0, 200);
    assert_eq!(get(&address, "/readyz").await.0, 200);
    assert_eq!(get(&address, "/graphiql").await.0, 200);
    let inbox = "{ viewer { id roles } drifts { totalCount } }";
    let answer = ask(&address, Some(&token()), inbox).await;
    assert_eq!(answer["data"]["viewer"]["id"], "operator", "{answer}");
    assert_eq!(answer["data"]["drifts"]["totalCount"], 0);
    let answer = ask(&address, None, inbox).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let ended = stopped(running, "TERM");
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
}

#[tokio::test]
async fn a_server_syncs_and_sweeps_at_start() {
    let database = TestDb::create().await;
    let program = server(&database)
        .with("DRIFT_SYNC_CRON", "0 0 0 1 1 *")
        .with("DRIFT_DETECT_CRON", "0 0 0 1 1 *")
        .with("DRIFT_INVENTORY_FILE", "inventory.json")
        .with_file(
            "inventory.json",
            r#"{"provider":"any","resources":[{"kind":"k","providerId":"1","name":"n"}]}"#,
        );
    let mut running = program.start(&["serve"]);
    let (address, token, began) = (running.address(), token(), Instant::now());
    let wanted = json!([{ "job": "DETECT_DRIFT", "outcome": "SUCCEEDED" }, { "job": "SYNC_INVENTORY", "outcome": "SUCCEEDED" }]);
    loop {
        let answer = ask(&address, Some(&token), "{ jobRuns { nodes { job outcome } } }").await;
        if answer["data"]["jobRuns"]["nodes"] == wanted {
            break;
        }
        assert!(began.elapsed() < MAX_WAIT, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stopped(running, "TERM");
}

#[tokio::test]
async fn a_server_without_a_source_of_the_inventory_logs_that_it_does_not_sync() {
    let database = TestDb::create().await;
    let program = server(&database).with("DRIFT_SYNC_CRON", "");
    let mut running = program.start(&["serve"]);
    running.address();
    let ended = stopped(running, "TERM");
    assert!(ended.err.contains("no source is configured"), "{}", ended.err);
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_shutdown() {
    let database = TestDb::create().await;
    for signal in ["TERM", "INT"] {
        let mut running = server(&database).start(&["serve"]);
        let address = running.address();
        let mut idle = TcpStream::connect(&address).unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        idle.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let _silent = TcpStream::connect(&address).unwrap();
        stopped(running, signal);
    }
}

#[tokio::test]
async fn an_incomplete_request_does_not_delay_shutdown() {
    let database = TestDb::create().await;
    let mut running = server(&database).start(&["serve"]);
    let address = running.address();
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Le")
        .unwrap();
    let mut half_a_body = TcpStream::connect(&address).unwrap();
    let head = b"POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    half_a_body.write_all(head).unwrap();
    assert_eq!(get(&address, "/healthz").await.0, 200);
    stopped(running, "TERM");
}

#[tokio::test]
async fn sockets_and_streams_do_not_delay_shutdown() {
    let database = TestDb::create().await;
    let mut running = server(&database).start(&["serve"]);
    let (address, token) = (running.address(), token());
    let mut socket = Socket::of(&address, &token).await;
    socket.listen("1", EVERYTHING, any_status()).await;
    let stream = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .bearer_auth(&token)
        .header("accept", "text/event-stream")
        .json(&json!({ "query": EVERYTHING }));
    let stream = stream.send().await.unwrap();
    let ended = tokio::task::spawn_blocking(move || stopped(running, "TERM"));
    assert_eq!(socket.wait_for_close().await.code, 1001);
    assert!(
        stream
            .text()
            .await
            .unwrap()
            .ends_with("event: complete\ndata:\n\n")
    );
    drop(socket);
    ended.await.unwrap();
}

#[tokio::test]
async fn the_error_names_an_address_in_use() {
    let database = TestDb::create().await;
    let mut running = server(&database).start(&["serve"]);
    let address = running.address();
    let ended = server(&database).with("DRIFT_LISTEN", &address).run(&["serve"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("DRIFT_LISTEN") && ended.err.contains(&address),
        "{}",
        ended.err
    );
    stopped(running, "TERM");
}

#[tokio::test]
async fn a_client_with_an_incomplete_request_head_is_disconnected() {
    let t = TestApp::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, short) = (CancellationToken::new(), Duration::from_millis(100));
    let limits = ConnectionLimits {
        head: short,
        drain: short,
        ..ConnectionLimits::default()
    };
    let serving = tokio::spawn(serve(listener, t.router.clone(), stop.clone(), limits));
    for head in [
        "",
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nHost: test\r\nX-Slow: ",
    ] {
        let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let cut_off = tokio::time::timeout(MAX_WAIT, slow.read_to_end(&mut answer)).await;
        assert!(cut_off.is_ok(), "{head:?} is waited for, for ever");
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    let mut fast = tokio::net::TcpStream::connect(address).await.unwrap();
    fast.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    fast.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_demo_shows_drift_and_leaves_no_files_behind() {
    let program = Program::new().with("DRIFT_LISTEN", "127.0.0.1:0");
    let folder = program.folder().to_owned();
    let program = program.with("TMPDIR", folder.display().to_string());
    let files = || std::fs::read_dir(&folder).unwrap().count();
    let mut running = program.start(&["demo"]);
    let address = running.address();
    let link = running.wait_for_line(&format!("  http://{address}/#token="));
    assert_eq!(files(), 1, "its folder, and none of it elsewhere");
    let answer = ask(
        &address,
        Some(link.trim()),
        "{ viewer { email } drifts { totalCount } }",
    )
    .await;
    assert_eq!(answer["data"]["viewer"]["email"], "you@example.com", "{answer}");
    let open = answer["data"]["drifts"]["totalCount"].as_u64().unwrap();
    assert!(open > 0);
    let ended = stopped(running, "INT");
    let lines = ended.out.lines().skip_while(|line| !line.starts_with("RESOURCE"));
    let table: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(table[0].starts_with("RESOURCE"), "{}", ended.out);
    assert_eq!(table.len() as u64, open + 1, "{}", ended.out);
    assert_eq!(
        files(),
        0,
        "{:?}",
        std::fs::read_dir(&folder).unwrap().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_sync_that_never_ends_does_not_prevent_shutdown() {
    let t = TestApp::new().await;
    let program = server(&t.database)
        .with("DRIFT_SYNC_CRON", "0 0 0 1 1 *")
        .with("DRIFT_INVENTORY_FILE", "pipe");
    let pipe = program.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut running = program.start(&["serve"]);
    running.address();
    eventually("a sync that runs", async || !t.runs().await.is_empty()).await;
    stopped(running, "TERM");
    assert_eq!(t.runs().await[0].outcome, Some(JobOutcome::Abandoned));
}
