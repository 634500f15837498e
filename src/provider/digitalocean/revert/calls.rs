//! Builds calls, and their equivalents for `doctl` and curl.

use serde_json::{Value, json};

use super::{Change, Rule, cannot, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{
    Call, Effect, Method, Obstacle, Outcome, Placeholder, member_change, shell_argument,
};
use crate::provider::digitalocean::address::ApiUrl;

/// Where the facts about tags come from.
const TAGS: &str = "DigitalOcean's API reference, \"Tags\"";
/// Where the facts about projects come from.
const PROJECTS: &str = "DigitalOcean's API reference, \"Projects\": Assign Resources to a Project";

/// Builds a call. The segments of its path are escaped.
pub(super) fn call(method: Method, segments: &[&str], body: Option<Value>) -> Call {
    Call {
        method,
        path: path(segments),
        body,
        placeholders: Vec::new(),
        effect: Effect::None,
        command: None,
        curl: None,
        note: String::new(),
        source: "",
    }
    .with_curl()
}

/// Builds a call that starts an action on a resource.
pub(super) fn action(segments: &[&str], body: Value) -> Call {
    call(Method::Post, segments, Some(body))
}

/// Returns the escaped path below `/v2`.
fn path(segments: &[&str]) -> String {
    let escaped: Vec<String> = segments.iter().map(|segment| escape(segment)).collect();
    format!("/v2/{}", escaped.join("/"))
}

/// Escapes everything but the unreserved characters of RFC 3986, and the colon, which ids of tags have.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    // A segment of dots would leave the path.
    match escaped.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => escaped,
    }
}

impl Call {
    pub(super) fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(super) fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Adds the equivalent command of `doctl`.
    pub(super) fn doctl(mut self, command: Option<String>) -> Self {
        self.command = command;
        self
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.path = format!("{}?{name}={}", self.path, escape(value));
        self.with_curl()
    }

    pub(super) fn placeholders(mut self, placeholders: Vec<Placeholder>) -> Self {
        self.placeholders = placeholders;
        self
    }

    fn with_curl(mut self) -> Self {
        let url = shell_argument(&format!("{}{}", ApiUrl::DEFAULT, self.path)).map(|url| url.into_owned());
        let mut line = format!(
            "curl --request {} --header \"Authorization: Bearer $DIGITALOCEAN_ACCESS_TOKEN\"",
            self.method.word()
        );
        if let Some(body) = &self.body {
            let Some(body) = shell_argument(&body.to_string()).map(|body| body.into_owned()) else {
                self.curl = None;
                return self;
            };
            line.push_str(&format!(
                " --header 'Content-Type: application/json' --data {body}"
            ));
        }
        self.curl = url.map(|url| format!("{line} {url}"));
        self
    }
}

/// Returns a command of `doctl`, or None if an argument cannot be written safely: one with control characters, or a
/// positional argument that would be read as a flag.
pub(super) fn doctl(command: &str, positional: &[&str], flags: &[(&str, String)]) -> Option<String> {
    let mut line = format!("doctl {command}");
    for argument in positional {
        if argument.starts_with('-') {
            return None;
        }
        line.push(' ');
        line.push_str(&shell_argument(argument)?);
    }
    for (name, value) in flags {
        line.push_str(&format!(" --{name}={}", shell_argument(value)?));
    }
    Some(line)
}

/// Returns a value as an argument: texts without quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Returns a list of values as an argument, separated by commas.
pub(super) fn list(values: &[Value]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(",")
}

/// Returns an id as the API expects it: a number if it is one.
pub(super) fn numeric(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

/// Returns the expected text, which must not be empty.
pub(super) fn text(change: &Change<'_>) -> Result<String, Outcome> {
    match change.expected.as_str().filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(invalid(change, "a text")),
    }
}

/// Returns the expected switch. An unset switch is off.
pub(super) fn switch(change: &Change<'_>) -> Result<bool, Outcome> {
    match change.expected {
        Value::Bool(on) => Ok(*on),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        unset if is_unset(unset) => Ok(false),
        _ => Err(invalid(change, "true or false")),
    }
}

/// Returns the expected number, which may be written as a text.
pub(super) fn number(change: &Change<'_>) -> Result<u64, Outcome> {
    number_in(change.expected).ok_or_else(|| invalid(change, "a whole number"))
}

/// Returns a value as a whole number.
pub(super) fn number_in(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (float >= 0.0 && float.fract() == 0.0 && float < 9e15).then_some(float as u64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns one call, or the outcome that stands in its way.
pub(super) fn one(call: Result<Call, Outcome>) -> Outcome {
    match call {
        Ok(call) => Outcome::Calls(vec![call]),
        Err(outcome) => outcome,
    }
}

/// Puts the project back.
pub(super) const PROJECT: Rule = Rule::By(project);

fn project(change: &Change<'_>) -> Outcome {
    let urn = change.target.resource.urn.as_str();
    one(text(change).map(|project| {
        call(
            Method::Post,
            &["projects", &project, "resources"],
            Some(json!({ "resources": [urn] })),
        )
        .doctl(doctl(
            "projects resources assign",
            &[&project],
            &[("resource", urn.to_owned())],
        ))
        .note("A resource is in one project: this moves it there.")
        .source(PROJECTS)
    }))
}

/// Returns the calls that add and remove the tags that differ. `resource_type` is the word of the API for the kind, `by` the
/// command of `doctl` for a tag, and whether it is added.
pub(super) fn tags(
    change: &Change<'_>,
    resource_type: &str,
    by: fn(&str, &str, bool) -> Option<String>,
) -> Outcome {
    let id = change.target.id();
    let body = json!({ "resources": [{ "resource_id": id, "resource_type": resource_type }] });
    let members = member_change(change.expected, &change.actual);
    let mut calls = Vec::new();
    for tag in &members.add {
        let tag = plain(tag);
        calls.push(
            call(Method::Post, &["tags"], Some(json!({ "name": tag })))
                .doctl(doctl("compute tag create", &[&tag], &[]))
                .note("Only if the account does not have the tag yet.")
                .source(TAGS),
        );
        calls.push(tagging(Method::Post, &tag, &body).doctl(by(id, &tag, true)));
    }
    for tag in &members.remove {
        let tag = plain(tag);
        calls.push(tagging(Method::Delete, &tag, &body).doctl(by(id, &tag, false)));
    }
    Outcome::Calls(calls)
}

fn tagging(method: Method, tag: &str, body: &Value) -> Call {
    call(method, &["tags", tag, "resources"], Some(body.clone()))
        .note(
            "Tags are stored in lower case here. If the account's tag has capitals, write it as the account does. \
             Firewalls and load balancers that select by this tag change with it.",
        )
        .source(TAGS)
}

/// The field follows from others.
pub(super) const fn derived(why: &'static str) -> Rule {
    Rule::Not(Obstacle::ReadOnly, why)
}

/// The field is fixed when the resource is created.
pub(super) const fn fixed(why: &'static str) -> Rule {
    Rule::Not(Obstacle::NeedsReplacement, why)
}

/// The API has no call for the field.
pub(super) const fn no_call(why: &'static str) -> Rule {
    Rule::Not(Obstacle::NoCall, why)
}

/// Why a value that only grows cannot go back.
pub(super) fn one_way(why: &'static str) -> Outcome {
    cannot(Obstacle::OneWay, why)
}

/// Returns whether a version is older than another one: versions are compared number by number.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    numbers(version) < numbers(than)
}
