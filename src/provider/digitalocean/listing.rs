//! Lists one kind: its resources, with what they belong to.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{From, Kind};
use super::owners::Unread;
use super::paging::Unlisted;
use super::run::{Run, TokenRefused};
use crate::domain::inventory::ListedResource;
use crate::provider::KindListing;
use crate::provider::checks::check_resource;

/// The result of listing a kind.
pub(super) struct KindResult {
    pub(super) listing: KindListing<Vec<ListedResource>>,
    /// What is not known of it all the same, and why.
    pub(super) note: Option<String>,
    /// Fields that specs may set and that could not be read.
    pub(super) unread_fields: BTreeSet<&'static str>,
}

impl Run<'_> {
    /// Lists a kind.
    pub(super) async fn list_kind(&self, kind: &Kind) -> Result<KindResult, TokenRefused> {
        let (listing, unread) = match self.placed(kind).await {
            Ok((listed, unread)) => (complete(listed), unread),
            Err(Unlisted::Unauthorized) => return Err(TokenRefused),
            Err(Unlisted::Forbidden(why) | Unlisted::Absent(why)) => {
                (KindListing::NotReadable(why), Unread::default())
            }
            Err(Unlisted::Incomplete(why)) => (KindListing::Incomplete(why), Unread::default()),
        };
        Ok(KindResult {
            listing,
            note: unread.note(),
            unread_fields: unread.fields,
        })
    }

    /// Lists all resources of a kind, with what they belong to.
    async fn placed(&self, kind: &Kind) -> Result<(Vec<ListedResource>, Unread), Unlisted> {
        let mut listed = match &kind.from {
            From::Lists(lists) | From::Named(lists) => self.of_lists(lists).await,
            From::Domains => self.records().await,
            From::Databases => self.database_firewalls().await,
            From::Clusters => self.node_pools().await,
        }?;
        let unread = self.place(kind.name, &mut listed).await?;
        Ok((listed, unread))
    }
}

/// Returns a complete kind in which each resource appears once, unless one of them cannot be stored.
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
