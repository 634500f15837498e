//! Rows for the tests of the rules.

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned, cloud_resources};
use serde_json::{Value, json};
use uuid::Uuid;

/// Returns the current time of all tests.
pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// Returns a machine with a name, a region and these attributes.
pub(super) fn resource(attrs: Value) -> cloud_resources::Model {
    cloud_resources::Model {
        name: "web-1".to_owned(),
        region: Some("nyc3".to_owned()),
        first_seen_at: Some(now()),
        ..bare_resource(attrs)
    }
}

/// Returns a machine with these attributes, whose schema fields are all unset.
pub(super) fn bare_resource(attrs: Value) -> cloud_resources::Model {
    cloud_resources::Model {
        id: Uuid::nil(),
        provider: "cloud".to_owned(),
        kind: "machine".to_owned(),
        provider_id: "1".to_owned(),
        urn: "cloud:machine:1".to_owned(),
        name: String::new(),
        region: None,
        size_slug: None,
        status: None,
        tags: json!([]),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs,
        revision: 1,
        first_seen_at: None,
        gone_at: None,
        settling_since: None,
        owned: false,
        source: String::new(),
    }
}

/// Returns version 1 of a spec.
pub(super) fn spec(spec: Value) -> cloud_provisioned::Model {
    cloud_provisioned::Model {
        id: Uuid::nil(),
        resource_id: Uuid::nil(),
        spec,
        spec_version: 1,
        source: "api".to_owned(),
        recorded_by: "operator".to_owned(),
        recorded_at: now(),
        retired_at: None,
        created_at: now(),
        not_compared: None,
        address: None,
    }
}
