//! Is what a complete listing lacks gone? The provider is asked for each.

use std::collections::BTreeSet;

use serde_json::Map;

use super::{SyncOptions, check_mass_gone, stored, there};
use crate::db::Db;
use crate::domain::inventory::{ListedResource, StoredResource};
use crate::error::Result;
use crate::provider::{InventoryProvider, KindListing, Listing, Presence};

/// Asks the provider for every resource of these kinds that a complete listing lacks, and returns those that it says are
/// gone, by kind and id. One that is there joins the listing; one that cannot be asked for makes its kind
/// incomplete, and so does an error, so that the report of the run says where it was.
pub(super) async fn confirm_gone(
    db: &Db,
    provider: &dyn InventoryProvider,
    kinds: BTreeSet<String>,
    listing: &mut Listing,
    options: &SyncOptions,
) -> Result<BTreeSet<(String, String)>> {
    let mut confirmed = BTreeSet::new();
    for kind in kinds {
        let listed = match listing.kinds.get_mut(&kind) {
            Some(KindListing::Complete(listed)) => std::mem::take(listed),
            Some(_) => continue,
            None => Vec::new(),
        };
        match confirm_kind(db, provider, &listing.provider, &kind, listed, options).await {
            Ok((came_of_it, gone)) => {
                confirmed.extend(gone.into_iter().map(|id| (kind.clone(), id)));
                listing.kinds.insert(kind, came_of_it);
            }
            Err(error) => {
                let why = KindListing::Incomplete(error.public_message());
                listing.kinds.insert(kind, why);
                return Err(error);
            }
        }
    }
    Ok(confirmed)
}

async fn confirm_kind(
    db: &Db,
    provider: &dyn InventoryProvider,
    cloud: &str,
    kind: &str,
    mut listed: Vec<ListedResource>,
    options: &SyncOptions,
) -> Result<(KindListing, Vec<String>)> {
    let (stored, _) = stored(db.reader(), cloud, kind).await?;
    let here: BTreeSet<&str> = listed
        .iter()
        .map(|resource| resource.provider_id.as_str())
        .collect();
    let missing: Vec<&StoredResource> = stored
        .iter()
        .filter(|known| !known.gone && !here.contains(known.provider_id.as_str()))
        .collect();
    let was_there = missing.iter().filter(|known| known.seen).count();
    check_mass_gone(kind, was_there, there(&stored).count(), options)?;
    let (mut gone, none) = (Vec::new(), Map::new());
    for known in missing {
        let id = &known.provider_id;
        let last = known.row.as_ref().and_then(|row| row.attrs.as_object());
        match provider.confirm_gone(kind, id, last.unwrap_or(&none)).await? {
            Presence::Gone => gone.push(id.clone()),
            Presence::There(resource) => listed.push(*resource),
            // The kind cannot be complete any more; nobody has to wait for the others.
            Presence::Unknown(why) => return Ok((KindListing::Incomplete(why), Vec::new())),
        }
    }
    Ok((KindListing::Complete(listed), gone))
}
