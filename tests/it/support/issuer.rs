//! An OpenID Connect issuer in a process of its own: `tests/issuer`, which is made of the npm package `oidc-provider`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drift_inbox::auth::{Issuer, IssuerSettings, IssuerUrl, PageClient, PageToken, SignatureAlgorithm};
use drift_inbox::domain::actor::{RoleAliases, RolesClaim};
use serde_json::Value;

/// The audience of its access tokens.
pub(crate) const AUDIENCE: &str = "drift-inbox";
/// The id of the page at the issuer, which is also the audience of its ID tokens.
pub(crate) const CLIENT: &str = "drift-page";

/// A running issuer. It ends when it is dropped.
pub(crate) struct TestIssuer {
    child: Child,
    /// Its identifier, `http://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl TestIssuer {
    /// Starts an issuer for the page at this address. `settings` are described in its script.
    pub(crate) fn start(page: &str, mut settings: Value) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "run `npm ci --prefix tests/issuer`, as scripts/test does"
        );
        settings["redirect"] = format!("http://{page}/").into();
        let mut child = Command::new("node")
            .arg("issuer.mjs")
            .arg(settings.to_string())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("issuer ").map(str::to_owned));
        Self {
            child,
            url: url.expect("the issuer did not start"),
        }
    }

    /// Returns the host and port, by which the page names it.
    pub(crate) fn name(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Changes settings.
    pub(crate) async fn set(&self, settings: Value) {
        self.control("set", settings.to_string()).await;
    }

    /// Replaces the keys.
    pub(crate) async fn rotate_keys(&self) {
        self.control("rotate", String::new()).await;
    }

    /// Ends all sessions and refresh tokens.
    pub(crate) async fn revoke_all(&self) {
        self.control("revoke", String::new()).await;
    }

    async fn control(&self, what: &str, body: String) {
        let address = format!("{}/test/{what}", self.url);
        let answer = reqwest::Client::new().post(address).body(body).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// Returns the issuer as the server knows it, with its required audience.
    pub(crate) fn known(&self, audience: &str) -> Issuer {
        Issuer::new(IssuerSettings {
            url: IssuerUrl::parse(&self.url).unwrap(),
            audience: audience.to_owned(),
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            roles_claim: RolesClaim::default(),
            aliases: RoleAliases::default(),
            fetch_gap: Duration::from_millis(200),
        })
        .unwrap()
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the page as a client of a test issuer. Access tokens are for a resource, ID tokens for the page itself.
pub(crate) fn page_client(token: PageToken) -> PageClient {
    let parameters = match token {
        PageToken::Access => format!("resource=urn:{AUDIENCE}"),
        PageToken::Id => "ui_locales=en".to_owned(),
    };
    PageClient {
        id: CLIENT.to_owned(),
        scopes: "openid profile email".to_owned(),
        token,
        parameters: drift_inbox::auth::ExtraParameters::parse(&parameters).unwrap(),
    }
}
