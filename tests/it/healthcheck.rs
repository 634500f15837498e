//! `healthcheck`: what a container asks its own server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::db::TestDb;
use crate::support::process::{Ended, Program};

fn asked(listen: &str, arguments: &[&str]) -> Ended {
    let program = Program::new().with("DRIFT_LISTEN", listen);
    program.run(&[&["healthcheck"], arguments].concat())
}

/// Answers one request with these bytes, and returns the address.
fn answering(bytes: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
    });
    address
}

#[tokio::test]
async fn a_server_that_answers_is_healthy_also_if_it_listens_on_all_addresses() {
    let database = TestDb::create().await;
    let mut running = Program::new()
        .with("DATABASE_URL", &database.url)
        .with("DRIFT_JWT_SECRET", "the secret of a test that runs servers")
        .with("DRIFT_LISTEN", "0.0.0.0:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off")
        .start(&["serve"]);
    let listen = running.address();
    assert!(listen.starts_with("0.0.0.0:"), "{listen}");
    for (arguments, answer) in [
        (&[][..], r#""status":"ok""#),
        (&["--ready"], r#""database":"ok""#),
    ] {
        let ended = asked(&listen, arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.output());
        assert!(ended.out.contains(answer), "{}", ended.out);
    }
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let ended = asked(&listen, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(ended.err.contains("/healthz: "), "{}", ended.err);
}

#[test]
fn another_answer_than_200_is_an_error_that_says_why() {
    let busy =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 25\r\n\r\n{\"database\":\"is\u{7} busy..\"}";
    let ended = asked(&answering(busy), &["--ready"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    for part in ["/readyz: status 503", r#"{"database":"is busy.."}"#] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    // A redirect is not followed: the server of this machine is asked, and no other.
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let ended = asked(&answering(elsewhere), &[]);
    assert!(
        ended.code == Some(1) && ended.err.contains("status 302"),
        "{}",
        ended.output()
    );
    // The port of a server that chose it is not known.
    let ended = asked("127.0.0.1:0", &[]);
    assert!(
        ended.code == Some(2) && ended.err.contains("DRIFT_LISTEN"),
        "{}",
        ended.output()
    );
}
