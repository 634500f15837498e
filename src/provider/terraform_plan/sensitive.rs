//! The secrets of a plan by value: what is marked in one place often stands without a mark in another.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Refusal;
use super::secret_names::is_password_like;
use super::values::json_text;

/// Texts shorter than this are looked for as whole values only: they occur in other words by chance.
const MIN_PART: usize = 6;
/// Shorter texts are no secrets, but numbers, flags and the like.
const MIN_WHOLE: usize = 4;
/// Of a longer secret, its beginning is looked for.
const MAX_PART: usize = 64;
/// Bytes of all secrets that are looked for.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Names that are kept.
const MAX_NAMES: usize = 10_000;

/// Values that are public however they are marked: one marked rule marks all rules of its set.
const PUBLIC: [&str; 16] = [
    "true",
    "false",
    "null",
    "none",
    "icmp",
    "icmpv6",
    "http",
    "https",
    "default",
    "enabled",
    "disabled",
    "0.0.0.0/0",
    "::/0",
    "ingress",
    "egress",
    "allow",
];

/// Collects the secrets of a plan.
#[derive(Default)]
pub(super) struct Secrets {
    /// Texts that are looked for as whole values.
    whole: BTreeSet<String>,
    /// Beginnings of longer texts, also as they stand in JSON and in Base64.
    parts: BTreeSet<String>,
    bytes: usize,
    /// Whether names are password-like. A plan has few names, and each of them many times.
    names: HashMap<String, bool>,
}

