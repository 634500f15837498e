//! What a listing of a source says, in a form in which two listings can be compared.

use std::collections::BTreeMap;

use chrono::DateTime;
use drift_inbox::domain::inventory::ListedResource;
use drift_inbox::provider::{InventoryProvider, KindListing, Listing};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::json::{Meaning, has_zero, meaning};

/// The listed resources of a kind by id; None if the listing of the kind is not complete.
pub type Kinds = BTreeMap<String, Option<BTreeMap<String, Meaning>>>;

/// Returns the provider and the kinds of a listing. The same ids and kinds are checked that the services rely on.
pub fn kinds(listing: &Listing) -> (String, Kinds) {
    let kinds = listing.kinds.iter().map(|(kind, listed)| {
        let KindListing::Complete(resources) = listed else {
            return (kind.clone(), None);
        };
        // The name of a kind that is not complete is checked before anything is applied.
        assert!(!kind.trim().is_empty(), "a kind without a name");
        let all = resources.to_vec().expect("they can be read");
        assert_eq!(all.len(), resources.len());
        assert!(
            all.is_sorted_by(|a, b| a.provider_id < b.provider_id),
            "ids in order, and none of them twice"
        );
        (kind.clone(), Some(all.iter().map(resource).collect()))
    });
    let kinds: Kinds = kinds.collect();
    assert!(!listing.provider.trim().is_empty(), "a provider without a name");
    (listing.provider.clone(), kinds)
}

fn resource(listed: &ListedResource) -> (String, Meaning) {
    assert!(!listed.provider_id.trim().is_empty(), "an id");
    let value = json!({
        "urn": listed.urn, "name": listed.name, "region": listed.region, "sizeSlug": listed.size_slug,
        "status": listed.status, "tags": listed.tags, "ip": listed.ip, "vpcUuid": listed.vpc_uuid,
        "projectId": listed.project_id, "attrs": Value::Object(listed.attrs.clone()),
    });
    assert!(!has_zero(&value), "a database cannot store {value}");
    (listed.provider_id.clone(), meaning(&value))
}

/// Returns the listing of a source that does not wait for anything; None if it is refused. The reason has one line.
pub fn now(source: &dyn InventoryProvider) -> Option<Listing> {
    let listing = source.list(None, DateTime::UNIX_EPOCH).now_or_never();
    accepted(listing.expect("nothing to wait for"))
}

/// Returns a listing; None if it is refused.
pub fn accepted(listing: drift_inbox::error::Result<Listing>) -> Option<Listing> {
    match listing {
        Ok(listing) => Some(listing),
        Err(error) => {
            let is_expected = matches!(
                error,
                drift_inbox::error::Error::Upstream(_) | drift_inbox::error::Error::BadUserInput(_)
            );
            assert!(is_expected, "{error:?}");
            None
        }
    }
}
