//! Database addresses. Errors never quote an address, because it may hold a password.

use std::path::PathBuf;
use std::str::FromStr as _;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _};
use tracing::subscriber::NoSubscriber;

/// The parameters that the driver supports, besides `options[NAME]`; it silently ignores all others.
const POSTGRES_PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
/// The parameter that says whether a pooler is in front of the database. It is ours, and the driver ignores it.
const POOLER: &str = "pooler";
/// Maximum length of a parameter name in an error.
const MAX_NAME: usize = 40;

/// Whether each transaction may get another connection of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Found out when connecting.
    Detect,
    /// Yes: a pooler in transaction mode is in front of the database.
    Transaction,
    /// No: a connection keeps its session.
    Off,
}

/// Returns whether `url` names an SQLite file.
pub(super) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite://") || url.starts_with("sqlite:")
}

/// Returns the file that `url` names, if it is an SQLite address.
pub(crate) fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).ok();
    options
        .filter(|_| is_sqlite(url))
        .map(|options| options.get_filename().to_owned())
}

/// Returns whether `url` names a PostgreSQL server.
fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Returns an address for people: without the password, and of the parameters only those that say how to connect. Returns
/// no part of an address that is not clearly divided into its parts, because a password that is not escaped could be in
/// any of them.
pub(crate) fn shown_address(url: &str) -> String {
    if is_sqlite(url) {
        return url.to_owned();
    }
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        let name = path.split(['?', '#']).next().unwrap_or_default();
        let is_plain = |text: &str| {
            text.chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "._-:[]/%".contains(letter))
        };
        let is_clear = is_plain(user) && is_plain(host) && is_plain(name) && !path.contains(['@', '#']);
        let user = if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        };
        is_clear.then(|| format!("{scheme}://{user}{host}{name}"))
    });
    let Some(address) = parts else {
        return "postgres://(hidden)".to_owned();
    };
    let shown: Vec<String> = pairs(query(url))
        .filter(|(name, value)| {
            ["sslmode", POOLER].contains(name)
                && value
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '-')
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if shown.is_empty() {
        address
    } else {
        format!("{address}?{}", shown.join("&"))
    }
}

/// Checks the address of a database. The error is the reason why it is invalid.
pub(crate) fn check_address(url: &str) -> Result<(), String> {
    if is_sqlite(url) {
        return check_sqlite(url);
    }
    if is_postgres(url) {
        let looks_like =
            "the form is postgres://USER:PASSWORD@HOST:PORT/NAME, with special characters as %XX";
        postgres_options(url).map_err(|_| format!("is not a valid address; {looks_like}"))?;
        return check_parameters(url);
    }
    Err("must begin with sqlite:// or postgres://".to_owned())
}

