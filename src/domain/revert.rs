//! Plans that put live values back: the calls that a person would send. This program sends none of them.

use std::borrow::Cow;

use serde_json::Value;

use super::equality::{canonical, is_unset};

/// The HTTP method of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Only reads.
    Get,
    /// Creates something or starts an action.
    Post,
    /// Replaces the object.
    Put,
    /// Changes the properties that the body names.
    Patch,
    /// Removes something.
    Delete,
}

impl Method {
    /// Returns the method in upper case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a call does to the resource besides the change, from the mildest to the most severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing else.
    None,
    /// It, or a part of it, restarts.
    Reboots,
    /// It is powered off.
    PowersOff,
    /// Parts of it are replaced by new ones, such as the nodes of a cluster.
    Replaced,
    /// The change cannot be undone.
    Irreversible,
    /// Data is lost.
    DestroysData,
}

/// Why a live value cannot be put back by calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The cloud sets the value, or it follows from other fields.
    ReadOnly,
    /// The value is fixed when the resource is created: only a new resource can have another.
    NeedsReplacement,
    /// The value can change in one direction only, such as the size of a disk.
    OneWay,
    /// The expected value is a secret, or contains parts that are not stored.
    Secret,
    /// The resource is gone and must be created again.
    MustBeCreated,
    /// The API has no call for it.
    NoCall,
    /// The expected value is not one that the API accepts.
    InvalidValue,
    /// The field is not known to this program.
    UnknownField,
    /// The calls of this provider are not known to this program.
    UnknownProvider,
}

/// A text in a path or body that a person replaces before sending the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The text, such as `{certificate id of shop}`.
    pub text: String,
    /// What takes its place, and where to find it.
    pub meaning: String,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path and query, such as `/v2/droplets/7/actions`.
    pub path: String,
    /// The JSON body.
    pub body: Option<Value>,
    /// Texts that a person replaces first.
    pub placeholders: Vec<Placeholder>,
    /// What it does to the resource.
    pub effect: Effect,
    /// The same call for the command line program of the provider; None if that has no equivalent.
    pub command: Option<String>,
    /// The same call for curl; None if it contains characters that are not safe to paste.
    pub curl: Option<String>,
    /// What to know before and after it.
    pub note: String,
    /// Where the facts about the call come from.
    pub source: &'static str,
}

/// How one field can be put back.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// By these calls, in this order.
    Calls(Vec<Call>),
    /// Not by calls, for this reason.
    Cannot(Obstacle, Cow<'static, str>),
}

/// The members that must be added to a list and removed from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberChange {
    /// Expected members that the live list lacks.
    pub add: Vec<Value>,
    /// Live members that are not expected.
    pub remove: Vec<Value>,
}

/// Compares the members of two lists by loose equality. A value that is not a list is a list of one member; an unset value
/// is an empty list.
pub fn member_change(expected: &Value, actual: &Value) -> MemberChange {
    let without = |from: &Value, other: &Value| {
        let others: Vec<_> = members(other).iter().map(canonical).collect();
        let mut kept = Vec::new();
        for member in members(from) {
            if !others.contains(&canonical(member)) && !kept.contains(member) {
                kept.push(member.clone());
            }
        }
        kept
    };
    MemberChange {
        add: without(expected, actual),
        remove: without(actual, expected),
    }
}

fn members(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        value if is_unset(value) => &[],
        value => std::slice::from_ref(value),
    }
}

/// Returns a text as a word of a POSIX shell, quoted only if it needs quotes. Returns None for a text with control
/// characters, which could act on a terminal into which it is pasted.
pub fn shell_argument(text: &str) -> Option<Cow<'_, str>> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    Some(match !text.is_empty() && text.bytes().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(super::addresses::shell_word(text)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_members_that_differ_are_added_and_removed() {
        let change = member_change(
            &json!(["a", 2, { "x": 1, "y": null }]),
            &json!(["b", "2", { "x": "1" }]),
        );
        assert_eq!((change.add, change.remove), (vec![json!("a")], vec![json!("b")]));
        let change = member_change(&json!(7), &Value::Null);
        assert_eq!((change.add, change.remove), (vec![json!(7)], vec![]));
        let change = member_change(&json!([]), &json!(["a", "a"]));
        assert_eq!((change.add, change.remove), (vec![], vec![json!("a")]));
    }

    #[test]
    fn an_argument_of_a_shell_is_one_word_whatever_it_contains() {
        for (text, word) in [
            ("web-1", "web-1"),
            ("do:droplet:7", "do:droplet:7"),
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's; `rm -rf ~`", r"'it'\''s; `rm -rf ~`'"),
            ("a b", "'a b'"),
            ("~root", "'~root'"),
        ] {
            assert_eq!(shell_argument(text).as_deref(), Some(word));
        }
        for text in ["a\nb", "\u{1b}[2J", "\u{9b}0m", "\0"] {
            assert_eq!(shell_argument(text), None);
        }
    }
}
