//! Runs the pages in headless Chromium, controlled through chromedriver.
//!
//! `scripts/test` installs both. Screenshots are stored in `target/tmp/screenshots`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{ParseError, Url};

/// Maximum time until the page shows an expected change.
const MAX_WAIT: Duration = Duration::from_secs(180);

/// Key codes of WebDriver.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";

/// Limits the number of concurrent browsers, because each can use a core.
static PLACES: Semaphore = Semaphore::const_new(2);

/// The levels of the accessibility guidelines that the pages must meet.
const ACCESSIBILITY: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/// Running browsers that no test uses. They end with the process: see [`KEEPER`].
static IDLE: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// A signed-out browser window. Tests reuse browsers, because starting one takes longer than most tests. Each test's
/// server has a port of its own and thus another origin, so no stored data remains from earlier tests.
pub(crate) struct Browser {
    driver: Client,
    /// `None` only while the browser is returned to [`IDLE`].
    running: Option<Running>,
    /// Origin of the server, as `http://127.0.0.1:PORT`.
    origin: String,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// Opens an empty window of 1280 by 900 pixels for the server at `address`.
    pub(crate) async fn open(address: &str) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let idle = IDLE.lock().unwrap().pop();
        let (driver, running) = match idle {
            Some(running) => (running.driver().await, running),
            None => Running::start().await,
        };
        // Keeps the session open for the next test.
        driver.persist().await.unwrap();
        let browser = Self {
            driver,
            running: Some(running),
            origin: format!("http://{address}"),
            _place: place,
        };
        browser.forget().await;
        browser
    }

    /// Resets the browser to its initial state.
    async fn forget(&self) {
        self.driver.goto("about:blank").await.unwrap();
        let data = json!({ "origin": self.origin, "storageTypes": "all" });
        self.devtools("Storage.clearDataForOrigin", data).await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({}))
            .await;
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await;
        self.offline(false).await;
        self.add_headers(json!({})).await;
        self.log("browser").await;
        self.log("performance").await;
    }

    /// Opens a page of the server.
    pub(crate) async fn go(&self, path: &str) {
        self.driver.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    /// Returns the current URL without the origin.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap().to_string();
        url.strip_prefix(&self.origin)
            .expect("the browser left the server")
            .to_owned()
    }

    /// Evaluates the body of a function in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap()
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn until(&self, expression: &str) {
        let began = Instant::now();
        while self.run(&format!("return Boolean({expression})")).await != json!(true) {
            if began.elapsed() > MAX_WAIT {
                self.shoot("gave-up").await;
                let shown = self.run("return document.body.innerText").await;
                panic!(
                    "never true: {expression}\n{}\n{}\n{:?}",
                    self.path().await,
                    shown.as_str().unwrap_or_default(),
                    self.complaints().await
                );
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until an element that matches this selector is visible, and returns the first.
    pub(crate) async fn see(&self, css: &str) -> Element {
        self.until(&format!(
            "[...document.querySelectorAll({})].some((found) => found.checkVisibility({{ visibilityProperty: true }}))",
            json!(css)
        ))
        .await;
        // The element may have disappeared since the poll, so a failure polls again.
        match self.driver.find(Locator::Css(css)).await {
            Ok(found) => found,
            Err(_) => Box::pin(self.see(css)).await,
        }
    }

    /// Waits until an element that matches this selector contains this text.
    pub(crate) async fn see_text(&self, css: &str, text: &str) {
        self.until(&format!(
            "[...document.querySelectorAll({})].some((found) => found.innerText.includes({}))",
            json!(css),
            json!(text)
        ))
        .await;
    }

    /// Waits until no element that matches this selector is visible.
    pub(crate) async fn see_none(&self, css: &str) {
        self.until(&format!(
            "![...document.querySelectorAll({})].some((found) => found.checkVisibility())",
            json!(css)
        ))
        .await;
    }

    /// Clicks an element once it is visible. Fails if another element covers it.
    pub(crate) async fn click(&self, css: &str) {
        let began = Instant::now();
        while let Err(why) = self.see(css).await.click().await {
            // The page has rendered it again between the poll and the click.
            let redrawn = why.to_string().contains("stale element");
            assert!(redrawn && began.elapsed() < MAX_WAIT, "{css}: {why}");
        }
    }

    /// Types into a field and replaces its text.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses keys one after the other in the focused element.
    pub(crate) async fn press(&self, keys: impl AsRef<str>) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.as_ref().chars() {
            actions = actions
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.driver.perform_actions(actions).await.unwrap();
    }

    /// Holds a key until it has repeated a few times.
    pub(crate) async fn hold(&self, key: &str, code: u32, text: &str) {
        let event = |kind: &str, repeats: bool| json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text, "autoRepeat": repeats });
        self.devtools("Input.dispatchKeyEvent", event("keyDown", false))
            .await;
        for _ in 0..4 {
            self.devtools("Input.dispatchKeyEvent", event("keyDown", true))
                .await;
        }
        self.devtools("Input.dispatchKeyEvent", event("keyUp", false))
            .await;
    }

    /// Delays the responses to requests that contain this text until `window.letGo` is called.
    pub(crate) async fn hold_back(&self, text: &str) {
        self.run(&format!(
            "const ask = window.fetch;
             window.fetch = async (address, options) => {{
               const answer = await ask(address, options);
               if (options.body.includes({})) await new Promise((resolve) => {{ window.letGo = resolve; }});
               return answer;
             }};",
            json!(text)
        ))
        .await;
    }

    /// Returns the texts of all elements that match this selector.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let texts = self
            .run(&format!(
                "return [...document.querySelectorAll({})].map((found) => found.innerText)",
                json!(css)
            ))
            .await;
        serde_json::from_value(texts).unwrap()
    }

    /// Returns the number of elements that match this selector.
    pub(crate) async fn count(&self, css: &str) -> usize {
        self.texts(css).await.len()
    }

    /// Sets the width and height of the window in pixels, like a device of that size.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Sets the colour scheme of the system: `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Disables or restores all network connections of the browser.
    pub(crate) async fn offline(&self, offline: bool) {
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await;
    }

    /// Sends these headers with every request, as a proxy in front of the server does.
    pub(crate) async fn add_headers(&self, headers: Value) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setExtraHTTPHeaders", json!({ "headers": headers }))
            .await;
    }

    /// Waits until the page has opened a second window, and continues in it. Returns the first window.
    pub(crate) async fn to_new_window(&self) -> WindowHandle {
        let first = self.driver.window().await.unwrap();
        let began = Instant::now();
        loop {
            let all = self.driver.windows().await.unwrap();
            if let Some(new) = all.into_iter().find(|window| *window != first) {
                self.driver.switch_to_window(new).await.unwrap();
                return first;
            }
            assert!(began.elapsed() < MAX_WAIT, "no window was opened");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until the first window is the only one, and continues in it.
    pub(crate) async fn back_to(&self, first: WindowHandle) {
        let began = Instant::now();
        while self.driver.windows().await.unwrap().len() > 1 {
            assert!(began.elapsed() < MAX_WAIT, "the window was not closed");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.driver.switch_to_window(first).await.unwrap();
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.chromes_own("goog/cdp/execute", body).await;
    }

    /// Runs a command that chromedriver adds to WebDriver.
    async fn chromes_own(&self, path: &'static str, body: Value) -> Value {
        self.driver.issue_cmd(ChromesOwn { path, body }).await.unwrap()
    }

    async fn log(&self, which: &str) -> Vec<LogEntry> {
        let entries = self.chromes_own("se/log", json!({ "type": which })).await;
        serde_json::from_value(entries).unwrap()
    }

    /// Saves a screenshot.
    pub(crate) async fn shoot(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.driver.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Returns the URLs of all requests since the last call that did not go to this server.
    pub(crate) async fn foreign_requests(&self) -> BTreeSet<String> {
        let urls = self.requested_urls().await;
        assert!(!urls.is_empty(), "the log of requests is empty");
        urls.into_iter()
            // Chromium itself requests its start page.
            .filter(|url| {
                ![&self.origin, "data:", "chrome:"]
                    .iter()
                    .any(|own| url.starts_with(*own))
            })
            .collect()
    }

    /// Returns the URLs of all requests since the last call.
    pub(crate) async fn requested_urls(&self) -> Vec<String> {
        let log = self.log("performance").await;
        let events = log
            .iter()
            .map(|entry| serde_json::from_str::<Value>(&entry.message).unwrap());
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| {
                event["message"]["params"]["request"]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    /// Returns the errors in the console since the last call: failed scripts, missing files, violations of the content
    /// security policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.log("browser").await;
        let severe = log.into_iter().filter(|entry| entry.level == "SEVERE");
        severe.map(|entry| entry.message).collect()
    }

    /// Returns the accessibility violations that axe finds in the page.
    pub(crate) async fn axe(&self) -> Vec<String> {
        if self.run("return 'axe' in window").await == json!(false) {
            self.run(&axe_source()).await;
        }
        let found = self
            .driver
            .execute_async(
                &format!(
                    "const done = arguments[arguments.length - 1];
                     axe.run(document, {{ runOnly: {} }}).then(
                       (found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) =>
                         `${{rule.id}}: ${{node.target.join(' ')}}: ${{node.failureSummary}}`))),
                       (error) => done([String(error)]))",
                    json!(ACCESSIBILITY)
                ),
                vec![],
            )
            .await
            .unwrap();
        serde_json::from_value(found).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After a failed test the state of the browser is unknown.
        if let Some(running) = self.running.take()
            && !std::thread::panicking()
        {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(running);
        }
    }
}

/// An entry of one of Chromium's logs.
#[derive(Deserialize)]
struct LogEntry {
    level: String,
    message: String,
}

/// A command that chromedriver adds to WebDriver, with its path below the session.
#[derive(Debug)]
struct ChromesOwn {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for ChromesOwn {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

fn capabilities(profile: &Path) -> Capabilities {
    let mut options = json!({ "args": [
        "--headless=new",
        // Chromium's sandbox refuses to run as root, as tests do in containers.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1280,900",
        format!("--user-data-dir={}", profile.display()),
    ] });
    if let Some(program) = program("CHROMIUM", "chromium") {
        options["binary"] = json!(program);
    }
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    Map::from_iter([
        ("goog:chromeOptions".to_owned(), options),
        ("goog:loggingPrefs".to_owned(), logs),
    ])
}

/// Returns the path in an environment variable, or otherwise the program of this name on the PATH.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    })
}

fn axe_source() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&file).unwrap_or_else(|why| {
        panic!(
            "{}: {why}: run `npm ci --prefix web`, as scripts/test does",
            file.display()
        )
    })
}

