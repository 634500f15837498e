//! Lists the resources of one kind, with their projects and autoscale pools.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{Kind, ListedFrom};
use super::owners::Unread;
use super::paging::ListError;
use super::run::{Run, TokenRefused};
use crate::domain::inventory::ListedResource;
use crate::provider::KindListing;
use crate::provider::checks::check_resource;

/// The result of listing a kind.
pub(super) struct KindResult {
    pub(super) listing: KindListing<Vec<ListedResource>>,
    /// Values that could not be read although the listing is complete, with the reason.
    pub(super) note: Option<String>,
    /// Unread fields that specs may set.
    pub(super) unread_fields: BTreeSet<&'static str>,
}

impl Run<'_> {
    /// Lists a kind. The only error is a rejected token; other failures are part of the result.
    pub(super) async fn list_kind(&self, kind: &Kind) -> Result<KindResult, TokenRefused> {
        let (listing, unread) = match self.list_with_owners(kind).await {
            Ok((listed, unread)) => (complete(listed), unread),
            Err(ListError::Unauthorized) => return Err(TokenRefused),
            Err(ListError::Forbidden(why) | ListError::Absent(why)) => {
                (KindListing::NotReadable(why), Unread::default())
            }
            Err(ListError::Incomplete(why)) => (KindListing::Incomplete(why), Unread::default()),
        };
        Ok(KindResult {
            listing,
            note: unread.note(),
            unread_fields: unread.fields,
        })
    }

    /// Lists all resources of a kind, with their projects and autoscale pools.
    async fn list_with_owners(&self, kind: &Kind) -> Result<(Vec<ListedResource>, Unread), ListError> {
        let mut listed = match &kind.from {
            ListedFrom::Lists(lists) | ListedFrom::Named(lists) => self.list_resources(lists).await,
            ListedFrom::Domains => self.records().await,
            ListedFrom::Databases => self.database_firewalls().await,
            ListedFrom::Clusters => self.node_pools().await,
        }?;
        let unread = self.set_owners(kind.name, &mut listed).await?;
        Ok((listed, unread))
    }
}

/// Returns a complete listing in which each id appears once, or an incomplete one if a resource cannot be stored.
fn complete(listed: Vec<ListedResource>) -> KindListing<Vec<ListedResource>> {
    for resource in &listed {
        if let Err(why) = check_resource(resource) {
            return KindListing::Incomplete(format!("{:?} cannot be stored: {why}", resource.provider_id));
        }
    }
    let distinct: BTreeMap<String, ListedResource> = listed
        .into_iter()
        .map(|resource| (resource.provider_id.clone(), resource))
        .collect();
    KindListing::Complete(distinct.into_values().collect())
}
