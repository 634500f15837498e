//! Finds the project of each resource and the autoscale pool of each droplet, where the lists of the kind lack them.
//!
//! This never changes which resources exist. A field that cannot be read keeps its last value, and the run has a note.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::kinds::PROJECTS;
use super::map::id_text;
use super::owners::{Owners, Unread};
use super::paging::{ApiList, ListError};
use super::run::Run;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::provider::traits::{self, AUTOSCALE_POOL_ID, Kind, Projects};

/// The list of autoscale pools, which create and delete droplets.
///
/// DigitalOcean's API reference, "Droplet Autoscale Pools": a pool has the number of its droplets, its list of members
/// has their ids, and a droplet does not have the id of its pool. Both lists need `droplet:read`, as droplets do.
const POOLS: ApiList<'static> = ApiList {
    path: &["droplets", "autoscale"],
    query: &[],
    key: "autoscale_pools",
    id: "id",
    paged: true,
};

/// The list of the resources of one owner, which is a project or a pool.
struct OwnerList {
    /// Path before the id of the owner.
    path_before: &'static [&'static str],
    /// Path after the id of the owner.
    path_after: &'static str,
    items_key: &'static str,
    /// Key of the id of the resource in an item.
    id_key: &'static str,
    /// Key of the time since which the owner has the resource.
    since_key: &'static str,
}

/// The resources of a project. The API reference, "Project Resources": items have uniform names.
const ASSIGNED: OwnerList = OwnerList {
    path_before: &["projects"],
    path_after: "resources",
    items_key: "resources",
    id_key: "urn",
    since_key: "assigned_at",
};

/// The droplets of a pool. The API reference, "List Members of an Autoscale Pool": items have ids of droplets.
const MEMBERS: OwnerList = OwnerList {
    path_before: &["droplets", "autoscale"],
    path_after: "members",
    items_key: "droplets",
    id_key: "droplet_id",
    since_key: "created_at",
};

/// Returns why a list could not be read. A rejected token is an error, because it ends the run.
fn reason(error: ListError) -> Result<String, ListError> {
    match error {
        ListError::Unauthorized => Err(ListError::Unauthorized),
        ListError::Forbidden(why) | ListError::Absent(why) | ListError::Incomplete(why) => Ok(why),
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
    pub(super) async fn set_owners(
        &self,
        kind: &str,
        listed: &mut [ListedResource],
    ) -> Result<Unread, ListError> {
        let kind = traits::kind(kind);
        let mut unknown = Unread::default();
        if kind.projects != Projects::Never && listed.iter().any(|resource| resource.project_id.is_none()) {
            let projects = self.owners_of_projects.get_or_init(|| self.list_projects()).await;
            let projects = projects.as_ref().map_err(Clone::clone)?;
            for resource in listed.iter_mut().filter(|resource| resource.project_id.is_none()) {
                set_project(&kind, projects, resource);
            }
            if let Some(note) = note(PROJECT_ID, projects) {
                unknown.fields.insert(PROJECT_ID);
                unknown.notes.push(note);
            }
        }
        if kind.in_pools && !listed.is_empty() {
            let pools = self.list_pools().await?;
            for droplet in listed {
                set_pool(&pools, droplet);
            }
            // An unknown pool is only noted and does not count as an unread field, because no spec contains the pool.
            // It only decides whether a droplet is owned.
            unknown.notes.extend(note(AUTOSCALE_POOL_ID, &pools));
        }
        Ok(unknown)
    }

    /// Lists the resources of each project. A single project needs no list, because it contains every resource.
    async fn list_projects(&self) -> Result<Owners, ListError> {
        match self.owner_ids(&PROJECTS).await? {
            Ok(ids) => match ids.as_slice() {
                [only] => Ok(Owners {
                    of_all: Some(only.clone()),
                    ..Owners::default()
                }),
                _ => self.owners(ids, &ASSIGNED).await,
            },
            Err(why) => Ok(Owners::failed(why)),
        }
    }

    async fn list_pools(&self) -> Result<Owners, ListError> {
        match self.owner_ids(&POOLS).await? {
            Ok(ids) => self.owners(ids, &MEMBERS).await,
            Err(why) => Ok(Owners::failed(why)),
        }
    }

    async fn owner_ids(&self, api_list: &ApiList<'_>) -> Result<Result<Vec<String>, String>, ListError> {
        match self.items(api_list).await {
            Ok(items) => Ok(Ok(items.iter().filter_map(|item| id_text(&item["id"])).collect())),
            Err(why) => reason(why).map(Err),
        }
    }

    /// Reads the list of each owner. A list that cannot be read does not affect the others.
    async fn owners(&self, ids: Vec<String>, list: &OwnerList) -> Result<Owners, ListError> {
        let mut lists = stream::iter(ids)
            .map(|owner| async move {
                let path = [list.path_before, &[owner.as_str(), list.path_after]].concat();
                let api_list = ApiList {
                    path: &path,
                    query: &[],
                    key: list.items_key,
                    id: list.id_key,
                    paged: true,
                };
                let listed = self.items(&api_list).await;
                (owner, listed)
            })
            .buffered(self.client.limits.in_flight);
        let (mut newest, mut failures) = (BTreeMap::new(), Vec::new());
        while let Some((owner, listed)) = lists.next().await {
            match listed {
                Ok(items) => {
                    for item in items {
                        let Some(id) = id_text(&item[list.id_key]) else {
                            continue;
                        };
                        let since = item[list.since_key].as_str().unwrap_or_default().to_owned();
                        // A resource that moved while the lists were read can be in two of them. The later
                        // assignment is used.
                        let known = newest.entry(uniform(&id)).or_default();
                        *known = (since, owner.clone()).max(std::mem::take(known));
                    }
                }
                Err(why) => failures.push(reason(why)?),
            }
        }
        Ok(Owners {
            of: newest.into_iter().map(|(id, (_, owner))| (id, owner)).collect(),
            of_all: None,
            failure: summary(failures),
        })
    }
}

fn set_project(kind: &Kind, projects: &Owners, resource: &mut ListedResource) {
    let of_all = projects
        .of_all
        .as_ref()
        .filter(|_| kind.projects == Projects::Always);
    match projects.of.get(&uniform(&resource.urn)).or(of_all) {
        Some(project) => resource.project_id = Some(project.clone()),
        // A resource can only move from one project to another. If no list contains it, it moved while the lists were
        // read.
        None => _ = resource.unread_fields.insert(PROJECT_ID),
    }
}

fn set_pool(pools: &Owners, droplet: &mut ListedResource) {
    match pools.of.get(&droplet.provider_id) {
        Some(pool) => {
            let pool = pool.clone().into();
            droplet.attrs.insert(AUTOSCALE_POOL_ID.to_owned(), pool);
        }
        None if pools.failure.is_some() => _ = droplet.unread_fields.insert(AUTOSCALE_POOL_ID),
        None => {}
    }
}

fn note(field: &str, owners: &Owners) -> Option<String> {
    let why = owners.failure.as_ref()?;
    Some(format!("{field} keeps its last known value: {why}"))
}

fn summary(failures: Vec<String>) -> Option<String> {
    let more = failures.len().saturating_sub(1);
    let first = failures.into_iter().next()?;
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
