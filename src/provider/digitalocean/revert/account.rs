//! VPCs, apps, certificates, CDN endpoints, projects, registries and uptime checks.

use serde_json::{Map, Value, json};

use super::calls::{
    self, PROJECT as IN_PROJECT, call, derived, doctl, fixed, list, number, one, plain, switch, text,
};
use super::load_balancers::Certificates;
use super::{Change, Fields, Rule, cannot, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Call, Effect, Method, Obstacle, Outcome};
use crate::provider::normalize;

/// The fields of a VPC.
pub(super) const VPC: Fields = &[
    ("name", Rule::By(update_vpc)),
    ("region", fixed("A VPC stays in its region.")),
    (
        "ip",
        fixed("The range of addresses is chosen when a VPC is created."),
    ),
    ("status", derived("VPCs have no status.")),
    ("project_id", IN_PROJECT),
    ("description", Rule::By(update_vpc)),
    (
        "ip_range",
        fixed("The range of addresses is chosen when a VPC is created."),
    ),
    ("default", Rule::By(make_default)),
];

fn patch_vpc(change: &Change<'_>, value: Value, flags: &[(&str, String)]) -> Call {
    let id = change.target.id();
    call(Method::Patch, &["vpcs", id], Some(property(change, value)))
        .doctl(doctl("vpcs update", &[id], flags))
        .note("Properties that the body lacks stay as they are.")
        .source("DigitalOcean's API reference, \"VPCs\": Partially Update a VPC")
}

/// Returns a body that names only the field.
fn property(change: &Change<'_>, value: Value) -> Value {
    let mut body = Map::new();
    body.insert(change.field.to_owned(), value);
    Value::Object(body)
}

/// Returns the expected text, which may be empty for a description.
fn described(change: &Change<'_>) -> Result<String, Outcome> {
    match change.field == "description" && is_unset(change.expected) {
        true => Ok(String::new()),
        false => text(change),
    }
}

fn update_vpc(change: &Change<'_>) -> Outcome {
    one(described(change).map(|value| {
        // doctl sends the name always.
        let name = plain(&change.target.value("name"));
        let mut flags = vec![("name", name)];
        if change.field == "description" {
            flags.push(("description", value.clone()));
        }
        patch_vpc(change, value.into(), &flags)
    }))
}

fn make_default(change: &Change<'_>) -> Outcome {
    one(switch(change).and_then(|on| match on {
        true => {
            let name = plain(&change.target.value("name"));
            Ok(patch_vpc(change, json!(true), &[("name", name), ("default", "true".to_owned())])
                .note("New resources of the region are placed into this VPC from now on. The default before loses the flag."))
        }
        false => Err(calls::one_way(
            "A default VPC loses the flag only when another VPC of the region gets it.",
        )),
    }))
}

/// The fields of an app.
pub(super) const APP: Fields = &[
    ("name", Rule::Not(Obstacle::Secret, APP_SPEC)),
    ("region", fixed("The region is chosen when an app is created.")),
    ("status", derived("The status is that of the active deployment.")),
    ("project_id", IN_PROJECT),
    ("spec", Rule::Not(Obstacle::Secret, APP_SPEC)),
];

const APP_SPEC: &str = "The call replaces the whole app spec, and the values of its environment variables and other secrets are \
                        not stored here. Save the spec with doctl apps spec get, edit it, and send it with doctl apps update.";

/// The fields of a certificate.
pub(super) const CERTIFICATE: Fields = &[
    ("name", fixed(CERTIFICATES_STAY)),
    ("status", derived("DigitalOcean sets the status.")),
    ("type", fixed(CERTIFICATES_STAY)),
    ("dns_names", fixed(CERTIFICATES_STAY)),
];

const CERTIFICATES_STAY: &str = "A certificate cannot be changed. Create a new one, select it where this one is used, and delete this one.";

/// The fields of a CDN endpoint.
pub(super) const CDN_ENDPOINT: Fields = &[
    ("name", fixed("The origin is chosen when an endpoint is created.")),
    ("status", derived("Endpoints have no status.")),
    (
        "origin",
        fixed("The origin is chosen when an endpoint is created."),
    ),
    ("endpoint", derived("DigitalOcean assigns the address.")),
    ("ttl", Rule::By(cdn_ttl)),
    ("custom_domain", Rule::By(cdn_domain)),
    ("certificate_name", Rule::By(cdn_domain)),
];

const CDN: &str = "DigitalOcean's API reference, \"CDN Endpoints\": Update a CDN Endpoint";

fn cdn_ttl(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    one(number(change).map(|ttl| {
        call(
            Method::Put,
            &["cdn", "endpoints", id],
            Some(json!({ "ttl": ttl })),
        )
        .doctl(doctl("compute cdn update", &[id], &[("ttl", ttl.to_string())]))
        .note("Permitted are 60, 600, 3600, 86400 and 604800 seconds. Objects in the cache keep their time.")
        .source(CDN)
    }))
}

