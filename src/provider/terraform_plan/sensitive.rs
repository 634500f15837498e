//! The secrets of a plan by value: what is marked in one place often stands without a mark in another.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
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
const MAX_BYTES: usize = 2 * 1024 * 1024;

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
    texts: BTreeSet<String>,
    bytes: usize,
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
        if text.len() >= MIN_WHOLE && !is_public && !self.texts.contains(text) {
            self.bytes += text.len().min(MAX_PART);
            self.texts.insert(text.to_owned());
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

    /// Adds the values whose names say that they are secret.
    pub(super) fn note_named(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.note_named(item)),
            Value::Object(map) => {
                for (name, member) in map {
                    // An expression of a configuration has its value in a member, or refers to other values.
                    match (member.get("constant_value"), member.get("references")) {
                        _ if !is_password_like(name) => self.note_named(member),
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
        if self.bytes > MAX_BYTES {
            return Err(Refusal::TooLarge);
        }
        let mut parts: BTreeSet<String> = BTreeSet::new();
        for text in self.texts.iter().filter(|text| text.len() >= MIN_PART) {
            parts.insert(beginning(text));
            parts.insert(beginning(&escaped(text)));
            parts.insert(beginning(STANDARD.encode(text).trim_end_matches('=')));
        }
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&parts);
        Ok(Scrubber {
            whole: self.texts.into_iter().collect(),
            parts: search.map_err(|_| Refusal::TooLarge)?,
        })
    }
}

/// Finds the secrets of a plan in other values.
pub(super) struct Scrubber {
    whole: HashSet<String>,
    parts: AhoCorasick,
}

impl Scrubber {
    /// Returns whether a text is or contains a secret.
    pub(super) fn finds_in_text(&self, text: &str) -> bool {
        self.whole.contains(text) || self.parts.is_match(text)
    }

    /// Returns whether a value or a key in it is or contains a secret.
    pub(super) fn finds_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.finds_in_text(text),
            Value::Number(number) => self.whole.contains(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.finds_in(item)),
            Value::Object(map) => {
                let mut entries = map.iter();
                entries.any(|(key, member)| self.finds_in_text(key) || self.finds_in(member))
            }
            Value::Null | Value::Bool(_) => false,
        }
    }
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

fn beginning(text: &str) -> String {
    let mut end = text.len().min(MAX_PART);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text).to_owned()
}

/// Shows the number of secrets only.
impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.whole.len())
    }
}
