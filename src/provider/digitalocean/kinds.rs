//! The kinds of resources that are synced, and where they are.

use serde_json::Value;

use super::map::{self, Context};
use super::paging::Source;
use crate::domain::inventory::ListedResource;

/// One kind.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name here.
    pub(super) name: &'static str,
    /// Where it comes from.
    pub(super) from: From,
}

/// Where a kind comes from.
#[derive(Debug)]
pub(super) enum From {
    /// Lists of its own.
    Lists(Lists),
    /// Lists of its own; a single resource is found by name, because its id changes: certificates.
    Named(Lists),
    /// One list for each domain: DNS records.
    Domains,
    /// One list for each database cluster: its trusted sources.
    Databases,
    /// The clusters themselves: node pools.
    Clusters,
}

/// A kind with lists of its own.
#[derive(Debug)]
pub(super) struct Lists {
    /// All of them together are the kind.
    pub(super) sources: &'static [Source<'static>],
    /// Where the object is in the answer for a single one.
    pub(super) one: &'static str,
    /// Makes a resource of an object; None if it has no id.
    pub(super) map: fn(&Value, &Context) -> Option<ListedResource>,
}

const fn paged(path: &'static [&'static str], key: &'static str, id: &'static str) -> Source<'static> {
    Source {
        path,
        query: &[],
        key,
        id,
        paged: true,
    }
}

const fn filtered(
    source: Source<'static>,
    query: &'static [(&'static str, &'static str)],
) -> Source<'static> {
    Source { query, ..source }
}

const fn whole(path: &'static [&'static str], key: &'static str, id: &'static str) -> Source<'static> {
    Source {
        paged: false,
        ..paged(path, key, id)
    }
}

const DROPLETS: Source<'static> = paged(&["droplets"], "droplets", "id");
pub(super) const DOMAINS: Source<'static> = paged(&["domains"], "domains", "name");
pub(super) const DATABASES: Source<'static> = whole(&["databases"], "databases", "id");
pub(super) const CLUSTERS: Source<'static> = paged(&["kubernetes", "clusters"], "kubernetes_clusters", "id");
pub(super) const PROJECTS: Source<'static> = paged(&["projects"], "projects", "id");
pub(super) const CERTIFICATES: Source<'static> = paged(&["certificates"], "certificates", "id");

macro_rules! kind {
    ($name:literal, $one:literal, $map:path, $($source:expr),+) => {
        Kind {
            name: $name,
            from: From::Lists(Lists { sources: &[$($source),+], one: $one, map: $map }),
        }
    };
}

/// Every kind that is synced.
pub(super) const KINDS: &[Kind] = &[
    // DigitalOcean's API reference, "List All Droplets": those with a GPU are in a list of their own.
    kind!(
        "droplet",
        "droplet",
        map::compute::droplet,
        DROPLETS,
        filtered(DROPLETS, &[("type", "gpus")])
    ),
    kind!(
        "volume",
        "volume",
        map::compute::volume,
        paged(&["volumes"], "volumes", "id")
    ),
    kind!(
        "load_balancer",
        "load_balancer",
        map::network::load_balancer,
        paged(&["load_balancers"], "load_balancers", "id")
    ),
    kind!("database", "database", map::database::database, DATABASES),
    Kind {
        name: "database_firewall",
        from: From::Databases,
    },
    kind!(
        "firewall",
        "firewall",
        map::network::firewall,
        paged(&["firewalls"], "firewalls", "id")
    ),
    kind!("vpc", "vpc", map::network::vpc, paged(&["vpcs"], "vpcs", "id")),
    kind!("domain", "domain", map::dns::domain, DOMAINS),
    Kind {
        name: "domain_record",
        from: From::Domains,
    },
    kind!(
        "kubernetes_cluster",
        "kubernetes_cluster",
        map::kubernetes::cluster,
        CLUSTERS
    ),
    Kind {
        name: "kubernetes_node_pool",
        from: From::Clusters,
    },
    kind!(
        "reserved_ip",
        "reserved_ip",
        map::compute::reserved_ip,
        paged(&["reserved_ips"], "reserved_ips", "ip")
    ),
    // "List All Apps": the project is in the response only with this parameter.
    kind!(
        "app",
        "app",
        map::app::app,
        filtered(paged(&["apps"], "apps", "id"), &[("with_projects", "true")])
    ),
    Kind {
        name: "certificate",
        from: From::Named(Lists {
            sources: &[CERTIFICATES],
            one: "certificate",
            map: map::certificates::certificate,
        }),
    },
    kind!(
        "cdn_endpoint",
        "endpoint",
        map::certificates::cdn_endpoint,
        paged(&["cdn", "endpoints"], "endpoints", "id")
    ),
    kind!("project", "project", map::account::project, PROJECTS),
    kind!(
        "snapshot",
        "snapshot",
        map::compute::snapshot,
        paged(&["snapshots"], "snapshots", "id")
    ),
    // "List All Images": without the filter, DigitalOcean's own come too.
    kind!(
        "image",
        "image",
        map::compute::image,
        filtered(paged(&["images"], "images", "id"), &[("private", "true")])
    ),
    // "Container Registry": /v2/registry is for accounts with a single one.
    kind!(
        "registry",
        "registry",
        map::account::registry,
        whole(&["registries"], "registries", "name")
    ),
    kind!(
        "uptime_check",
        "check",
        map::account::uptime_check,
        paged(&["uptime", "checks"], "checks", "id")
    ),
];
