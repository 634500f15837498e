//! The real program, as an operator runs it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest that anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a folder of its own, with no setting but those that a test gives it.
pub(crate) struct Program {
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: Vec::new(),
        }
    }

    /// With this environment variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// With a file of this name in its folder.
    pub(crate) fn with_file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// Where it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_into(Stdio::piped(), arguments)
    }

    /// With its output going elsewhere.
    pub(crate) fn start_into(&self, out: impl Into<Stdio>, arguments: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_drift-inbox"))
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take(), child.stderr.take().unwrap());
        Running {
            out: out.map_or_else(|| Heard::of(std::io::empty()), Heard::of),
            err: Heard::of(err),
            child,
        }
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; None if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Both outputs.
    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }
}

/// A program that runs. It is killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: Heard,
    err: Heard,
}

impl Running {
    /// The rest of the first line of its output that begins with `start`, once there is one.
    pub(crate) fn says(&mut self, start: &str) -> String {
        let began = Instant::now();
        loop {
            let out = self.out.text();
            let whole_lines = out.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(rest) = whole_lines.lines().find_map(|line| line.strip_prefix(start)) {
                return rest.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "it never said {start:?} ({ended:?}):\n{out}\n{}",
                self.err.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address it listens on.
    pub(crate) fn address(&mut self) -> String {
        self.says("listening on http://")
    }

    /// Waits until its log holds this.
    pub(crate) fn logs(&mut self, part: &str) {
        let began = Instant::now();
        while !self.err.text().contains(part) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "it never logged {part:?} ({ended:?}):\n{}",
                self.err.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it never ends:\n{}", self.err.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        Ended {
            code: status.code(),
            out: self.out.end(),
            err: self.err.end(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// One output, read as it comes, so that the program never waits for a reader.
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn of(mut output: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                heard.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// All of it, once the program has ended.
    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
