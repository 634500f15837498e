//! Plans that put live values back, for the providers whose calls are known.

use std::collections::BTreeMap;

use entity::cloud_resources;
use serde_json::Value;

use super::digitalocean::revert::{Target, outcome};
use super::traits::DIGITALOCEAN;
use crate::domain::compare::live_value;
use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::redaction::has_redacted;
use crate::domain::revert::{Obstacle, Outcome};

/// Returns how each of these fields of a resource can be put back to its expected value, together with the others. The
/// field `*` is the whole resource, which is gone.
pub(crate) fn outcomes(
    resource: &cloud_resources::Model,
    expected: &BTreeMap<String, Value>,
) -> BTreeMap<String, Outcome> {
    let of_field =
        |(field, value): (&String, &Value)| (field.clone(), of_field(resource, expected, field, value));
    expected.iter().map(of_field).collect()
}

fn of_field(
    resource: &cloud_resources::Model,
    expected: &BTreeMap<String, Value>,
    field: &str,
    value: &Value,
) -> Outcome {
    if resource.gone_at.is_some() || field == WHOLE_RESOURCE {
        return Outcome::Cannot(
            Obstacle::MustBeCreated,
            "The resource no longer exists. A new one gets another id, so its spec must be recorded again, or imported from \
             the Terraform state that created it."
                .into(),
        );
    }
    let live = live_value(resource, field);
    if has_redacted(value) || live.as_deref().is_some_and(has_redacted) {
        return secret();
    }
    if resource.provider != DIGITALOCEAN {
        return Outcome::Cannot(
            Obstacle::UnknownProvider,
            format!(
                "The calls of the provider {} are not known here.",
                resource.provider
            )
            .into(),
        );
    }
    match outcome(Target { resource, expected }, field) {
        // A body may have other values of the resource.
        Outcome::Calls(calls)
            if calls
                .iter()
                .any(|call| call.body.as_ref().is_some_and(has_redacted)) =>
        {
            secret()
        }
        outcome => outcome,
    }
}

fn secret() -> Outcome {
    Outcome::Cannot(
        Obstacle::Secret,
        "The value is a secret, of which only a digest is stored.".into(),
    )
}
