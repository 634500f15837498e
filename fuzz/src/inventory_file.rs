//! Inventory files. The input is the file.

use std::cell::LazyCell;
use std::io::{Seek as _, Write as _};

use chrono::DateTime;
use drift_inbox::provider::InventoryProvider as _;
use drift_inbox::provider::file::InventoryFile;
use drift_inbox::provider::lines::LineReader;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};

use super::json::{Dice, Spelling, parsed, spelled, utf16};
use super::listing::{Kinds, accepted, kinds, now};

thread_local! {
    static FILE: LazyCell<(NamedTempFile, Runtime)> = LazyCell::new(|| {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build();
        let file = NamedTempFile::new().expect("a temporary file");
        (file, runtime.expect("a runtime without I/O"))
    });
}

/// The order of keys, the encoding and the notation of a file do not matter, and lines with its resources say the same.
pub fn check(input: &[u8]) {
    let Some(listed) = read(input) else {
        return;
    };
    if let Ok(text) = std::str::from_utf8(input)
        && !text.starts_with('\u{feff}')
    {
        assert_eq!(read(&utf16(text)), Some(listed.clone()), "in UTF-16");
    }
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    // A file in UTF-16 is accepted, but not parsed here.
    let Some(file) = parsed(text) else {
        return;
    };
    everything_is_listed(&file, &listed.1);
    let again = spelled(&file, Spelling::SameMeaning, &mut Dice::of(input));
    assert_eq!(read(again.as_bytes()), Some(listed.clone()), "{again}");
    as_lines(&file, listed);
}

fn read(bytes: &[u8]) -> Option<(String, Kinds)> {
    let listing = FILE.with(|both| {
        let (file, runtime) = &**both;
        let mut handle = file.as_file();
        handle.set_len(0).expect("an empty file");
        handle.rewind().expect("the begin of the file");
        handle.write_all(bytes).expect("a file with the input");
        let source = InventoryFile::new(file.path());
        runtime.block_on(source.list(None, DateTime::UNIX_EPOCH))
    });
    let listing = accepted(listing)?;
    assert!(listing.exhaustive, "a kind that the file lacks is empty");
    let (provider, kinds) = kinds(&listing);
    assert!(kinds.values().all(Option::is_some), "a file is complete");
    Some((provider, kinds))
}

/// Each resource of the file is listed, except those that a note names.
fn everything_is_listed(file: &Value, listed: &Kinds) {
    for entry in file["resources"].as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().expect("a text");
        let kind = listed.get(text("kind")).expect("its kind");
        let found = kind
            .as_ref()
            .is_some_and(|kind| kind.contains_key(text("providerId")));
        assert!(found || has_long_number(entry), "{entry}");
    }
}

fn has_long_number(entry: &Value) -> bool {
    match entry {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|float| float.abs() >= 9e18),
        Value::Array(items) => items.iter().any(has_long_number),
        Value::Object(map) => map.values().any(has_long_number),
        _ => false,
    }
}

fn as_lines(file: &Value, (provider, listed): (String, Kinds)) {
    let entries = file["resources"].as_array().into_iter().flatten();
    let first = json!({ "provider": provider });
    let ends = listed.keys().map(|kind| json!({ "complete": kind }));
    let mut lines: Vec<String> = entries.map(Value::to_string).collect();
    lines.insert(0, first.to_string());
    lines.extend(ends.map(|end| end.to_string()));
    let text = lines.join("\n");
    let listing = now(&LineReader::read(text.as_bytes()).finish());
    match listing {
        Some(listing) => assert_eq!(kinds(&listing), (provider, listed), "{text}"),
        // Without a kind, no line says that the list is complete.
        None => assert!(listed.is_empty(), "{text}"),
    }
}