impl Secrets {
    /// Adds all texts and numbers of a secret value.
    pub(super) fn note(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.note_text(text);
                // Only a text that is JSON has members, and members are not parsed again.
                if let Some(parsed) = json_text(text) {
                    self.note_members(&parsed);
                }
            }
            Value::Number(number) => self.note_text(&number.to_string()),
            Value::Array(_) | Value::Object(_) => self.note_members(value),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn note_members(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            Value::Object(map) => map.values().for_each(|member| self.note(member)),
            _ => {}
        }
    }

    fn note_text(&mut self, text: &str) {
        let is_public = PUBLIC.iter().any(|public| public.eq_ignore_ascii_case(text));
        if is_public || text.len() < MIN_WHOLE {
            return;
        }
        if text.len() < MIN_PART {
            self.whole.insert(text.to_owned());
            return;
        }
        let encoded = STANDARD.encode(text);
        for form in [text, &escaped(text), encoded.trim_end_matches('=')] {
            let part = beginning(form);
            if !self.parts.contains(part) {
                self.bytes += part.len();
                self.parts.insert(part.to_owned());
            }
        }
    }

    /// Adds what `marks` marks of a value: `true` at any depth, lists by position.
    pub(super) fn note_marked(&mut self, value: &Value, marks: &Value) {
        match (marks, value) {
            (Value::Bool(true), _) => self.note(value),
            (Value::Array(marks), Value::Array(items)) => {
                let pairs = marks.iter().zip(items);
                pairs.for_each(|(marks, item)| self.note_marked(item, marks));
            }
            (Value::Object(marks), Value::Object(map)) => {
                for (key, marks) in marks {
                    if let Some(member) = map.get(key) {
                        self.note_marked(member, marks);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_password_like(&mut self, name: &str) -> bool {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        // Keys of maps are names too, so their number has no limit.
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        let is_password_like = is_password_like(name);
        self.names.insert(name.to_owned(), is_password_like);
        is_password_like
    }

    /// Adds the values whose names say that they are secret.
    pub(super) fn note_named(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.note_named(item)),
            Value::Object(map) => {
                for (name, member) in map {
                    // An expression of a configuration has its value in a member, or refers to other values.
                    match (member.get("constant_value"), member.get("references")) {
                        _ if !self.is_password_like(name) => self.note_named(member),
                        (Some(constant), _) => self.note(constant),
                        (None, Some(_)) => {}
                        (None, None) => self.note(member),
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns the search for these secrets.
    ///
    /// # Errors
    ///
    /// There are more secrets than can be looked for.
    pub(super) fn finish(self) -> Result<Scrubber, Refusal> {
        match self.bytes > MAX_BYTES {
            true => Err(Refusal::TooLarge),
            false => Ok(Scrubber {
                whole: self.whole,
                parts: Parts::new(self.parts),
            }),
        }
    }
}

/// Finds the secrets of a plan in other values.
pub(super) struct Scrubber {
    whole: BTreeSet<String>,
    parts: Parts,
}

impl Scrubber {
    /// Returns whether a text is or contains a secret.
    pub(super) fn finds_in_text(&self, text: &str) -> bool {
        self.whole.contains(text) || self.parts.occur_in(text.as_bytes())
    }

    /// Returns whether a value or a key in it is or contains a secret.
    pub(super) fn finds_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.finds_in_text(text),
            Value::Number(number) => self.finds_in_text(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.finds_in(item)),
            Value::Object(map) => {
                let mut entries = map.iter();
                entries.any(|(key, member)| self.finds_in_text(key) || self.finds_in(member))
            }
            Value::Null | Value::Bool(_) => false,
        }
    }
}

/// Texts that are looked for at any position. They need little more memory than their bytes, however many they are.
struct Parts {
    /// In order, and none of them the beginning of another: so at most one of them begins at a position, and it is the
    /// last one that is not greater than the text from there.
    sorted: Vec<Box<[u8]>>,
    /// Whether a text may begin with four bytes, by their hash.
    begin: Vec<bool>,
}

impl Parts {
    fn new(parts: BTreeSet<String>) -> Self {
        let mut sorted: Vec<Box<[u8]>> = Vec::new();
        let mut begin = vec![false; 1 << 16];
        for part in parts {
            let bytes = part.into_bytes().into_boxed_slice();
            if sorted.last().is_some_and(|last| bytes.starts_with(last)) {
                continue;
            }
            if let Some(may_begin) = bytes.first_chunk().and_then(|first| begin.get_mut(hash(first))) {
                *may_begin = true;
            }
            sorted.push(bytes);
        }
        Self { sorted, begin }
    }

    fn occur_in(&self, text: &[u8]) -> bool {
        !self.sorted.is_empty()
            && (0..text.len()).any(|at| self.occurs_at(text.get(at..).unwrap_or_default()))
    }

    fn occurs_at(&self, rest: &[u8]) -> bool {
        let may_begin = rest.first_chunk().and_then(|first| self.begin.get(hash(first)));
        if may_begin != Some(&true) {
            return false;
        }
        let after = self.sorted.partition_point(|part| part.as_ref() <= rest);
        let last = after.checked_sub(1).and_then(|last| self.sorted.get(last));
        last.is_some_and(|part| rest.starts_with(part))
    }
}

/// Returns 16 bits that depend on all four bytes.
fn hash(bytes: &[u8; 4]) -> usize {
    usize::from((u32::from_le_bytes(*bytes).wrapping_mul(0x9e37_79b1) >> 16) as u16)
}

/// Returns whether anything is marked.
pub(super) fn has_mark(marks: Option<&Value>) -> bool {
    match marks {
        Some(Value::Bool(marked)) => *marked,
        Some(Value::Array(items)) => items.iter().any(|item| has_mark(Some(item))),
        Some(Value::Object(map)) => map.values().any(|member| has_mark(Some(member))),
        _ => false,
    }
}

/// Returns the text as it stands in a JSON text, without quotes.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MAX_PART);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Shows the number of secrets only.
impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.whole.len() + self.parts.sorted.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_found_as_a_plain_search_finds_them(
            parts in prop::collection::btree_set("[ab]{4,7}", 0..6),
            text in "[ab]{0,30}",
        ) {
            let expected = parts.iter().any(|part| text.contains(part.as_str()));
            prop_assert_eq!(Parts::new(parts).occur_in(text.as_bytes()), expected);
        }
    }
}
