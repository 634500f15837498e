//! The kinds of DigitalOcean's resources and what tells them apart: one row for each.
//!
//! Rules that depend on the kind are decided by these rows only. An inventory file that uses the names of these kinds
//! gets the same rows.

use serde_json::Value;

use crate::domain::changes::MemberNames;
use crate::domain::equality::is_unset;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::domain::traits::KindTraits;

/// The name of the provider DigitalOcean.
pub const DIGITALOCEAN: &str = "digitalocean";

/// The attribute of a resource that an autoscale pool created: the pool.
pub(in crate::provider) const AUTOSCALE_POOL_ID: &str = "autoscale_pool_id";

/// The name servers that every domain has from the beginning.
const GIVEN_NAME_SERVERS: [&str; 3] = [
    "ns1.digitalocean.com",
    "ns2.digitalocean.com",
    "ns3.digitalocean.com",
];

/// Keys that name a member of a list, besides those that do in any cloud: the domains of an app, and the rules of a
/// firewall and of a load balancer.
pub(crate) const MEMBER_NAMES: MemberNames = MemberNames {
    single: &["domain"],
    pairs: &[["protocol", "ports"], ["entry_protocol", "entry_port"]],
};

/// One kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What the rules of the domain need to know.
    pub rules: KindTraits,
    /// Whether its resources are in projects.
    pub(in crate::provider) projects: Projects,
    /// The types that its uniform names have, `do:TYPE:ID`, where a project lists them.
    pub(in crate::provider) urn_types: &'static [&'static str],
    /// Whether its ids are names that do not depend on case. They are stored in lower case.
    pub(in crate::provider) lower_case_ids: bool,
    /// Whether autoscale pools create its resources.
    pub(in crate::provider) in_pools: bool,
    /// Fields that a Terraform resource other than its own may declare.
    pub(in crate::provider) declared_elsewhere: &'static [&'static str],
}

/// Whether the resources of a kind are in projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Projects {
    /// No project lists them.
    Never,
    /// A project may list them. DigitalOcean's API reference, "Project Resources", has uniform names of such a kind,
    /// but does not say that each resource is in a project.
    Maybe,
    /// Each is in exactly one.
    Always,
}

/// A kind of which nothing special is known.
const fn plain(name: &'static str) -> Kind {
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

/// A kind whose resources are each in one project.
const fn in_project(name: &'static str, urn_types: &'static [&'static str]) -> Kind {
    Kind {
        projects: Projects::Always,
        urn_types,
        ..plain(name)
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

/// Every kind.
pub const KINDS: [Kind; 20] = [
    Kind {
        rules: KindTraits {
            is_owned: |droplet| is_of_kubernetes(droplet) || is_in_pool(droplet),
            // An image's slug moves on to newer images, and the droplet keeps the one that it was created from. The
            // pool creates the droplet and deletes it.
            volatile_fields: |_| &["image", AUTOSCALE_POOL_ID],
            ..KindTraits::PLAIN
        },
        in_pools: true,
        declared_elsewhere: &[PROJECT_ID, "volume_ids"],
        ..in_project("droplet", &["droplet"])
    },
    Kind {
        rules: owned_if(|volume| is_of_kubernetes(volume) || volume.name.starts_with("pvc-")),
        declared_elsewhere: &[PROJECT_ID, "droplet_ids"],
        ..in_project("volume", &["volume"])
    },
    Kind {
        rules: owned_if(is_of_kubernetes),
        ..in_project("load_balancer", &["loadbalancer"])
    },
    Kind {
        rules: volatile(database_version),
        ..in_project("database", &["dbaas"])
    },
    Kind {
        rules: KindTraits {
            // Every database has a firewall. Without rules, there is nothing to manage in it.
            is_owned: |firewall| firewall.attrs.get("rules").is_none_or(is_unset),
            ..never_settling()
        },
        ..plain("database_firewall")
    },
    Kind {
        rules: never_settling(),
        ..plain("firewall")
    },
    Kind {
        rules: owned_if(|vpc| flag(vpc, "default") || is_default_network(vpc)),
        projects: Projects::Maybe,
        urn_types: &["vpc"],
        ..plain("vpc")
    },
    Kind {
        rules: never_settling(),
        lower_case_ids: true,
        ..in_project("domain", &["domain"])
    },
    Kind {
        rules: KindTraits {
            is_owned: |record| text(record, "type") == "SOA" || is_given_name_server(record),
            ..never_settling()
        },
        ..plain("domain_record")
    },
    Kind {
        rules: volatile(cluster_version),
        ..in_project("kubernetes_cluster", &["kubernetes"])
    },
    plain("kubernetes_node_pool"),
    Kind {
        declared_elsewhere: &[PROJECT_ID, "droplet_id"],
        // A reserved address was called a floating one before.
        ..in_project("reserved_ip", &["reservedip", "floatingip"])
    },
    in_project("app", &["app"]),
    plain("certificate"),
    plain("cdn_endpoint"),
    Kind {
        rules: owned_if(|project| flag(project, "is_default")),
        ..plain("project")
    },
    Kind {
        rules: owned_if(is_backup),
        ..plain("snapshot")
    },
    Kind {
        rules: owned_if(is_backup),
        ..plain("image")
    },
    plain("registry"),
    plain("uptime_check"),
];

/// The row of a kind; a plain one for a kind that has none.
pub(in crate::provider) fn kind(name: &str) -> Kind {
    let row = KINDS.iter().find(|kind| kind.name == name);
    row.copied().unwrap_or(plain(""))
}

/// What the rules of the domain need to know about a kind of a provider.
pub fn rules(provider: &str, kind_name: &str) -> KindTraits {
    KindTraits {
        // Every resource that can be in a project is in one.
        unset_project_is_unread: provider == DIGITALOCEAN,
        ..kind(kind_name).rules
    }
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

/// Backups come and go by themselves: a new one replaces the oldest.
fn is_backup(listed: &ListedResource) -> bool {
    text(listed, "type") == "backup"
}

/// Each region has one, of this name.
fn is_default_network(listed: &ListedResource) -> bool {
    let region = listed.region.as_deref().filter(|region| !region.is_empty());
    region.is_some_and(|region| listed.name.strip_prefix("default-") == Some(region))
}

fn is_given_name_server(listed: &ListedResource) -> bool {
    let server = text(listed, "data").trim_end_matches('.');
    listed.name == "@" && text(listed, "type") == "NS" && GIVEN_NAME_SERVERS.contains(&server)
}

/// The provider upgrades a cluster with automatic upgrades.
fn cluster_version(attrs: &Value) -> &'static [&'static str] {
    match attrs.get("auto_upgrade") {
        Some(Value::Bool(true)) => &["version"],
        _ => &[],
    }
}

/// The provider upgrades caching engines.
fn database_version(attrs: &Value) -> &'static [&'static str] {
    match attrs.get("engine").and_then(Value::as_str) {
        Some("valkey" | "redis") => &["version"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
