//! PgBouncer in transaction mode, in front of the PostgreSQL server of the tests. `scripts/test` installs it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use url::Url;

use super::db::TestDb;
use super::process::MAX_WAIT;

/// A running PgBouncer. It is killed when dropped.
pub(crate) struct PgBouncer {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl PgBouncer {
    /// Starts a pooler with this many connections to each database. `more` are further lines of its configuration.
    pub(crate) fn start(server: &str, connections: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        loop {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let configuration = configuration(server, port, connections, more);
            fs::write(folder.path().join("pgbouncer.ini"), configuration).unwrap();
            let mut process = spawn(folder.path());
            // Another process may have taken the port meanwhile.
            while process.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self {
                        process,
                        port,
                        folder,
                    };
                }
                assert!(began.elapsed() < MAX_WAIT, "{}", log(folder.path()));
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert!(began.elapsed() < MAX_WAIT, "{}", log(folder.path()));
        }
    }

    /// Returns the address of this database behind the pooler.
    pub(crate) fn url(&self, database: &TestDb) -> String {
        let name = Url::parse(&database.url).unwrap().path().to_owned();
        format!("postgres://anyone@127.0.0.1:{}{name}", self.port)
    }

    /// Returns what the pooler has logged.
    pub(crate) fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn configuration(server: &str, port: u16, connections: usize, more: &str) -> String {
    let server = Url::parse(server).unwrap();
    let (host, server_port) = (server.host_str().unwrap(), server.port().unwrap_or(5432));
    let user = server.username();
    let password = server
        .password()
        .map_or(String::new(), |password| format!(" password={password}"));
    format!(
        "[databases]\n\
         * = host={host} port={server_port} user={user}{password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {connections}\n\
         server_login_retry = 1\n\
         {more}\n"
    )
}

fn spawn(folder: &Path) -> Child {
    let log = File::create(folder.join("log")).unwrap();
    // Debian installs it outside the path of users.
    let installed = "/usr/sbin/pgbouncer";
    let program = std::env::var("PGBOUNCER").unwrap_or_else(|_| {
        let name = if Path::new(installed).exists() {
            installed
        } else {
            "pgbouncer"
        };
        name.to_owned()
    });
    let mut command = Command::new(&program);
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        // It refuses to run as root.
        command.args(["-u", "nobody"]);
    }
    let started = command
        .arg(folder.join("pgbouncer.ini"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    started
        .unwrap_or_else(|why| panic!("{program}: {why}: scripts/test installs PgBouncer, or set PGBOUNCER"))
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
