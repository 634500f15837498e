//! The kinds of DigitalOcean's resources and their traits: one row per kind.
//!
//! All rules that depend on the kind are in these rows. They also apply to inventory files with the same kind names.

use serde_json::Value;

use crate::domain::changes::MemberNames;
use crate::domain::equality::is_unset;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::domain::severity::{GENERAL, SeverityRule, is_widened};
use crate::domain::traits::KindTraits;
use entity::cloud_drift::{DriftKind, Severity};

/// The name of the provider DigitalOcean.
pub const DIGITALOCEAN: &str = "digitalocean";

/// The attribute with the id of the autoscale pool that created a resource.
pub(in crate::provider) const AUTOSCALE_POOL_ID: &str = "autoscale_pool_id";

/// The name servers that DigitalOcean adds to every new domain.
const GIVEN_NAME_SERVERS: [&str; 3] = [
    "ns1.digitalocean.com",
    "ns2.digitalocean.com",
    "ns3.digitalocean.com",
];

/// Keys that identify a member of a list, in addition to the keys for any cloud: for the domains of an app, and the
/// rules of a firewall and of a load balancer.
pub(crate) const MEMBER_NAMES: MemberNames = MemberNames {
    single: &["domain"],
    pairs: &[["protocol", "ports"], ["entry_protocol", "entry_port"]],
};

/// The traits of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Name of the kind, such as `droplet`.
    pub name: &'static str,
    /// Traits that the domain rules use.
    pub rules: KindTraits,
    /// Whether resources of the kind are in projects.
    pub(in crate::provider) projects: Projects,
    /// Values of TYPE in the uniform names (`do:TYPE:ID`) that a project lists for this kind.
    pub(in crate::provider) urn_types: &'static [&'static str],
    /// Whether the ids are case-insensitive names. They are stored in lower case.
    pub(in crate::provider) lower_case_ids: bool,
    /// Whether autoscale pools create resources of the kind.
    pub(in crate::provider) in_pools: bool,
    /// Fields for which a Terraform resource of another type may have a declaration.
    pub(in crate::provider) declared_elsewhere: &'static [&'static str],
}

/// Whether the resources of a kind are in projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Projects {
    /// Projects do not list resources of the kind.
    Never,
    /// Projects may list resources of the kind. DigitalOcean's API reference, "Project Resources", has uniform names
    /// for the kind, but does not state that each resource is in a project.
    Maybe,
    /// Each resource is in exactly one project.
    Always,
}

/// Returns a row with the default traits.
const fn default_row(name: &'static str) -> Kind {
    Kind {
        name,
        rules: KindTraits::PLAIN,
        projects: Projects::Never,
        urn_types: &[],
        lower_case_ids: false,
        in_pools: false,
        declared_elsewhere: &[PROJECT_ID],
    }
}

/// Returns a row for a kind whose resources are each in exactly one project.
const fn in_project(name: &'static str, urn_types: &'static [&'static str]) -> Kind {
    Kind {
        projects: Projects::Always,
        urn_types,
        ..default_row(name)
    }
}

const fn never_settling() -> KindTraits {
    KindTraits {
        settles: false,
        ..KindTraits::PLAIN
    }
}

const fn owned_if(is_owned: fn(&ListedResource) -> bool) -> KindTraits {
    KindTraits {
        is_owned,
        ..KindTraits::PLAIN
    }
}

const fn volatile(volatile_fields: fn(&Value) -> &'static [&'static str]) -> KindTraits {
    KindTraits {
        volatile_fields,
        ..KindTraits::PLAIN
    }
}

/// The resource serves users or holds data.
const VITAL: SeverityRule = SeverityRule {
    name: "vital resource missing",
    description: "A resource that serves users or holds data no longer exists.",
    severity: Severity::Critical,
    applies: |rated| rated.kind == DriftKind::Missing,
};

const BACKUPS_OFF: SeverityRule = SeverityRule {
    name: "backups switched off",
    description: "Backups are expected and switched off.",
    severity: Severity::High,
    applies: |rated| rated.field == "backups" && !matches!(rated.actual, Value::Bool(true)),
};

