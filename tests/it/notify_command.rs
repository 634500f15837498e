//! The command `notify`.

use crate::support::process::Program;
use crate::support::receiver::{Answer, Receiver};

/// Runs the program without blocking the receiver.
async fn run(program: &Program, arguments: &[&str]) -> crate::support::process::Ended {
    let running = program.start(arguments);
    tokio::task::spawn_blocking(|| running.end()).await.unwrap()
}

#[tokio::test]
async fn a_target_is_added_tested_listed_and_removed() {
    let receiver = Receiver::start().await;
    let program = Program::new()
        .with("DRIFT_NOTIFY_PRIVATE", "127.0.0.1")
        .with_file("address", receiver.url("/path-with-token"));
    let add = [
        "notify",
        "add",
        "ops",
        "--kind",
        "webhook",
        "--url-from",
        "address",
        "--digest-at",
        "08:00",
    ];
    let added = run(&program, &add).await;
    assert_eq!(added.code, Some(0), "{}", added.output());
    let secret = added.out.trim().rsplit(' ').next().unwrap().to_owned();
    let tested = run(&program, &["notify", "test", "ops"]).await;
    assert_eq!(
        (tested.code, tested.out.as_str()),
        (Some(0), "notify: ops answered with status 200\n")
    );
    assert!(receiver.take()[0].is_signed_with(&secret));
    receiver.answers(Answer::Status(404, "no_team"));
    let failed = run(&program, &["notify", "test", "ops"]).await;
    assert_eq!(failed.code, Some(1));
    assert!(
        failed
            .err
            .contains("ops: the receiver answered 404 Not Found: no_team"),
        "{}",
        failed.err
    );

    let listed = run(&program, &["notify", "list"]).await;
    assert!(
        listed.out.contains("127.0.0.1") && listed.out.contains("08:00"),
        "{}",
        listed.out
    );
    let log = run(&program, &["notify", "log", "ops"]).await;
    assert!(
        log.out.contains("delivered") && log.out.contains("no_team"),
        "{}",
        log.out
    );
    let again = run(&program, &add).await;
    assert_eq!(again.code, Some(1));
    assert!(
        again.err.contains("another target has this name"),
        "{}",
        again.err
    );
    let rotated = run(
        &program,
        &["notify", "set", "ops", "--rotate-secret", "--enabled", "off"],
    )
    .await;
    assert!(
        rotated.out.contains("whsec_") && !rotated.out.contains(&secret),
        "{}",
        rotated.out
    );
    for ended in [&tested, &failed, &listed, &log, &again, &rotated] {
        assert!(!ended.output().contains("path-with-token") && !ended.output().contains(&secret));
    }
    let removed = run(&program, &["notify", "remove", "ops"]).await;
    assert_eq!(removed.code, Some(0), "{}", removed.output());
    let listed = run(&program, &["notify", "list"]).await;
    assert!(
        listed.out.starts_with("no target is configured"),
        "{}",
        listed.out
    );
}

#[tokio::test]
async fn a_private_target_is_refused_without_repeating_its_address() {
    let program = Program::new().with_file("address", "https://10.1.2.3/path-with-token");
    let added = run(
        &program,
        &["notify", "add", "ops", "--kind", "slack", "--url-from", "address"],
    )
    .await;
    assert_eq!(added.code, Some(1));
    assert!(added.err.contains("DRIFT_NOTIFY_PRIVATE"), "{}", added.err);
    assert!(!added.output().contains("path-with-token"));
}