/// Starts chromedriver, and ends it and its browser when the test process closes the standard input or is killed. All
/// of them are in a process group of their own.
const KEEPER: &str = r#"
"$0" --port=0 &
cat >/dev/null
trap '' TERM
kill -TERM 0
wait
# Chromium writes its profile while it ends.
sleep 1
rm -rf -- "$1"
kill -KILL 0
"#;

/// A chromedriver process with its browser.
struct Running {
    keeper: Child,
    port: u16,
    session: String,
}

impl Running {
    async fn start() -> (Client, Self) {
        let profile = tempfile::tempdir().unwrap().keep();
        let chromedriver = program("CHROMEDRIVER", "chromedriver")
            .expect("chromedriver: install Debian's chromium-driver, as scripts/test does");
        let mut keeper = Command::new("sh")
            .arg("-c")
            .arg(KEEPER)
            .arg(chromedriver)
            .arg(&profile)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = port_of(keeper.stdout.take().unwrap());
        let driver = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium did not start");
        let session = driver.session_id().await.unwrap().unwrap();
        let running = Self {
            keeper,
            port,
            session,
        };
        (driver, running)
    }

    /// Creates a client for the session. Each test needs its own, because each has its own runtime.
    async fn driver(&self) -> Client {
        let url = format!("http://127.0.0.1:{}", self.port);
        Client::with_existing_session(&url, &self.session, HttpConnector::new())
            .await
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(why) = self.keeper.wait() {
            eprintln!("the browser may still be open: {why}");
        }
    }
}

/// Reads the port that chromedriver has chosen from its output.
fn port_of(output: ChildStdout) -> u16 {
    let mut log = BufReader::new(output);
    let mut line = String::new();
    let port = loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "chromedriver ended");
        let port = line
            .trim_end()
            .trim_end_matches('.')
            .split_once("started successfully on port ");
        if let Some(port) = port.and_then(|(_, port)| port.parse().ok()) {
            break port;
        }
    };
    // Continue to read, because chromedriver would block on a full pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    port
}
