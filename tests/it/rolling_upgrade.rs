//! Servers of this release on a database that a newer release has migrated.

use drift_inbox::db::Db;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::support::cloud::droplet;
use crate::support::process::Program;
use crate::support::{ADMIN, TestApp};

const NEWER: &str = "m20991231_000001_of_a_newer_release";

/// Creates a database on which a newer release has run a migration.
async fn upgraded() -> TestApp {
    let t = TestApp::new().await;
    t.database
        .execute(format!(
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('{NEWER}', 1)"
        ))
        .await
        .unwrap();
    t
}

async fn applied(db: &Db) -> Vec<String> {
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let rows = db
        .reader()
        .query_all_raw(Statement::from_string(db.backend(), sql));
    let rows = rows.await.unwrap().into_iter();
    rows.map(|row| row.try_get("", "version").unwrap()).collect()
}

#[tokio::test]
async fn a_server_starts_despite_a_migration_of_a_newer_release() {
    let t = upgraded().await;
    assert!(t.db().is_ready().await.unwrap());
    t.db().check_ready().await.unwrap();
    let before = applied(t.db()).await;
    t.db().migrate().await.unwrap();
    assert_eq!(applied(t.db()).await, before, "no row is changed");
    assert!(before.contains(&NEWER.to_owned()));
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    assert_eq!(t.sweep().await.opened, 1);
    let accepted = t.accept(&t.inbox().await[0]).await.unwrap();
    assert_eq!(accepted.drift.resolved_by.as_deref(), Some(ADMIN));
}

#[tokio::test]
async fn a_missing_migration_of_this_release_runs_despite_a_newer_migration() {
    let t = upgraded().await;
    let own = applied(t.db())
        .await
        .into_iter()
        .filter(|name| name != NEWER)
        .max()
        .unwrap();
    t.database
        .execute("DELETE FROM seaql_migrations WHERE version LIKE '%_create_write_probe'")
        .await
        .unwrap();
    t.database.execute("DROP TABLE write_probe").await.unwrap();
    assert!(!t.db().is_ready().await.unwrap());
    assert_eq!(
        t.db().check_ready().await.unwrap_err().summary,
        "migrations are missing"
    );
    t.db().migrate().await.unwrap();
    t.db().check_ready().await.unwrap();
    let after = applied(t.db()).await;
    assert!(
        after.contains(&own) && after.contains(&NEWER.to_owned()),
        "{after:?}"
    );
}

#[tokio::test]
async fn every_command_works_on_a_database_of_a_newer_release() {
    let t = upgraded().await;
    for migrate in ["on", "off"] {
        let program = Program::new()
            .with("DATABASE_URL", &t.database.url)
            .with("DRIFT_MIGRATE", migrate)
            .with("DRIFT_JWT_SECRET", "the secret of a test that runs servers")
            .with("DRIFT_LISTEN", "127.0.0.1:0")
            .with("DRIFT_DETECT_CRON", "off")
            .with("DRIFT_SYNC_CRON", "off")
            .with_file("inventory.json", r#"{"provider":"any","resources":[]}"#);
        let synced = program.run(&["sync", "--inventory-file", "inventory.json"]);
        assert_eq!(synced.code, Some(0), "{}", synced.output());
        let swept = program.run(&["detect"]);
        assert_eq!(swept.code, Some(0), "{}", swept.output());
        assert!(
            swept.err.contains("newer release") && swept.err.contains(NEWER),
            "{}",
            swept.err
        );
        let mut running = program.start(&["serve"]);
        let ready = reqwest::get(format!("http://{}/readyz", running.address()))
            .await
            .unwrap();
        assert_eq!(ready.status(), 200);
        running.signal("TERM");
        assert_eq!(running.end().code, Some(0));
    }
}