/// The domain and its certificate are changed together.
fn cdn_domain(change: &Change<'_>) -> Outcome {
    let domain = plain(&change.target.value("custom_domain"));
    let certificate = change.target.value("certificate_name");
    let mut body = Map::new();
    body.insert("custom_domain".to_owned(), domain.clone().into());
    let mut certificates = Certificates::default();
    if is_unset(&certificate) {
        body.insert("certificate_id".to_owned(), "".into());
    } else {
        body.insert("certificate_name".to_owned(), certificate);
        certificates.fill_entry(&mut body);
    }
    let mut all = certificates.calls;
    all.push(
        call(
            Method::Put,
            &["cdn", "endpoints", change.target.id()],
            Some(Value::Object(body)),
        )
        .placeholders(certificates.placeholders)
        .note("The endpoint answers for the custom domain only with a certificate for it. The domain needs a CNAME record.")
        .source(CDN),
    );
    Outcome::Calls(all)
}

/// The fields of a project.
pub(super) const PROJECT: Fields = &[
    ("name", Rule::By(update_project)),
    ("status", derived("Projects have no status.")),
    ("description", Rule::By(update_project)),
    ("environment", Rule::By(update_project)),
    ("purpose", Rule::By(update_project)),
    ("is_default", Rule::By(default_project)),
];

fn patch_project(change: &Change<'_>, value: Value, flag: &str) -> Call {
    let id = change.target.id();
    let command = doctl("projects update", &[id], &[(flag, plain(&value))]);
    call(Method::Patch, &["projects", id], Some(property(change, value)))
        .doctl(command)
        .note("Properties that the body lacks stay as they are.")
        .source("DigitalOcean's API reference, \"Projects\": Patch a Project")
}

fn update_project(change: &Change<'_>) -> Outcome {
    one(described(change).map(|value| {
        let value = match change.field {
            "environment" => normalize::capitalised(&value),
            _ => value,
        };
        patch_project(change, value.into(), change.field)
    }))
}

fn default_project(change: &Change<'_>) -> Outcome {
    one(switch(change).and_then(|on| match on {
        true => Ok(patch_project(change, json!(true), "is_default").note(
            "New resources are placed into this project from now on. The default before loses the flag.",
        )),
        false => Err(calls::one_way(
            "A default project loses the flag only when another project gets it.",
        )),
    }))
}

/// The fields of a container registry.
pub(super) const REGISTRY: Fields = &[
    ("name", fixed("A registry is identified by its name.")),
    ("region", fixed("A registry stays in its region.")),
    ("status", derived("Registries have no status.")),
    ("subscription_tier_slug", Rule::By(subscribe)),
];

fn subscribe(change: &Change<'_>) -> Outcome {
    one(text(change).map(|tier| {
        call(
            Method::Post,
            &["registries", "subscription"],
            Some(json!({ "tier_slug": tier })),
        )
        .effect(Effect::None)
        .note(
            "The subscription is that of the whole account, and billed. DigitalOcean refuses a tier that is too small for \
             what the registries contain.",
        )
        .source("DigitalOcean's API reference, \"Container Registries\": Update Subscription Tier")
    }))
}

/// The fields of an uptime check.
pub(super) const UPTIME_CHECK: Fields = &[
    ("name", Rule::By(update_check)),
    ("status", derived("The status is a result of the check.")),
    ("type", Rule::By(update_check)),
    ("target", Rule::By(update_check)),
    ("regions", Rule::By(update_check)),
    ("enabled", Rule::By(update_check)),
];

fn update_check(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    let value = match change.field {
        "regions" => match change.expected {
            Value::Array(regions) if !regions.is_empty() => Ok(Value::Array(regions.clone())),
            _ => Err(invalid(change, "a list of regions")),
        },
        "enabled" => switch(change).map(Value::Bool),
        _ => text(change).map(Value::String),
    };
    let value = match value {
        Ok(value) => value,
        Err(outcome) => return outcome,
    };
    if change.field == "target" && value.as_str() != Some(normalize::without_user(&plain(&value)).as_str()) {
        return cannot(
            Obstacle::Secret,
            "The user and the password of the address are not stored here.",
        );
    }
    let flag = match &value {
        Value::Array(regions) => list(regions),
        other => plain(other),
    };
    Outcome::Calls(vec![
        call(
            Method::Put,
            &["uptime", "checks", id],
            Some(property(change, value)),
        )
        .doctl(doctl("monitoring uptime update", &[id], &[(change.field, flag)]))
        .note("Properties that the body lacks stay as they are.")
        .source("DigitalOcean's API reference, \"Uptime\": Update a Check"),
    ])
}
