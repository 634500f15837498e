//! Groups transitions by their cause, so that one message contains all of them. Its size does not grow with their
//! number.

use std::collections::{BTreeMap, HashMap};

use entity::cloud_drift::DriftKind;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Happened, Transition, link};
use crate::domain::redaction::{hides, shown};

/// Maximum number of groups that a message lists.
const MAX_GROUPS: usize = 50;
/// Maximum number of drifts that a group lists.
const MAX_DRIFTS: usize = 10;
/// Maximum number of kinds of resources that a message counts one by one.
const MAX_KINDS: usize = 100;
/// Maximum size of a value, in bytes of compact JSON.
const MAX_VALUE_BYTES: usize = 512;
/// Maximum length of a text about a resource, in characters.
const MAX_TEXT: usize = 200;

/// Transitions of drifts of one message.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Number of transitions.
    pub(crate) total: u64,
    /// Number of transitions of each type.
    pub(crate) transitions: BTreeMap<Transition, u64>,
    /// Number of transitions for each of the first 100 kinds of resources.
    resource_kinds: BTreeMap<String, u64>,
    /// The first 50 groups.
    groups: Vec<Group>,
    /// Number of transitions in no listed group.
    not_listed: u64,
    /// Address of the inbox.
    link: Option<String>,
    #[serde(skip)]
    public_url: Option<String>,
    #[serde(skip)]
    places: HashMap<Cause, usize>,
}

/// What the transitions of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cause {
    transition: Transition,
    kind: String,
    field: String,
    expected: String,
    actual: String,
    actor: String,
}

/// Transitions with the same cause.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    transition: Transition,
    actor: String,
    resource_kind: String,
    field: String,
    missing: bool,
    expected: Value,
    actual: Value,
    /// Whether the values are secrets, which are not shown.
    redacted: bool,
    /// Whether a value is too long for a message.
    too_long: bool,
    count: u64,
    /// The first 10 drifts.
    drifts: Vec<ListedDrift>,
}

/// A drift of a group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedDrift {
    id: Option<Uuid>,
    revision: Option<i32>,
    resource_id: Option<Uuid>,
    resource_name: Option<String>,
    provider_id: Option<String>,
    region: Option<String>,
    source: Option<String>,
    address: Option<String>,
    link: Option<String>,
}

impl Summary {
    /// Creates an empty summary with links to the page at this address.
    pub(crate) fn new(public_url: Option<&str>) -> Self {
        let link = public_url.map(|url| format!("{}/", url.trim_end_matches('/')));
        Self {
            public_url: public_url.map(str::to_owned),
            link,
            ..Self::default()
        }
    }

    /// Adds a transition.
    pub(crate) fn add(&mut self, happened: &Happened) {
        self.total += 1;
        *self.transitions.entry(happened.transition).or_default() += 1;
        let kind = happened.resource.as_ref().map_or("", |known| &known.kind);
        if self.resource_kinds.len() < MAX_KINDS || self.resource_kinds.contains_key(kind) {
            *self.resource_kinds.entry(kind.to_owned()).or_default() += 1;
        }
        let values = Values::of(happened);
        let cause = Cause {
            transition: happened.transition,
            kind: kind.to_owned(),
            field: happened.field.clone(),
            expected: values.expected.to_string(),
            actual: values.actual.to_string(),
            actor: happened.actor.clone(),
        };
        let place = match self.places.get(&cause) {
            Some(place) => *place,
            None if self.groups.len() < MAX_GROUPS => {
                self.groups.push(values.group(happened, kind));
                let place = self.groups.len() - 1;
                self.places.insert(cause, place);
                place
            }
            None => {
                self.not_listed += 1;
                return;
            }
        };
        if let Some(group) = self.groups.get_mut(place) {
            group.count += 1;
            if group.drifts.len() < MAX_DRIFTS {
                group.drifts.push(listed(happened, self.public_url.as_deref()));
            }
        }
    }
}

/// The values of a drift, without secrets.
struct Values {
    expected: Value,
    actual: Value,
    redacted: bool,
}

impl Values {
    fn of(happened: &Happened) -> Self {
        let (expected, actual) = (happened.expected.as_ref(), happened.actual.as_ref());
        if hides(expected, actual) {
            return Self {
                expected: Value::Null,
                actual: Value::Null,
                redacted: true,
            };
        }
        let side = |value: Option<&Value>| value.map_or(Value::Null, |value| shown(value).into_owned());
        Self {
            expected: side(expected),
            actual: side(actual),
            redacted: false,
        }
    }

    fn group(self, happened: &Happened, kind: &str) -> Group {
        let fits = |value: &Value| value.to_string().len() <= MAX_VALUE_BYTES;
        let (expected_fits, actual_fits) = (fits(&self.expected), fits(&self.actual));
        let short = |value: Value, fits: bool| if fits { value } else { Value::Null };
        Group {
            transition: happened.transition,
            actor: cut(&happened.actor),
            resource_kind: cut(kind),
            field: cut(&happened.field),
            missing: happened.kind == Some(DriftKind::Missing),
            expected: short(self.expected, expected_fits),
            actual: short(self.actual, actual_fits),
            redacted: self.redacted,
            too_long: !(expected_fits && actual_fits),
            count: 0,
            drifts: Vec::new(),
        }
    }
}

fn listed(happened: &Happened, public_url: Option<&str>) -> ListedDrift {
    let resource = happened.resource.as_ref();
    let link = public_url
        .zip(happened.drift_id)
        .map(|(url, id)| link(url, id, happened.revision));
    let text = |text: Option<&str>| text.map(cut);
    ListedDrift {
        id: happened.drift_id,
        revision: happened.revision,
        resource_id: happened.resource_id,
        resource_name: text(resource.and_then(|known| known.name.as_deref())),
        provider_id: text(resource.map(|known| known.provider_id.as_str())),
        region: text(resource.and_then(|known| known.region.as_deref())),
        source: text(resource.map(|known| known.source.as_str())),
        address: text(resource.and_then(|known| known.address.as_deref())),
        link,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