/// Without trusted sources, a database accepts connections from every address. Source: DigitalOcean's documentation,
/// "How to Secure PostgreSQL Managed Database Clusters".
const SOURCES_REMOVED: SeverityRule = SeverityRule {
    name: "database open to every address",
    description: "The database has no trusted sources, so it accepts connections from every address.",
    severity: Severity::Critical,
    applies: |rated| rated.field == "rules" && is_unset(rated.actual),
};

const SOURCES_WIDENED: SeverityRule = SeverityRule {
    name: "trusted source added",
    description: "The database accepts connections from a source that is not expected.",
    severity: Severity::High,
    applies: |rated| rated.field == "rules" && is_widened(rated),
};

const UNPROTECTED: SeverityRule = SeverityRule {
    name: "firewall covers other droplets",
    description: "The droplets or tags that the firewall protects are not those that are expected.",
    severity: Severity::High,
    applies: |rated| matches!(rated.field, "droplet_ids" | "tags"),
};

const MAIN_RECORD: SeverityRule = SeverityRule {
    name: "record of the domain itself or of its mail",
    description: "The record has the name of the domain itself, or it is an MX record.",
    severity: Severity::High,
    applies: |rated| {
        let is = |field: &str, value: &str| (rated.live)(field).is_some_and(|live| live == value);
        matches!(rated.field, "data" | "type" | "name" | "priority" | "*")
            && (is("name", "@") || is("type", "MX"))
    },
};

/// Adds the rule that a missing resource of the kind is critical.
const fn vital(rules: KindTraits) -> KindTraits {
    KindTraits {
        severity_rules: &[VITAL],
        ..rules
    }
}

/// The rows of all kinds.
pub const KINDS: [Kind; 20] = [
    Kind {
        rules: KindTraits {
            is_owned: |droplet| is_of_kubernetes(droplet) || is_in_pool(droplet),
            // DigitalOcean moves an image's slug to newer images, but the droplet keeps the image that it was created
            // from. The autoscale pool is not chosen by an operator: the pool itself creates and deletes the droplet.
            volatile_fields: |_| &["image", AUTOSCALE_POOL_ID],
            severity_rules: &[VITAL, BACKUPS_OFF],
            ..KindTraits::PLAIN
        },
        in_pools: true,
        declared_elsewhere: &[PROJECT_ID, "volume_ids"],
        ..in_project("droplet", &["droplet"])
    },
    Kind {
        rules: vital(owned_if(|volume| {
            is_of_kubernetes(volume) || volume.name.starts_with("pvc-")
        })),
        declared_elsewhere: &[PROJECT_ID, "droplet_ids"],
        ..in_project("volume", &["volume"])
    },
    Kind {
        rules: vital(owned_if(is_of_kubernetes)),
        ..in_project("load_balancer", &["loadbalancer"])
    },
    Kind {
        rules: vital(volatile(database_version)),
        ..in_project("database", &["dbaas"])
    },
    Kind {
        rules: KindTraits {
            // Every database has a firewall. A firewall without rules needs no spec.
            is_owned: |firewall| firewall.attrs.get("rules").is_none_or(is_unset),
            severity_rules: &[SOURCES_REMOVED, SOURCES_WIDENED],
            ..never_settling()
        },
        ..default_row("database_firewall")
    },
    Kind {
        rules: KindTraits {
            severity_rules: &[VITAL, UNPROTECTED],
            ..never_settling()
        },
        ..default_row("firewall")
    },
    Kind {
        rules: owned_if(|vpc| flag(vpc, "default") || is_default_network(vpc)),
        projects: Projects::Maybe,
        urn_types: &["vpc"],
        ..default_row("vpc")
    },
    Kind {
        rules: vital(never_settling()),
        lower_case_ids: true,
        ..in_project("domain", &["domain"])
    },
    Kind {
        rules: KindTraits {
            is_owned: |record| text(record, "type") == "SOA" || is_given_name_server(record),
            severity_rules: &[MAIN_RECORD],
            ..never_settling()
        },
        ..default_row("domain_record")
    },
    Kind {
        rules: vital(volatile(cluster_version)),
        ..in_project("kubernetes_cluster", &["kubernetes"])
    },
    default_row("kubernetes_node_pool"),
    Kind {
        declared_elsewhere: &[PROJECT_ID, "droplet_id"],
        // Reserved IPs were called floating IPs before.
        ..in_project("reserved_ip", &["reservedip", "floatingip"])
    },
    Kind {
        rules: vital(KindTraits::PLAIN),
        ..in_project("app", &["app"])
    },
    default_row("certificate"),
    default_row("cdn_endpoint"),
    Kind {
        rules: owned_if(|project| flag(project, "is_default")),
        ..default_row("project")
    },
    Kind {
        rules: owned_if(is_backup),
        ..default_row("snapshot")
    },
    Kind {
        rules: owned_if(is_backup),
        ..default_row("image")
    },
    default_row("registry"),
    default_row("uptime_check"),
];

