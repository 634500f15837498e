//! The files of the inbox page: the server serves all of them, and the page runs no other script.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use crate::support::TestApp;

/// Files in the folder that are only for development.
const NOT_SERVED: [&str; 4] = ["package-lock.json", "package.json", "tsconfig.json", "types.d.ts"];

struct File {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Returns the routes of one server. The tests share it, because they do not use the database.
async fn router() -> Router {
    static ROUTER: OnceCell<Router> = OnceCell::const_new();
    ROUTER
        .get_or_init(|| async { TestApp::new().await.router })
        .await
        .clone()
}

async fn get(router: Router, path: &str, known: Option<&str>) -> File {
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    let response = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    File {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// Returns the path and the content of the page and of every file that is served under `/web/`.
fn files() -> Vec<(String, String)> {
    let mut files = files_of("");
    for folder in [
        "graphiql/",
        "vendor/lit-html/",
        "vendor/lit-html/directives/",
        "vendor/oauth4webapi/build/",
    ] {
        files.extend(files_of(folder));
    }
    // The two pages are served under other paths.
    for (path, _) in &mut files {
        if path == "/web/index.html" {
            "/".clone_into(path);
        }
    }
    files.retain(|(path, _)| path != "/web/graphiql/index.html");
    files
}

fn files_of(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let entries = fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| !name.starts_with('.') && !NOT_SERVED.contains(&name.as_str()))
        .filter(|(name, _)| !name.ends_with(".d.ts") && name != "LICENSE")
        .map(|(name, path)| (format!("/web/{folder}{name}"), fs::read_to_string(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn every_file_of_the_page_is_served_with_its_content_type() {
    let files = files();
    assert!(files.len() > 15, "files are missing");
    for (path, content) in files {
        let file = get(router().await, &path, None).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert_eq!(file.body, content, "{path}");
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(file.header("content-type"), expected, "{path}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(file.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(file.header("cache-control"), "no-cache", "{path}");
    }
}

#[tokio::test]
async fn a_file_that_the_client_has_cached_is_not_sent_again() {
    let mut tags = BTreeSet::new();
    for (path, _) in files() {
        let tag = get(router().await, &path, None).await.header("etag").to_owned();
        for known in [tag.clone(), format!("\"another\", {tag}")] {
            let file = get(router().await, &path, Some(&known)).await;
            assert_eq!(file.status, StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(
                (file.body.as_str(), file.header("etag")),
                ("", tag.as_str()),
                "{path}"
            );
        }
        let file = get(router().await, &path, Some("\"another\"")).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert!(tags.insert(tag), "{path} has the tag of another file");
    }
}

/// An address with a slash at its beginning would leave the path below which a proxy serves the page.
#[test]
fn no_address_in_the_page_begins_with_a_slash() {
    let index = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("web/graphiql/index.html"));
    let mut all = files();
    all.push(("graphiql/index.html".to_owned(), index.unwrap()));
    for (path, content) in all.iter().filter(|(path, _)| !path.contains("/vendor/")) {
        for attribute in ["href", "src", "action"] {
            for address in ["=\"/", "='/", "=${'/", "=${`/", ": '/", ": `/"] {
                let begin = format!("{attribute}{address}");
                assert!(!content.contains(&begin), "{path}: {begin}");
            }
        }
        for call in ["fetch", "download", "load", "import", "replace", "assign", "open"] {
            for quote in ["'", "`", "\""] {
                let begin = format!("{call}({quote}/");
                assert!(!content.contains(&begin), "{path}: {begin}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_may_run_only_its_own_scripts() {
    let page = get(router().await, "/", None).await;
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types lit-html"
    );
    assert!(!page.body.contains("style="), "the page has inline styles");
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(
        page.body
            .contains("<script type=\"module\" src=\"web/main.js\"></script>")
    );
    // XML namespaces are names and not requested.
    for (path, content) in files_of("") {
        let foreign = content.replace("http://www.w3.org/", "");
        assert!(
            !foreign.contains("http://") && !foreign.contains("https://"),
            "{path} names another host"
        );
    }
}

#[tokio::test]
async fn development_files_are_not_served() {
    for name in NOT_SERVED
        .iter()
        .copied()
        .chain([
            "",
            "index.html",
            ".npmrc",
            "../Cargo.toml",
            "nothing.js",
            "test/json.test.js",
            "vendor/README.md",
            "vendor/vendor.json",
            "vendor/lit-html/LICENSE",
            "vendor/lit-html/lit-html.d.ts",
            "vendor/oauth4webapi/LICENSE.md",
            "vendor/oauth4webapi/build/index.d.ts",
        ])
        .chain([
            "node_modules/axe-core/axe.min.js",
            "graphiql/vendor/graphiql.min.js",
        ])
    {
        let file = get(router().await, &format!("/web/{name}"), None).await;
        assert_eq!(file.status, StatusCode::NOT_FOUND, "{name}");
    }
}
