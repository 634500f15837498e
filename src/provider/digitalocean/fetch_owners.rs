//! Finds the project of each resource and the autoscale pool of each droplet, where the lists of the kind lack them.
//!
//! This never changes which resources exist. A field that cannot be read keeps its last value, and the run has a note.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::kinds::PROJECTS;
use super::map::id_text;
use super::owners::{Owners, Unread};
use super::paging::{Source, Unlisted};
use super::run::Run;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::provider::traits::{self, AUTOSCALE_POOL_ID, Kind, Projects};

/// The list of autoscale pools, which create and delete droplets.
///
/// DigitalOcean's API reference, "Droplet Autoscale Pools": a pool has the number of its droplets, its list of members
/// has their ids, and a droplet does not have the id of its pool. Both lists need `droplet:read`, as droplets do.
const POOLS: Source<'static> = Source {
    path: &["droplets", "autoscale"],
    query: &[],
    key: "autoscale_pools",
    id: "id",
    paged: true,
};

/// The list of the resources of one owner, which is a project or a pool.
struct Owned {
    /// Path before the id of the owner.
    before: &'static [&'static str],
    /// Path after the id of the owner.
    after: &'static str,
    key: &'static str,
    /// Key of the id of the resource in an item.
    id: &'static str,
    /// Key of the time since which the owner has the resource.
    since: &'static str,
}

/// The resources of a project. The API reference, "Project Resources": items have uniform names.
const ASSIGNED: Owned = Owned {
    before: &["projects"],
    after: "resources",
    key: "resources",
    id: "urn",
    since: "assigned_at",
};

/// The droplets of a pool. The API reference, "List Members of an Autoscale Pool": items have ids of droplets.
const MEMBERS: Owned = Owned {
    before: &["droplets", "autoscale"],
    after: "members",
    key: "droplets",
    id: "droplet_id",
    since: "created_at",
};

/// Returns why a list could not be read. A rejected token is an error, because it ends the run.
fn reason(unlisted: Unlisted) -> Result<String, Unlisted> {
    match unlisted {
        Unlisted::Unauthorized => Err(Unlisted::Unauthorized),
        Unlisted::Forbidden(why) | Unlisted::Absent(why) | Unlisted::Incomplete(why) => Ok(why),
    }
}

/// Marks the fields that the response for a single resource lacks as unread.
pub(super) fn mark_unread(kind: &str, resource: &mut ListedResource) {
    let kind = traits::kind(kind);
    if kind.projects != Projects::Never && resource.project_id.is_none() {
        resource.unread_fields.insert(PROJECT_ID);
    }
    if kind.in_pools {
        resource.unread_fields.insert(AUTOSCALE_POOL_ID);
    }
}

