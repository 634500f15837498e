//! Domains and their records.

use serde_json::{Map, Value, json};

use super::calls::{PROJECT, call, doctl, fixed, no_call, plain};
use super::{Change, Fields, Rule, cannot};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Method, Obstacle, Outcome};

const RECORDS: &str = "DigitalOcean's API reference, \"Domain Records\": Update a Domain Record";

/// The fields of a domain.
pub(super) const DOMAIN: Fields = &[
    ("name", fixed("A domain is identified by its name.")),
    (
        "ttl",
        no_call("The API changes the time to live of records, not that of a domain."),
    ),
    ("status", no_call("Domains have no status.")),
    ("project_id", PROJECT),
];

/// The fields of a DNS record.
pub(super) const RECORD: Fields = &[
    ("name", Rule::By(update)),
    ("status", no_call("Records have no status.")),
    ("ttl", Rule::By(update)),
    ("priority", Rule::By(update)),
    ("port", Rule::By(update)),
    ("weight", Rule::By(update)),
    ("flags", Rule::By(update)),
    ("tag", Rule::By(update)),
    ("data", Rule::By(update)),
    (
        "type",
        fixed("A record keeps its type. Delete it, and create one of the expected type."),
    ),
    (
        "domain",
        fixed("A record stays in its domain. Delete it, and create one in the expected domain."),
    ),
];

/// Zeros are stored as unset values.
const NUMBERS: [&str; 5] = ["ttl", "priority", "port", "weight", "flags"];

fn update(change: &Change<'_>) -> Outcome {
    let target = change.target;
    let (domain, kind) = (plain(&target.live("domain")), plain(&target.live("type")));
    if domain.is_empty() || kind.is_empty() {
        return cannot(
            Obstacle::InvalidValue,
            "The domain or the type of the record is not known.",
        );
    }
    if is_unset(change.expected) && !NUMBERS[1..].contains(&change.field) {
        return cannot(
            Obstacle::InvalidValue,
            format!("A record always has a value of {}.", change.field),
        );
    }
    let shown = |field: &str| api_value(field, &kind, &target.value(field));
    let body: Map<String, Value> = [
        ("type".to_owned(), json!(kind)),
        (change.field.to_owned(), shown(change.field)),
    ]
    .into_iter()
    .collect();
    // doctl sends all properties, so its command has those that stay, too.
    let mut flags = vec![
        ("record-id", target.id().to_owned()),
        ("record-type", kind.clone()),
    ];
    for (field, flag) in [
        ("name", "record-name"),
        ("data", "record-data"),
        ("ttl", "record-ttl"),
        ("priority", "record-priority"),
        ("port", "record-port"),
        ("weight", "record-weight"),
        ("flags", "record-flags"),
        ("tag", "record-tag"),
    ] {
        if !is_unset(&target.value(field)) || field == change.field {
            flags.push((flag, plain(&shown(field))));
        }
    }
    let note = match change.field {
        "ttl" => "DigitalOcean gives all records of one name and type the same time to live.",
        _ => "Resolvers keep the old answer until its time to live has passed.",
    };
    Outcome::Calls(vec![
        call(
            Method::Patch,
            &["domains", &domain, "records", target.id()],
            Some(Value::Object(body)),
        )
        .doctl(doctl("compute domain records update", &[&domain], &flags))
        .note(note)
        .source(RECORDS),
    ])
}

/// Returns a stored value as the API expects it. Host names of other domains end with a dot.
fn api_value(field: &str, kind: &str, value: &Value) -> Value {
    match (field, value) {
        (field, unset) if NUMBERS.contains(&field) && is_unset(unset) => json!(0),
        ("data", Value::String(host)) if ["CNAME", "MX", "NS", "SRV", "CAA"].contains(&kind) => {
            // The domain itself, and addresses such as that of a report about certificates, are no host names.
            match host.as_str() {
                "@" => value.clone(),
                other if other.contains(':') => value.clone(),
                host => json!(format!("{}.", host.trim_end_matches('.'))),
            }
        }
        ("tag", unset) if is_unset(unset) => json!(""),
        (_, value) => value.clone(),
    }
}
