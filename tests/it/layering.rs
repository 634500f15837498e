//! Checks in the source files that imports between modules follow the order of the layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use drift_inbox::provider::digitalocean::DIGITALOCEAN;
use drift_inbox::provider::traits::KINDS;

/// The modules that each module of `src` may import, from the lowest layer to the highest. Unused permissions are
/// errors.
const MAY_IMPORT: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    ("error", &["domain"]),
    ("clock", &[]),
    ("traces", &["clock"]),
    ("db", &["clock", "error"]),
    ("auth", &["domain"]),
    // The clock is needed because the API returns the end of a rate limit as a timestamp.
    ("provider", &["clock", "domain", "error", "traces"]),
    ("outgoing", &["error", "traces"]),
    ("metrics", &[]),
    (
        "services",
        &["clock", "db", "domain", "error", "outgoing", "provider"],
    ),
    (
        "jobs",
        &[
            "clock", "db", "domain", "error", "metrics", "provider", "services", "traces",
        ],
    ),
    ("live", &["clock", "db", "error", "services"]),
    (
        "app",
        &[
            "clock", "db", "domain", "error", "jobs", "live", "metrics", "outgoing", "provider", "services",
        ],
    ),
    ("scheduler", &["app", "domain", "error", "jobs", "services"]),
    (
        "graphql",
        &[
            "app", "domain", "error", "jobs", "live", "outgoing", "provider", "services",
        ],
    ),
    (
        "http",
        &[
            "app", "auth", "domain", "error", "graphql", "jobs", "metrics", "services", "traces",
        ],
    ),
    (
        "config",
        &["auth", "clock", "db", "domain", "graphql", "outgoing", "provider"],
    ),
    ("telemetry", &["config", "traces"]),
    (
        "cli",
        &[
            "app",
            "auth",
            "clock",
            "config",
            "db",
            "domain",
            "error",
            "graphql",
            "http",
            "jobs",
            "outgoing",
            "provider",
            "scheduler",
            "services",
            "telemetry",
            "traces",
        ],
    ),
    ("main", &["cli"]),
];

/// A file of `src` without its comments.
struct Source {
    path: String,
    module: String,
    /// Depth in the module tree: 2 for `services/page.rs`, 1 for `services/mod.rs`.
    depth: usize,
    text: String,
    first_line: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    assert!(paths.len() > 40, "source files are missing");
    paths.iter().map(|path| source(&root, path)).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn source(root: &Path, path: &Path) -> Source {
    let raw = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root).unwrap().display().to_string();
    let mut parts: Vec<&str> = path.strip_suffix(".rs").unwrap().split('/').collect();
    if parts.len() > 1 {
        parts.retain(|part| *part != "mod");
    }
    let code = raw.lines().filter(|line| !line.trim_start().starts_with("//"));
    Source {
        module: parts[0].to_owned(),
        depth: parts.len(),
        text: code.collect::<Vec<_>>().join("\n"),
        first_line: raw.lines().next().unwrap_or_default().to_owned(),
        path,
    }
}