/// Returns the row of a kind, or default traits for an unknown kind.
pub(in crate::provider) fn kind(name: &str) -> Kind {
    let row = KINDS.iter().find(|kind| kind.name == name);
    row.copied().unwrap_or(default_row(""))
}

/// Returns the traits that the domain rules use for a kind of a provider.
pub fn rules(provider: &str, kind_name: &str) -> KindTraits {
    KindTraits {
        // On DigitalOcean, every resource that can be in a project is in one.
        unset_project_is_unread: provider == DIGITALOCEAN,
        ..kind(kind_name).rules
    }
}

/// Returns all rules for severities, the most severe first, each once.
pub fn severity_rules() -> Vec<SeverityRule> {
    let of_kinds = KINDS.iter().flat_map(|kind| kind.rules.severity_rules);
    let mut rules: Vec<SeverityRule> = Vec::new();
    for rule in GENERAL.iter().chain(of_kinds) {
        if rules.iter().all(|known| known.name != rule.name) {
            rules.push(*rule);
        }
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.severity));
    rules
}

fn flag(listed: &ListedResource, name: &str) -> bool {
    listed
        .attrs
        .get(name)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn text<'l>(listed: &'l ListedResource, name: &str) -> &'l str {
    listed.attrs.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_of_kubernetes(listed: &ListedResource) -> bool {
    let mut tags = listed.tags.iter().map(|tag| tag.to_ascii_lowercase());
    tags.any(|tag| tag == "k8s" || tag.starts_with("k8s:"))
}

fn is_in_pool(listed: &ListedResource) -> bool {
    listed
        .attrs
        .get(AUTOSCALE_POOL_ID)
        .is_some_and(|pool| !is_unset(pool))
}

/// Returns whether a snapshot or image is a backup. DigitalOcean creates backups and deletes the oldest.
fn is_backup(listed: &ListedResource) -> bool {
    text(listed, "type") == "backup"
}

/// Returns whether the VPC is the default network of its region: `default-REGION`.
fn is_default_network(listed: &ListedResource) -> bool {
    let region = listed.region.as_deref().filter(|region| !region.is_empty());
    region.is_some_and(|region| listed.name.strip_prefix("default-") == Some(region))
}

fn is_given_name_server(listed: &ListedResource) -> bool {
    let server = text(listed, "data").trim_end_matches('.');
    listed.name == "@" && text(listed, "type") == "NS" && GIVEN_NAME_SERVERS.contains(&server)
}

/// Returns `version` as volatile if DigitalOcean upgrades the cluster automatically.
fn cluster_version(attrs: &Value) -> &'static [&'static str] {
    match attrs.get("auto_upgrade") {
        Some(Value::Bool(true)) => &["version"],
        _ => &[],
    }
}

/// Returns `version` as volatile for Redis and Valkey, which DigitalOcean upgrades.
fn database_version(attrs: &Value) -> &'static [&'static str] {
    match attrs.get("engine").and_then(Value::as_str) {
        Some("valkey" | "redis") => &["version"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
