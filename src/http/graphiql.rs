//! The GraphiQL page.
//!
//! Its scripts are not part of the repository. `scripts/graphiql` fetches them, and a build embeds them if they are
//! present, so that the page needs no internet access. Without embedded files, the page loads the same files from a
//! CDN, verified by the same hashes.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};

use super::rest;

/// One file of GraphiQL.
struct Part {
    name: &'static str,
    /// The file's URL on the CDN.
    url: &'static str,
    /// SHA-384 of the file, for subresource integrity.
    integrity: &'static str,
    /// The content of the file, if it was present at build time.
    embedded: Option<&'static [u8]>,
}

/// Expands to the content of a file of `web/graphiql/vendor`, or to `None` if it was not present at build time.
macro_rules! vendored {
    ($name:literal) => {{
        #[cfg(graphiql_embedded)]
        {
            Some(include_bytes!(concat!("../../web/graphiql/vendor/", $name)).as_slice())
        }
        #[cfg(not(graphiql_embedded))]
        {
            None
        }
    }};
}

/// The files in the order in which they must be loaded. Versions and hashes match `scripts/graphiql`: 4.1.2 is the
/// last release of GraphiQL that has a file for direct use in browsers.
const PARTS: [Part; 4] = [
    Part {
        name: "react.production.min.js",
        url: "https://unpkg.com/react@18.3.1/umd/react.production.min.js",
        integrity: "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
        embedded: vendored!("react.production.min.js"),
    },
    Part {
        name: "react-dom.production.min.js",
        url: "https://unpkg.com/react-dom@18.3.1/umd/react-dom.production.min.js",
        integrity: "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
        embedded: vendored!("react-dom.production.min.js"),
    },
    Part {
        name: "graphiql.min.js",
        url: "https://unpkg.com/graphiql@4.1.2/graphiql.min.js",
        integrity: "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
        embedded: vendored!("graphiql.min.js"),
    },
    Part {
        name: "graphiql.min.css",
        url: "https://unpkg.com/graphiql@4.1.2/graphiql.min.css",
        integrity: "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
        embedded: vendored!("graphiql.min.css"),
    },
];

/// Whether this binary contains GraphiQL.
const EMBEDDED: bool = cfg!(graphiql_embedded);

impl Part {
    fn is_style(&self) -> bool {
        self.name.ends_with(".css")
    }

    /// Returns the URL from which the page loads the file.
    fn source(&self) -> String {
        match self.embedded {
            // Relative to the page, which a proxy may serve below a path of its own.
            Some(_) => format!("graphiql/{}", self.name),
            None => self.url.to_owned(),
        }
    }

    /// Returns the source expression of this file for the content security policy. For the CDN it is the URL of the
    /// file and not the host, which serves scripts of any publisher.
    fn allowed(&self) -> &'static str {
        if self.embedded.is_some() {
            "'self'"
        } else {
            self.url
        }
    }
}

/// Serves the GraphiQL page.
pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, html())
}

/// Serves a file of GraphiQL.
pub(super) async fn part(Path(name): Path<String>) -> Response {
    let found = PARTS
        .iter()
        .find(|part| part.name == name)
        .and_then(|part| Some((part, part.embedded?)));
    let Some((part, bytes)) = found else {
        return rest::not_found().await.into_response();
    };
    let media_type = if part.is_style() {
        "text/css; charset=utf-8"
    } else {
        "text/javascript; charset=utf-8"
    };
    let headers = [
        (CONTENT_TYPE, media_type),
        // The page contains the hash of each file, so browsers do not use an outdated copy.
        (CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, bytes).into_response()
}

/// Returns the content security policy. GraphiQL sets inline styles, hence 'unsafe-inline' for styles.
fn policy() -> String {
    let allowed = |style: bool| {
        let mut sources: Vec<&str> = PARTS
            .iter()
            .filter(|part| part.is_style() == style)
            .map(Part::allowed)
            .chain(["'self'"])
            .collect();
        sources.sort_unstable();
        sources.dedup();
        sources.join(" ")
    };
    format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline' {}; img-src 'self' data:; font-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        allowed(false),
        allowed(true)
    )
}

fn html() -> String {
    let (mut scripts, mut styles) = (Vec::new(), Vec::new());
    for part in &PARTS {
        let (source, integrity) = (part.source(), part.integrity);
        let checked = format!(r#"crossorigin="anonymous" integrity="{integrity}""#);
        if part.is_style() {
            styles.push(format!(r#"<link rel="stylesheet" {checked} href="{source}">"#));
        } else {
            scripts.push(format!(r#"<script defer {checked} src="{source}"></script>"#));
        }
    }
    let from = if EMBEDDED { "this server" } else { "unpkg.com" };
    include_str!("../../web/graphiql/index.html")
        .replace("{{from}}", from)
        .replace("<!-- {{scripts}} -->", &scripts.join("\n    "))
        .replace("<!-- {{styles}} -->", &styles.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_contains_all_parts() {
        let html = html();
        assert!(!html.contains("{{"), "{html}");
        for part in &PARTS {
            assert!(
                html.contains(part.integrity) && html.contains(&part.source()),
                "{html}"
            );
        }
        let policy = policy();
        assert_eq!(policy.contains("https:"), !EMBEDDED, "{policy}");
    }
}
