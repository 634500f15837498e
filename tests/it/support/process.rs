//! Runs the program as a process.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Maximum time to wait for an expected change.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

/// The program in a folder of its own, with only the settings of the test.
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

    /// Sets an environment variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Writes a file to the folder.
    pub(crate) fn with_file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// Returns the working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command and waits for its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Runs a command with one more environment variable, and waits for its end.
    pub(crate) fn run_with(&self, (name, value): (&str, &str), arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let child = command.env(name, value).stdout(Stdio::piped()).spawn().unwrap();
        Running::of(child).end()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_into(Stdio::piped(), arguments)
    }

    /// Starts a command with its standard output redirected to `out`.
    pub(crate) fn start_into(&self, out: impl Into<Stdio>, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).stdout(out).spawn().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drift-inbox"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// The result of a process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code, or `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Returns standard output and standard error.
    pub(crate) fn output(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }
}

/// A running process. It is killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: CollectedOutput,
    err: CollectedOutput,
}

impl Running {
    fn of(mut child: Child) -> Self {
        let (out, err) = (child.stdout.take(), child.stderr.take().unwrap());
        Self {
            out: out.map_or_else(|| CollectedOutput::of(std::io::empty()), CollectedOutput::of),
            err: CollectedOutput::of(err),
            child,
        }
    }

    /// Waits for a line of the output that begins with `start`, and returns the rest of this line.
    pub(crate) fn wait_for_line(&mut self, start: &str) -> String {
        let began = Instant::now();
        loop {
            let out = self.out.text();
            let whole_lines = out.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(rest) = whole_lines.lines().find_map(|line| line.strip_prefix(start)) {
                return rest.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < MAX_WAIT,
                "it never printed {start:?} ({ended:?}):\n{out}\n{}",
                self.err.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server listens, and returns its address.
    pub(crate) fn address(&mut self) -> String {
        self.wait_for_line("listening on http://")
    }

    /// Waits until the log contains this text.
    pub(crate) fn wait_for_log(&mut self, part: &str) {
        let began = Instant::now();
        while !self.err.text().contains(part) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < MAX_WAIT,
                "it never logged {part:?} ({ended:?}):\n{}",
                self.err.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the process ends. Returns its maximum memory in KiB.
    pub(crate) fn peak_memory(mut self) -> (u64, Ended) {
        let status = format!("/proc/{}/status", self.pid());
        let (began, mut peak) = (Instant::now(), 0);
        while !self.has_ended() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            peak = peak.max(kib.unwrap_or_default());
            assert!(began.elapsed() < 3 * MAX_WAIT);
            std::thread::sleep(Duration::from_millis(2));
        }
        (peak, self.end())
    }

    /// Waits until the process ends.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < MAX_WAIT, "it never ends:\n{}", self.err.text());
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

/// One output stream, read continuously so that the process never blocks on a full pipe.
struct CollectedOutput {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl CollectedOutput {
    fn of(mut output: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                collected.lock().unwrap().extend_from_slice(&chunk[..count]);
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

    /// Waits for the end of the output and returns all of it.
    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
