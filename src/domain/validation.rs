//! Limits of stored values. They are the same for both databases: PostgreSQL rejects U+0000 and SQLite does not, and
//! integers beyond 64 bits in JSON would change when they are stored.

use std::io;

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::{Map, Value};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Maximum size of a spec, in bytes of compact JSON.
pub const MAX_SPEC_BYTES: usize = 256 * 1024;
/// Maximum depth of a spec; the object itself is level 1.
pub(crate) const MAX_SPEC_LEVELS: usize = 32;
/// Maximum length of a field name in a spec, in bytes.
pub(crate) const MAX_FIELD_BYTES: usize = 256;
/// Maximum size of the attributes of one resource, in bytes of compact JSON.
pub(crate) const MAX_ATTRS_BYTES: usize = 1024 * 1024;
/// Maximum depth of attributes; the object itself is level 1.
pub(crate) const MAX_ATTRS_LEVELS: usize = 64;
/// Maximum length of a free text, such as a note or a name, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// The reason why an input is rejected, as a message for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidInput(String);

impl InvalidInput {
    /// Creates an error with this message.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Returns whether a character is invisible or changes how the text around it is shown: a control character, a format
/// character such as U+202E, which reverses the text after it, or a separator of lines or paragraphs. In the name of a
/// person, such a character can only deceive the reader.
pub(crate) fn is_hidden(letter: char) -> bool {
    matches!(
        letter.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

/// Checks that a text has no U+0000 and at most `max_bytes` bytes.
pub(crate) fn check_text(what: &str, text: &str, max_bytes: usize) -> Result<(), InvalidInput> {
    if text.contains('\0') {
        return Err(InvalidInput(format!("{what} contains the character U+0000")));
    }
    if text.len() > max_bytes {
        return Err(InvalidInput(format!("{what} is longer than {max_bytes} bytes")));
    }
    Ok(())
}

/// Checks that a time is in a year from 0000 to 9999. PostgreSQL rejects some other years. SQLite stores times as text
/// and would sort other years wrongly.
pub(crate) fn check_time(what: &str, time: DateTime<Utc>) -> Result<(), InvalidInput> {
    if (0..=9999).contains(&time.year()) {
        Ok(())
    } else {
        Err(InvalidInput(format!(
            "{what} must be in a year from 0000 to 9999"
        )))
    }
}

/// Checks that a spec is a JSON object within the limits, and that its keys are valid field names.
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

/// Checks that the attributes of a resource are within the limits.
pub(crate) fn check_attributes(attrs: &Map<String, Value>) -> Result<(), InvalidInput> {
    check_object("attrs", attrs, MAX_ATTRS_BYTES, MAX_ATTRS_LEVELS)
}

/// Checks a JSON object without recursion, so that a too deep one is rejected before recursive code reads it.
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

/// Returns whether a spec or attributes can be compared: a JSON object without integers beyond 64 bits. Stored values
/// need this check because other programs may have written them.
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

/// Returns whether a number is an integer beyond the ranges of i64 and u64. The parser turns such integers into
/// floats, and every float of this size is a whole number.
pub(crate) fn is_beyond_64_bits(number: &serde_json::Number) -> bool {
    const I64_MIN: f64 = i64::MIN as f64;
    const U64_END: f64 = u64::MAX as f64;
    // An integer just below the range of i64 becomes the float -2^63, so this float counts as beyond 64 bits.
    number.is_f64()
        && number
            .as_f64()
            .is_some_and(|float| float <= I64_MIN || float >= U64_END)
}

/// Replaces U+0000 in a text for the report of a run, which may quote a response of the provider. PostgreSQL rejects
/// U+0000, so the end of the run could not be stored.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
