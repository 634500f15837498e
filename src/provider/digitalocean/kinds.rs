//! The kinds that are synced, and the lists of the API that contain them.

use serde_json::Value;

use super::map::{self, Context};
use super::paging::ApiList;
use crate::domain::inventory::ListedResource;

/// How one kind is listed.
#[derive(Debug)]
pub(super) struct Kind {
    /// Name of the kind, such as `droplet`.
    pub(super) name: &'static str,
    /// Lists that contain the resources.
    pub(super) from: ListedFrom,
}

/// The lists that contain the resources of a kind.
#[derive(Debug)]
pub(super) enum ListedFrom {
    /// Lists of the kind itself.
    Lists(Lists),
    /// Lists of the kind itself. A single resource is found by name, because its id changes: certificates.
    Named(Lists),
    /// One list per domain: DNS records.
    Domains,
    /// One list per database cluster: trusted sources.
    Databases,
    /// The list of Kubernetes clusters: node pools.
    Clusters,
}

/// The lists of a kind, and the mapping of their items.
#[derive(Debug)]
pub(super) struct Lists {
    /// Lists that together contain all resources of the kind.
    pub(super) api_lists: &'static [ApiList<'static>],
    /// Key of the object in the response for a single resource.
    pub(super) object_key: &'static str,
    /// Maps an object of the API to a resource. Returns None if the object has no id.
    pub(super) map: fn(&Value, &Context) -> Option<ListedResource>,
}

const fn paged(path: &'static [&'static str], key: &'static str, id: &'static str) -> ApiList<'static> {
    ApiList {
        path,
        query: &[],
        key,
        id,
        paged: true,
    }
}

const fn filtered(
    api_list: ApiList<'static>,
    query: &'static [(&'static str, &'static str)],
) -> ApiList<'static> {
    ApiList { query, ..api_list }
}

const fn whole(path: &'static [&'static str], key: &'static str, id: &'static str) -> ApiList<'static> {
    ApiList {
        paged: false,
        ..paged(path, key, id)
    }
}

const DROPLETS: ApiList<'static> = paged(&["droplets"], "droplets", "id");
pub(super) const DOMAINS: ApiList<'static> = paged(&["domains"], "domains", "name");
pub(super) const DATABASES: ApiList<'static> = whole(&["databases"], "databases", "id");
pub(super) const CLUSTERS: ApiList<'static> = paged(&["kubernetes", "clusters"], "kubernetes_clusters", "id");
pub(super) const PROJECTS: ApiList<'static> = paged(&["projects"], "projects", "id");
pub(super) const CERTIFICATES: ApiList<'static> = paged(&["certificates"], "certificates", "id");

macro_rules! kind {
    ($name:literal, $object_key:literal, $map:path, $($api_list:expr),+) => {
        Kind {
            name: $name,
            from: ListedFrom::Lists(Lists { api_lists: &[$($api_list),+], object_key: $object_key, map: $map }),
        }
    };
}

/// All kinds that are synced.
pub(super) const KINDS: &[Kind] = &[
    // DigitalOcean's API reference, "List All Droplets": droplets with a GPU are in a separate list.
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
        from: ListedFrom::Databases,
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
        from: ListedFrom::Domains,
    },
    kind!(
        "kubernetes_cluster",
        "kubernetes_cluster",
        map::kubernetes::cluster,
        CLUSTERS
    ),
    Kind {
        name: "kubernetes_node_pool",
        from: ListedFrom::Clusters,
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
        from: ListedFrom::Named(Lists {
            api_lists: &[CERTIFICATES],
            object_key: "certificate",
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
    // "List All Images": without the filter, the list contains DigitalOcean's own images too.
    kind!(
        "image",
        "image",
        map::compute::image,
        filtered(paged(&["images"], "images", "id"), &[("private", "true")])
    ),
    // "Container Registry": `/v2/registry` is for accounts with a single registry.
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
