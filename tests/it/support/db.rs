//! A database for one test.

use drift_inbox::db::Db;
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use uuid::Uuid;

/// An empty database that is deleted when the test ends.
pub(crate) struct TestDb {
    pub(crate) url: String,
    place: Place,
}

enum Place {
    Sqlite { _folder: tempfile::TempDir },
    Postgres { server: String, name: String },
}

impl TestDb {
    pub(crate) async fn create() -> Self {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(server) if !server.is_empty() => Self::on(server, "").await,
            _ => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display());
                Self {
                    url,
                    place: Place::Sqlite { _folder: folder },
                }
            }
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    pub(crate) async fn connect(&self) -> Db {
        Db::connect(&self.url, 16).await.unwrap()
    }

    /// Creates a database with the tables of this release, and connects to it.
    pub(crate) async fn migrated() -> (Self, Db) {
        let database = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) if !server.is_empty() => {
                let template = TEMPLATE.get_or_init(|| template(&server)).await;
                Self::on(server, &format!("TEMPLATE {template}")).await
            }
            _ => {
                let database = Self::create().await;
                database.write(SQLITE_TEMPLATE.get_or_init(sqlite_template).await);
                database
            }
        };
        let db = database.connect_and_migrate().await;
        (database, db)
    }

    /// Writes the file of a database of SQLite.
    fn write(&self, file: &[u8]) {
        if let Place::Sqlite { _folder: folder } = &self.place {
            std::fs::write(folder.path().join("test.db"), file).unwrap();
        }
    }

    async fn on(server: String, like: &str) -> Self {
        let name = format!("drift_test_{}", Uuid::new_v4().simple());
        execute(&server, format!("CREATE DATABASE {name} {like}")).await;
        Self {
            url: with_database(&server, &name),
            place: Place::Postgres { server, name },
        }
    }

    pub(crate) async fn connect_and_migrate(&self) -> Db {
        let db = self.connect().await;
        db.migrate().await.unwrap();
        db
    }

    /// Runs SQL on a connection of its own, without the code of the server.
    pub(crate) async fn execute(&self, sql: impl Into<String>) -> Result<u64, sea_orm::DbErr> {
        let connection = Database::connect(&self.url).await.unwrap();
        let done = connection.execute_unprepared(&sql.into()).await;
        connection.close().await.unwrap();
        done.map(|done| done.rows_affected())
    }
}

/// The name of a migrated database of PostgreSQL. The databases of the tests are copies of it, because a copy takes less
/// time than the migrations.
static TEMPLATE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();

/// The file of a migrated database of SQLite.
static SQLITE_TEMPLATE: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();

async fn sqlite_template() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.db");
    let db = Db::connect(&format!("sqlite://{}?mode=rwc", file.display()), 1)
        .await
        .unwrap();
    db.migrate().await.unwrap();
    db.close().await.unwrap();
    std::fs::read(file).unwrap()
}

/// Creates a migrated database, and returns its name. It is not deleted, because tests do not know which is the last.
async fn template(server: &str) -> String {
    let name = format!("drift_test_template_{}", Uuid::new_v4().simple());
    execute(server, format!("CREATE DATABASE {name}")).await;
    let db = Db::connect(&with_database(server, &name), 3).await.unwrap();
    db.migrate().await.unwrap();
    db.close().await.unwrap();
    name
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Place::Postgres { server, name } = &self.place {
            let (server, drop) = (
                server.clone(),
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            );
            // Drop is synchronous, and this thread may belong to a runtime already.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(execute(&server, drop));
            });
            _ = dropped.join();
        }
    }
}

async fn execute(server: &str, sql: String) {
    let mut options = ConnectOptions::new(server);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    connection.execute_unprepared(&sql).await.unwrap();
    connection.close().await.unwrap();
}

/// Replaces the database in a URL such as `postgres://user@host/old?x=y`.
fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
    let (scheme, rest) = address.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let question = if parameters.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{name}{question}{parameters}")
}
