//! Gives each fuzz target its seeds, and a fixed number of mutations of them. `scripts/fuzz` looks for new inputs.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "in the folder fuzz, these files are a crate, and the targets are others"
)]
mod targets;

/// Mutations of each target.
const MUTATIONS: u32 = 400;

/// Parts of JSON, of GraphQL and of Terraform's files that a mutation may insert.
const PARTS: [&str; 48] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\n",
    "\r",
    ",",
    ":",
    ".",
    "...",
    "#",
    "@",
    "$",
    "!",
    "=",
    "-",
    "-0",
    "0",
    "1",
    "1.0",
    "1e3",
    "1e400",
    "99999999999999999999",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "{\"\":null}",
    "\"id\":\"1\",",
    "\"kind\":",
    "\"providerId\":\"1\",",
    "\"attrs\":",
    "{\"complete\":\"server\"}",
    "\"mode\":\"data\",",
    "\"actions\":[\"delete\"],",
    "\"constant_value\":",
    "\"tainted\":true,",
    "fragment a on Query{...a}",
    "é",
];

/// A change of an input.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, &'static str),
    Replace(Index, u8),
    Remove(Index, Index),
    /// Copies the bytes between two positions to a third one.
    Copy(Index, Index, Index),
    /// Replaces the end by the end of another seed.
    Splice(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), select(PARTS.to_vec())).prop_map(|(at, part)| Edit::Insert(at, part)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        2 => (at(), at()).prop_map(|(from, to)| Edit::Remove(from, to)),
        2 => (at(), at(), at()).prop_map(|(from, to, at)| Edit::Copy(from, to, at)),
        1 => (at(), at(), at()).prop_map(|(at, seed, from)| Edit::Splice(at, seed, from)),
    ]
}

impl Edit {
    fn apply(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |index: &Index, input: &[u8]| index.index(input.len() + 1);
        // Most removals and copies are short, so that the input stays similar.
        let range = |from: &Index, to: &Index, input: &[u8]| {
            let from = place(from, input);
            from..from + to.index(33).min(input.len() - from)
        };
        match self {
            Self::Insert(at, part) => {
                let at = place(at, input);
                input.splice(at..at, part.bytes());
            }
            Self::Replace(at, byte) => {
                let at = place(at, input);
                input.get_mut(at).into_iter().for_each(|old| *old = *byte);
            }
            Self::Remove(from, to) => drop(input.drain(range(from, to, input))),
            Self::Copy(from, to, at) => {
                let copied = input[range(from, to, input)].to_vec();
                let at = place(at, input);
                input.splice(at..at, copied);
            }
            Self::Splice(at, seed, from) => {
                let other = &seeds[seed.index(seeds.len())];
                input.truncate(place(at, input));
                input.extend_from_slice(&other[place(from, other)..]);
            }
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// Returns the names of the files in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = files(&folder("corpus").join(target));
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn mutate(target: &str) {
    let (_, check) = targets::TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    let seeds = seeds(target);
    for seed in &seeds {
        check(seed);
    }
    let config = ProptestConfig {
        cases: MUTATIONS,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mutations = (select(seeds.clone()), proptest::collection::vec(edit(), 1..5));
    proptest!(config, |((seed, edits) in mutations)| {
        let mut input = seed;
        edits.iter().for_each(|edit| edit.apply(&mut input, &seeds));
        check(&input);
    });
}

#[test]
fn canonical_forms() {
    mutate("canonical");
}

#[test]
fn comparisons() {
    mutate("comparison");
}

#[test]
fn graphql_documents() {
    mutate("graphql");
}

#[test]
fn inventory_files() {
    mutate("inventory_file");
}

#[test]
fn inventory_lines() {
    mutate("inventory_lines");
}

#[test]
fn terraform_plans() {
    mutate("terraform_plan");
}

#[test]
fn terraform_states() {
    mutate("terraform_state");
}

#[test]
fn tokens() {
    mutate("token");
}

#[test]
fn each_target_has_its_file_its_seeds_and_its_place_in_the_manifest() {
    let names = targets::TARGETS.map(|(name, _)| name);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let has_stem = |file: &PathBuf, name: &str| file.file_stem().is_some_and(|stem| stem == name);
    for sub in ["fuzz_targets", "corpus"] {
        let found = files(&folder(sub));
        assert_eq!(found.len(), names.len(), "{found:?}");
        for name in names {
            assert!(found.iter().any(|file| has_stem(file, name)), "{name} in {sub}");
        }
    }
    for name in names {
        let source = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(
            source.contains(&format!("drift_inbox_fuzz::{name}::check(data)")),
            "{source}"
        );
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}
