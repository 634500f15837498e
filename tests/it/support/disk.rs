//! A server whose disk reads and writes can be made to fail.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use drift_inbox::db::Db;
use reqwest::Client;
use serde_json::{Value, json};

use super::process::{MAX_WAIT, Program, Running};

const SECRET: &str = "the secret of a test that runs servers";
/// No space left on device.
pub(crate) const ENOSPC: i32 = 28;
/// Input/output error.
pub(crate) const EIO: i32 = 5;
/// Read-only file system. While all writes fail with it, no file can be opened for writing either.
pub(crate) const EROFS: i32 = 30;

/// Number of writes and reads that fail, and the error number. -1 stands for all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) writes: i32,
    pub(crate) reads: i32,
    pub(crate) error: i32,
}

/// A server process with its own SQLite file and an inventory of droplets.
pub(crate) struct OnDisk {
    program: Program,
    running: Option<Running>,
    pub(crate) address: String,
    token: String,
    client: Client,
    /// The ids of the resources, ordered by name.
    pub(crate) resources: Vec<String>,
}

impl OnDisk {
    /// Starts a server with this many droplets in its inventory. Their size differs from every spec of these tests.
    pub(crate) async fn with(droplets: usize) -> Self {
        let droplet = |n| json!({ "kind": "droplet", "providerId": format!("{n:03}"), "name": format!("web-{n:03}"), "sizeSlug": "large" });
        let listed: Vec<Value> = (0..droplets).map(droplet).collect();
        let inventory = json!({ "provider": "digitalocean", "resources": listed }).to_string();
        let program = Program::new();
        let folder = program.folder().to_owned();
        let program = program
            .with("DATABASE_URL", url(&folder))
            .with("DRIFT_JWT_SECRET", SECRET)
            .with("DRIFT_LISTEN", "127.0.0.1:0")
            .with("DRIFT_SYNC_CRON", "off")
            .with("DRIFT_DETECT_CRON", "off")
            .with("DRIFT_LOCK_TIMEOUT", "2s")
            .with("RUST_LOG", "warn")
            .with_file("inventory.json", inventory)
            .with_file("faults", [0; 16]);
        let synced = program.run(&["sync", "--inventory-file", "inventory.json"]);
        assert_eq!(synced.code, Some(0), "{}", synced.output());
        let faults = folder.join("faults").display().to_string();
        let program = program
            .with("LD_PRELOAD", faulty_disk().display().to_string())
            .with("FAULTS", faults);
        let token = program
            .run(&["token", "--role", "platform_admin"])
            .out
            .trim()
            .to_owned();
        let mut server = Self {
            program,
            running: None,
            address: String::new(),
            token,
            client: Client::new(),
            resources: Vec::new(),
        };
        server.start();
        let ids = "{ resources(first: 200) { nodes { id name } } }";
        let found = server.ask(ids, json!({})).await;
        let mut nodes = found["data"]["resources"]["nodes"].as_array().unwrap().clone();
        nodes.sort_by_key(|node| node["name"].as_str().unwrap().to_owned());
        server.resources = nodes
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(server.resources.len(), droplets);
        server
    }

    fn start(&mut self) {
        let mut running = self.program.start(&["serve"]);
        self.address = running.address();
        self.running = Some(running);
    }

    /// Kills the server with SIGKILL and starts it again.
    pub(crate) fn killed_and_started(&mut self) {
        self.kill();
        self.start();
    }

    pub(crate) fn kill(&mut self) {
        let running = self.running.take().unwrap();
        running.signal("KILL");
        running.end();
    }

    /// Returns the path of the database file.
    pub(crate) fn file(&self) -> PathBuf {
        self.program.folder().join("drift.db")
    }

    /// Connects to the database like another process.
    pub(crate) async fn database(&self) -> Db {
        Db::connect(&url(self.program.folder()), 2).await.unwrap()
    }

    /// Returns the program, to run other commands on the same database.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().pid()
    }

    /// Makes the disk fail from now on.
    pub(crate) fn fail(&self, faults: Faults) {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(self.faults())
            .unwrap();
        // The error number must be set before the first read or write fails.
        file.write_all_at(&faults.error.to_ne_bytes(), 8).unwrap();
        file.write_all_at(&0_i32.to_ne_bytes(), 12).unwrap();
        file.write_all_at(&faults.writes.to_ne_bytes(), 0).unwrap();
        file.write_all_at(&faults.reads.to_ne_bytes(), 4).unwrap();
    }

    /// Returns the number of failed reads and writes since the last call of [`fail`](Self::fail).
    pub(crate) fn injected(&self) -> i32 {
        let file = std::fs::read(self.faults()).unwrap();
        i32::from_ne_bytes(file[12..16].try_into().unwrap())
    }

    fn faults(&self) -> PathBuf {
        self.program.folder().join("faults")
    }

    /// Sends a GraphQL request.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let request = self.client.post(format!("http://{}/graphql", self.address));
        let request = request
            .bearer_auth(&self.token)
            .json(&json!({ "query": query, "variables": variables }));
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn ready(&self) -> (u16, String) {
        let answer = self.client.get(format!("http://{}/readyz", self.address));
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until the server is ready, or with `wanted: false` until it is not, and returns the text of `/readyz`.
    pub(crate) async fn until_ready(&self, wanted: bool) -> String {
        let began = Instant::now();
        loop {
            let (status, body) = self.ready().await;
            if (status == 200) == wanted {
                return body;
            }
            assert!(
                began.elapsed() < MAX_WAIT,
                "ready is never {wanted}: {status} {body}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Records a spec for a resource. Returns the version in the response, or `None` after an error.
    pub(crate) async fn record(&self, resource: &str, size: &str) -> Option<u64> {
        let mutation = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { specVersion } } }";
        let input = json!({ "input": { "resourceId": resource, "spec": { "size_slug": size } } });
        let answer = self.ask(mutation, input).await;
        answer["data"]["recordSpec"]["provisioned"]["specVersion"].as_u64()
    }
}

fn url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("drift.db").display())
}

/// Compiles the library that makes the disk fail, once per process, and returns its path.
pub(crate) fn faulty_disk() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| compiled("faulty_disk"))
}

/// Compiles the library that kills a program when it changes a file, once per process, and returns its path.
pub(crate) fn kill_at_change() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| compiled("kill_at_change"))
}

/// Compiles a library to preload.
fn compiled(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/support/{name}.c"));
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}.so", std::process::id()));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output()
        .expect("no C compiler");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    library
}
