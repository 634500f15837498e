//! What may enter the database, the same for both: PostgreSQL refuses U+0000 where SQLite takes it, and JSON
//! numbers beyond 64 bits would come back changed.

use std::io;

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::{Map, Value};

/// Largest spec, in bytes of compact JSON.
pub const MAX_SPEC_BYTES: usize = 256 * 1024;
/// Deepest spec; the object itself is level 1.
pub(crate) const MAX_SPEC_LEVELS: usize = 32;
/// Longest name of a field of a spec, in bytes.
pub(crate) const MAX_FIELD_BYTES: usize = 256;
/// Largest attributes of one resource, in bytes of compact JSON.
pub(crate) const MAX_ATTRS_BYTES: usize = 1024 * 1024;
/// Deepest attributes; the object itself is level 1.
pub(crate) const MAX_ATTRS_LEVELS: usize = 64;
/// Longest free text, such as a note or a name, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// Why an input is refused, in words for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidInput(String);

impl InvalidInput {
    /// With these words.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Checks one text: no U+0000, at most `max_bytes`.
pub(crate) fn check_text(what: &str, text: &str, max_bytes: usize) -> Result<(), InvalidInput> {
    if text.contains('\0') {
        return Err(InvalidInput(format!("{what} contains the character U+0000")));
    }
    if text.len() > max_bytes {
        return Err(InvalidInput(format!("{what} is longer than {max_bytes} bytes")));
    }
    Ok(())
}

/// Checks one time: a year of four digits. PostgreSQL refuses some others, and SQLite, where a time is text,
/// sorts them wrongly.
pub(crate) fn check_time(what: &str, time: DateTime<Utc>) -> Result<(), InvalidInput> {
    if (0..=9999).contains(&time.year()) {
        Ok(())
    } else {
        Err(InvalidInput(format!(
            "{what} must be in a year from 0000 to 9999"
        )))
    }
}

/// Checks a desired state: a JSON object within the limits, whose keys can be names of fields.
pub(crate) fn check_spec(spec: &Value) -> Result<(), InvalidInput> {
    let Value::Object(fields) = spec else {
        return Err(InvalidInput("spec must be a JSON object".to_owned()));
    };
    for field in fields.keys() {
        check_field_name(field)?;
    }
    check_object("spec", fields, MAX_SPEC_BYTES, MAX_SPEC_LEVELS)
}

fn check_field_name(field: &str) -> Result<(), InvalidInput> {
    let why = if field.is_empty() {
        "is empty"
    } else if field.len() > MAX_FIELD_BYTES {
        "is longer than 256 bytes"
    } else if field.chars().any(char::is_control) {
        "contains a control character"
    } else if field == super::detection::WHOLE_RESOURCE {
        "is reserved for the whole resource"
    } else {
        return Ok(());
    };
    let shown: String = field.chars().take(40).collect();
    Err(InvalidInput(format!("spec: the field name {shown:?} {why}")))
}

/// Checks the attributes of a resource: they are within the limits.
pub(crate) fn check_attributes(attrs: &Map<String, Value>) -> Result<(), InvalidInput> {
    check_object("attrs", attrs, MAX_ATTRS_BYTES, MAX_ATTRS_LEVELS)
}

/// Walks a JSON object without recursion, so that depth is refused before anything recursive sees it.
fn check_object(
    what: &str,
    root: &Map<String, Value>,
    max_bytes: usize,
    max_levels: usize,
) -> Result<(), InvalidInput> {
    let mut pending = Vec::new();
    check_members(what, root, 1, &mut pending)?;
    while let Some((value, level)) = pending.pop() {
        let container = value.is_array() || value.is_object();
        if container && level > max_levels {
            return Err(InvalidInput(format!(
                "{what} is nested deeper than {max_levels} levels"
            )));
        }
        match value {
            Value::String(text) => check_text(what, text, usize::MAX)?,
            Value::Number(number) if is_beyond_64_bits(number) => {
                return Err(InvalidInput(format!(
                    "{what} contains an integer beyond 64 bits: {number}"
                )));
            }
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(map) => check_members(what, map, level, &mut pending)?,
            _ => {}
        }
    }
    let mut size = Size(0);
    serde_json::to_writer(&mut size, root).map_err(|e| InvalidInput(format!("{what}: {e}")))?;
    if size.0 > max_bytes {
        return Err(InvalidInput(format!("{what} is larger than {max_bytes} bytes")));
    }
    Ok(())
}

/// Checks the keys of an object at a level, and adds its members to those that are still to be checked.
fn check_members<'v>(
    what: &str,
    object: &'v Map<String, Value>,
    level: usize,
    pending: &mut Vec<(&'v Value, usize)>,
) -> Result<(), InvalidInput> {
    for (key, member) in object {
        check_text(what, key, usize::MAX)?;
        pending.push((member, level + 1));
    }
    Ok(())
}

/// Counts the bytes that are written to it.
struct Size(usize);

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a stored spec, or the stored attributes of a resource, are what they must be to be compared: a
/// JSON object whose integers came through as they are. Other programs may have left anything there.
pub(crate) fn is_comparable(stored: &Value) -> bool {
    let mut pending = vec![stored];
    while let Some(value) = pending.pop() {
        match value {
            Value::Number(number) if is_beyond_64_bits(number) => return false,
            Value::Array(items) => pending.extend(items),
            Value::Object(map) => pending.extend(map.values()),
            _ => {}
        }
    }
    stored.is_object()
}

/// Every float of this size is a whole number, and none of them is an i64 or u64 but the least i64 itself.
/// The parser makes floats of integers that are too large, so this is also where those are caught; one that
/// is just below the least i64 becomes that very float, hence the strict bound.
fn is_beyond_64_bits(number: &serde_json::Number) -> bool {
    const I64_MIN: f64 = i64::MIN as f64;
    const U64_END: f64 = u64::MAX as f64;
    // The float -2^63 itself may stand for an integer just below i64, which rounds to it.
    number.is_f64()
        && number
            .as_f64()
            .is_some_and(|float| float <= I64_MIN || float >= U64_END)
}

/// A text for the report of a run, which may quote what a cloud answered. PostgreSQL keeps no U+0000: the run would
/// never end.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