impl Run<'_> {
    /// Sets the project and the pool of each resource. Returns the fields that could not be read.
    pub(super) async fn place(&self, kind: &str, listed: &mut [ListedResource]) -> Result<Unread, Unlisted> {
        let kind = traits::kind(kind);
        let mut unknown = Unread::default();
        if kind.projects != Projects::Never && listed.iter().any(|resource| resource.project_id.is_none()) {
            let projects = self.owners_of_projects.get_or_init(|| self.list_projects()).await;
            let projects = projects.as_ref().map_err(Clone::clone)?;
            for resource in listed.iter_mut().filter(|resource| resource.project_id.is_none()) {
                place_in_project(&kind, projects, resource);
            }
            if let Some(note) = note(PROJECT_ID, projects) {
                unknown.fields.insert(PROJECT_ID);
                unknown.notes.push(note);
            }
        }
        if kind.in_pools && !listed.is_empty() {
            let pools = self.list_pools().await?;
            for droplet in listed {
                place_in_pool(&pools, droplet);
            }
            // No spec sets the pool, which only decides whether a droplet is owned. So it is not an unread field.
            unknown.notes.extend(note(AUTOSCALE_POOL_ID, &pools));
        }
        Ok(unknown)
    }

    /// Lists the resources of each project. A single project needs no list, because it contains every resource.
    async fn list_projects(&self) -> Result<Owners, Unlisted> {
        match self.owner_ids(&PROJECTS).await? {
            Ok(ids) => match ids.as_slice() {
                [only] => Ok(Owners {
                    of_all: Some(only.clone()),
                    ..Owners::default()
                }),
                _ => self.owners(ids, &ASSIGNED).await,
            },
            Err(why) => Ok(Owners::doubted(why)),
        }
    }

    async fn list_pools(&self) -> Result<Owners, Unlisted> {
        match self.owner_ids(&POOLS).await? {
            Ok(ids) => self.owners(ids, &MEMBERS).await,
            Err(why) => Ok(Owners::doubted(why)),
        }
    }

    async fn owner_ids(&self, source: &Source<'_>) -> Result<Result<Vec<String>, String>, Unlisted> {
        match self.items(source).await {
            Ok(items) => Ok(Ok(items.iter().filter_map(|item| id_text(&item["id"])).collect())),
            Err(why) => reason(why).map(Err),
        }
    }

    /// Reads the list of each owner. A list that cannot be read does not affect the others.
    async fn owners(&self, ids: Vec<String>, owned: &Owned) -> Result<Owners, Unlisted> {
        let mut lists = stream::iter(ids)
            .map(|owner| async move {
                let path = [owned.before, &[owner.as_str(), owned.after]].concat();
                let source = Source {
                    path: &path,
                    query: &[],
                    key: owned.key,
                    id: owned.id,
                    paged: true,
                };
                let listed = self.items(&source).await;
                (owner, listed)
            })
            .buffered(self.client.limits.in_flight);
        let (mut newest, mut doubts) = (BTreeMap::new(), Vec::new());
        while let Some((owner, listed)) = lists.next().await {
            match listed {
                Ok(items) => {
                    for item in items {
                        let Some(id) = id_text(&item[owned.id]) else {
                            continue;
                        };
                        let since = item[owned.since].as_str().unwrap_or_default().to_owned();
                        // A resource that moved during the reads can be in two lists. The later time wins.
                        let known = newest.entry(uniform(&id)).or_default();
                        *known = (since, owner.clone()).max(std::mem::take(known));
                    }
                }
                Err(why) => doubts.push(reason(why)?),
            }
        }
        Ok(Owners {
            of: newest.into_iter().map(|(id, (_, owner))| (id, owner)).collect(),
            of_all: None,
            doubt: summed_up(doubts),
        })
    }
}

fn place_in_project(kind: &Kind, projects: &Owners, resource: &mut ListedResource) {
    let of_all = projects
        .of_all
        .as_ref()
        .filter(|_| kind.projects == Projects::Always);
    match projects.of.get(&uniform(&resource.urn)).or(of_all) {
        Some(project) => resource.project_id = Some(project.clone()),
        // A resource leaves a project only for another project. If no list has it, it moved during the reads.
        None => _ = resource.unread_fields.insert(PROJECT_ID),
    }
}

fn place_in_pool(pools: &Owners, droplet: &mut ListedResource) {
    match pools.of.get(&droplet.provider_id) {
        Some(pool) => {
            let pool = pool.clone().into();
            droplet.attrs.insert(AUTOSCALE_POOL_ID.to_owned(), pool);
        }
        None if pools.doubt.is_some() => _ = droplet.unread_fields.insert(AUTOSCALE_POOL_ID),
        None => {}
    }
}

fn note(field: &str, owners: &Owners) -> Option<String> {
    let why = owners.doubt.as_ref()?;
    Some(format!("{field} keeps its last known value: {why}"))
}

fn summed_up(doubts: Vec<String>) -> Option<String> {
    let more = doubts.len().saturating_sub(1);
    let first = doubts.into_iter().next()?;
    Some(match more {
        0 => first,
        more => format!("{first}; and {more} more"),
    })
}

/// Returns a uniform name in lower case and with the current type. Reserved IPs were called floating IPs before.
fn uniform(name: &str) -> String {
    let name = name.to_lowercase();
    match name.strip_prefix("do:floatingip:") {
        Some(address) => format!("do:reservedip:{address}"),
        None => name,
    }
}