/// Returns whether the word at the position continues a longer word or path.
fn continues_a_name(text: &str, at: usize) -> bool {
    text[..at]
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Returns the first name of each path from the root of the crate: after `crate::`, `drift_inbox::`, or as many
/// `super::` as the file is deep.
fn roots(source: &Source) -> BTreeSet<String> {
    let from_below = "super::".repeat(source.depth);
    let mut roots = BTreeSet::new();
    for prefix in ["crate::", "drift_inbox::", from_below.as_str()] {
        for (at, _) in source.text.match_indices(prefix) {
            if continues_a_name(&source.text, at) {
                continue;
            }
            let rest = &source.text[at + prefix.len()..];
            let grouped = rest
                .strip_prefix('{')
                .map(|group| group.split('}').next().unwrap());
            let names = grouped.map_or_else(|| vec![rest], |group| group.split(',').collect());
            roots.extend(names.into_iter().map(first_name));
        }
    }
    roots
}

fn first_name(path: &str) -> String {
    let name = path.trim_start().chars();
    name.take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn no_module_imports_a_module_of_a_higher_layer() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources()
        .iter()
        .filter(|source| source.path != "lib.rs" && !source.is_test())
    {
        let targets = allowed.get(source.module.as_str());
        let targets = targets.unwrap_or_else(|| panic!("{} belongs to no layer", source.path));
        for target in roots(source) {
            let known = allowed.contains_key(target.as_str());
            if target != source.module && known {
                assert!(
                    targets.contains(&target.as_str()),
                    "{} imports {target}",
                    source.path
                );
                used.insert((source.module.clone(), target));
            }
        }
    }
    for (module, targets) in MAY_IMPORT {
        for target in targets {
            let arrow = (module.to_owned(), (*target).to_owned());
            assert!(
                used.contains(&arrow),
                "no file of {module} imports {target}: remove it from MAY_IMPORT"
            );
        }
    }
}

#[test]
fn the_layers_are_strictly_ordered() {
    for (n, (module, targets)) in MAY_IMPORT.iter().enumerate() {
        let below: Vec<&str> = MAY_IMPORT[..n].iter().map(|(name, _)| *name).collect();
        for target in *targets {
            assert!(
                below.contains(target),
                "{module} imports {target}, which is not below it"
            );
        }
    }
}

/// Returns the first of these words that occurs in the code of the module, with its file.
fn mentions<'w>(module: &str, words: &[&'w str]) -> Option<(String, &'w str)> {
    let sources = sources();
    let files = sources
        .iter()
        .filter(|source| source.module == module && !source.is_test());
    let mut found = files.flat_map(|source| {
        let has = words.iter().filter(|word| has_word(&source.text, word));
        has.map(|word| (source.path.clone(), *word))
    });
    found.next()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        !text[..at].chars().next_back().is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

#[test]
fn the_domain_is_pure_and_synchronous() {
    let worldly = [
        "sea_orm",
        "sqlx",
        "tokio",
        "async",
        "await",
        "futures_util",
        "async_graphql",
        "axum",
        "std::fs",
        "std::env",
        "std::net",
        "tracing",
        "ActiveModel",
        "EntityTrait",
    ];
    assert_eq!(mentions("domain", &worldly), None);
}

impl Source {
    /// Returns the code without the tests, which are at the end of a file.
    fn code(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
    }
}

#[test]
fn the_domain_and_the_services_name_no_cloud_and_no_kind() {
    let kinds = KINDS.map(|kind| format!("\"{}\"", kind.name));
    // The hosts of the API and the names of its types contain the name of the cloud.
    let words = kinds.into_iter().chain([DIGITALOCEAN.to_owned()]);
    let words: Vec<String> = words.collect();
    let mut seen = 0;
    for source in sources() {
        let is_ruled = matches!(source.module.as_str(), "domain" | "services");
        if !is_ruled || source.is_test() {
            continue;
        }
        seen += 1;
        let code = source.code().to_lowercase();
        let named: Vec<&String> = words.iter().filter(|word| code.contains(*word)).collect();
        assert!(named.is_empty(), "{} names {named:?}", source.path);
    }
    assert!(seen > 30, "files of the domain and the services are missing");
}

#[test]
fn services_use_neither_graphql_nor_http() {
    for module in ["services", "jobs", "live", "app", "provider", "db", "error"] {
        assert_eq!(mentions(module, &["async_graphql", "axum", "hyper"]), None);
    }
    assert_eq!(mentions("graphql", &["axum", "hyper", "sqlx"]), None);
    assert_eq!(mentions("http", &["sea_orm", "sqlx"]), None);
}

#[test]
fn only_the_clock_reads_the_system_time() {
    let clocks = ["Utc::now", "Local::now", "SystemTime::now", "SystemTime"];
    for source in sources().iter().filter(|source| source.path != "clock.rs") {
        for clock in clocks {
            assert!(!has_word(&source.text, clock), "{} uses {clock}", source.path);
        }
    }
}

#[test]
fn every_module_begins_with_a_doc_comment() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        assert!(source.first_line.starts_with("//! "), "{}", source.path);
    }
}