fn check_sqlite(url: &str) -> Result<(), String> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    if path.is_empty() || path.starts_with('?') || url.contains(":memory:") || url.contains("mode=memory") {
        return Err("must name a file: a database in memory is lost with its connection".to_owned());
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| "is not a valid address; the form is sqlite://PATH?mode=rwc".to_owned())?;
    // SQLite itself reports only that it cannot open the file.
    match options.get_filename().parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("folder {} not found", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Rejects unknown parameters, because the driver ignores them: with `sslmod=require`, passwords and data would be
/// sent unencrypted.
fn check_parameters(url: &str) -> Result<(), String> {
    let query = query(url);
    let Some((unknown, _)) = pairs(query).find(|(name, _)| !is_parameter(name)) else {
        pooling(url)?;
        return check_statement_cache(query);
    };
    // If a password contains a `?` that is not escaped as %3F, the rest of it would appear here as a name.
    let may_be_shown = |letter: char| letter.is_ascii_alphanumeric() || "_-[].".contains(letter);
    let described = if query.contains('@') || unknown.len() > MAX_NAME || !unknown.chars().all(may_be_shown) {
        "a parameter".to_owned()
    } else {
        format!("the parameter {unknown:?}")
    };
    Err(format!(
        "has {described} that is not supported; supported are {}, options[NAME], {POOLER}",
        POSTGRES_PARAMETERS.join(", ")
    ))
}

/// Returns what the parameter `pooler` says. The error is the reason why it is invalid.
pub(super) fn pooling(url: &str) -> Result<Pooling, String> {
    match pairs(query(url)).filter(|(name, _)| *name == POOLER).last() {
        None | Some((_, "auto")) => Ok(Pooling::Detect),
        Some((_, "transaction")) => Ok(Pooling::Transaction),
        Some((_, "off")) => Ok(Pooling::Off),
        Some(_) => Err(format!(
            "has a value of the parameter {POOLER:?} that is not supported; supported are auto, transaction, off"
        )),
    }
}

/// Rejects a cache of no statements: the driver would leave a prepared statement in the database with each query.
fn check_statement_cache(query: &str) -> Result<(), String> {
    let none =
        |(name, value): (&str, &str)| name == "statement-cache-capacity" && value.parse() == Ok(0_usize);
    if pairs(query).any(none) {
        return Err(format!(
            "has the parameter \"statement-cache-capacity\" with the value 0, which fills the memory of the database; \
             for a pooler use {POOLER}=transaction"
        ));
    }
    Ok(())
}

fn query(url: &str) -> &str {
    let (_, query) = url.split_once('?').unwrap_or_default();
    query.split_once('#').map_or(query, |(query, _)| query)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Returns whether the driver supports this parameter. An empty name, as between two `&`, is allowed.
fn is_parameter(name: &str) -> bool {
    let of_the_server = name.starts_with("options[") && name.ends_with(']');
    name.is_empty() || of_the_server || name == POOLER || POSTGRES_PARAMETERS.contains(&name)
}

/// Parses an address without logging: the parser logs unknown parameters with their values.
pub(super) fn postgres_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    tracing::subscriber::with_default(NoSubscriber::default(), || PgConnectOptions::from_str(url))
        .map(PgConnectOptions::disable_statement_logging)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        let why = check_address(url).expect_err(url);
        assert!(!why.contains("s3cret"), "{why}");
        why
    }

    #[test]
    fn an_unsupported_parameter_is_refused_by_name_and_never_by_value() {
        for unknown in ["sslmod", "SSLMODE", "connect_timeout", "target-session-attrs"] {
            let url = format!("postgres://u:s3cret@host/drift?sslmode=require&{unknown}=s3cret");
            assert!(refused(&url).contains(&format!("{unknown:?}")), "{url}");
        }
        // Parts of an unescaped password.
        for url in [
            "postgres://u:1?s3cret=x@host/drift",
            "postgres://u@host/drift?s3cret s3cret=1",
            "postgres://u@host/drift?s3cret%41=1",
        ] {
            assert!(refused(url).contains("a parameter"), "{url}");
        }
        assert!(refused(&format!("postgres://u@host/drift?{}=1", "x".repeat(41))).contains("a parameter"));
    }

    #[test]
    fn supported_parameters_are_accepted() {
        for query in [
            "",
            "?",
            "?sslmode=require",
            "?ssl-mode=verify-full&sslrootcert=/ca.pem&",
            "?host=/run/postgresql&port=5433&user=u&password=p&dbname=d&application_name=a",
            "?options=-c%20a%3Db&options[search_path]=drift&statement-cache-capacity=10",
            "?pooler=transaction&sslmode=require",
        ] {
            assert_eq!(
                check_address(&format!("postgres://u:p@host/drift{query}")),
                Ok(())
            );
        }
    }

    #[test]
    fn the_parameter_of_the_pooler_has_three_values() {
        let parsed = |query: &str| pooling(&format!("postgres://u@host/drift{query}")).unwrap();
        for unset in ["", "?", "?sslmode=require", "?pooler=off&pooler=auto"] {
            assert_eq!(parsed(unset), Pooling::Detect, "{unset}");
        }
        assert_eq!(parsed("?a=b&pooler=transaction"), Pooling::Transaction);
        assert_eq!(parsed("?pooler=off"), Pooling::Off);
        for wrong in ["", "=", "=session", "=Transaction", "=s3cret"] {
            let why = refused(&format!("postgres://u:s3cret@host/drift?pooler{wrong}"));
            assert!(
                why.contains("\"pooler\"") && why.contains("transaction, off"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_cache_of_no_statements_is_refused() {
        for zero in ["0", "00"] {
            let why = refused(&format!(
                "postgres://u:s3cret@host/drift?statement-cache-capacity={zero}"
            ));
            assert!(
                why.contains("\"statement-cache-capacity\"") && why.contains("pooler=transaction"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_shown_address_has_no_password() {
        for (url, shown) in [
            (
                "postgres://u:s3cret@host:5433/drift",
                "postgres://u@host:5433/drift",
            ),
            (
                "postgresql://u:s3cret@host/drift?sslmode=require&password=s3cret&pooler=off",
                "postgresql://u@host/drift?sslmode=require&pooler=off",
            ),
            ("postgres://host", "postgres://host"),
            ("sqlite://drift.db?mode=rwc", "sqlite://drift.db?mode=rwc"),
            // Passwords that are not escaped.
            ("postgres://u:1/s3cret@host/drift", "postgres://(hidden)"),
            ("postgres://u:1?s3cret@host/drift", "postgres://(hidden)"),
            ("postgres://u:1#s3cret@host/drift", "postgres://(hidden)"),
            ("postgres://u:s3cret@s3cret@host/drift", "postgres://u@host/drift"),
        ] {
            assert_eq!(shown_address(url), shown, "{url}");
        }
    }

    #[test]
    fn the_folder_of_an_sqlite_file_must_exist() {
        let why = refused("sqlite:///nowhere/at-all/drift.db?mode=rwc");
        assert!(why.contains("/nowhere/at-all"), "{why}");
        assert!(refused("sqlite://nowhere/drift.db").contains("nowhere"));
        assert_eq!(check_address("sqlite://drift.db?mode=rwc"), Ok(()));
        assert_eq!(check_address("sqlite:///tmp/drift.db"), Ok(()));
    }
}
