//! Decides how a complete listing of one kind changes the inventory.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::equality::loosely_equal;
pub use super::listed::{ListedResource, PROJECT_ID};
use super::traits::KindTraits;

/// Entry in a list of changed fields that means the whole row, because the stored row does not decode.
pub(crate) const WHOLE_ROW: &str = "*";

/// A stored resource of the listed kind.
#[derive(Clone, Debug)]
pub(crate) struct StoredResource {
    /// Id in the database.
    pub id: Uuid,
    /// The provider's id.
    pub provider_id: String,
    /// Whether the resource is gone.
    pub gone: bool,
    /// Whether a listing has contained the resource.
    pub seen: bool,
    /// Name of the source that lists it; empty if no source has claimed it.
    pub source: String,
    /// The whole row. None if it does not decode; the listing then overwrites it.
    pub row: Option<cloud_resources::Model>,
}

/// Whether a source may write a stored resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The source lists the resource.
    Own,
    /// No source lists the resource. A source that lists it claims it.
    Unclaimed,
    /// Another source lists the resource. No other source may change it.
    Foreign,
}

/// Returns whether the source `name` may write a stored resource that `owner` lists. A resource that is gone or was never
/// listed belongs to no source.
pub(crate) fn ownership(owner: &str, is_listed: bool, name: &str) -> Ownership {
    match owner {
        "" => Ownership::Unclaimed,
        _ if !is_listed => Ownership::Unclaimed,
        _ if owner == name => Ownership::Own,
        _ => Ownership::Foreign,
    }
}

/// One change of the inventory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InventoryChange {
    /// Inserts a resource that is not stored.
    Insert(ListedResource),
    /// Updates a stored resource that is listed for the first time, or again after it was gone.
    Discover(Uuid, ListedResource),
    /// Updates a stored resource whose values changed.
    Update {
        /// Id of the row.
        id: Uuid,
        /// New values.
        listed: ListedResource,
        /// Changed fields: columns by name, attributes as `attrs.NAME`, `settling`, or [`WHOLE_ROW`].
        fields: Vec<String>,
    },
    /// Marks a stored resource as gone.
    Gone(Uuid),
}

impl InventoryChange {
    /// The row that changes, if there is one.
    pub(crate) fn row(&self) -> Option<Uuid> {
        match self {
            Self::Insert(_) => None,
            Self::Discover(id, _) | Self::Update { id, .. } | Self::Gone(id) => Some(*id),
        }
    }
}

/// Returns the changes that a complete listing of one kind makes. The ids in `listed` must be distinct.
pub(crate) fn plan_kind<'l>(
    stored: &[StoredResource],
    listed: impl IntoIterator<Item = &'l ListedResource>,
    traits: &KindTraits,
) -> Vec<InventoryChange> {
    let mut listed: BTreeMap<&str, &ListedResource> = listed
        .into_iter()
        .map(|resource| (resource.provider_id.as_str(), resource))
        .collect();
    let mut changes: Vec<InventoryChange> = stored
        .iter()
        .filter_map(|known| match listed.remove(known.provider_id.as_str()) {
            Some(now) => change_of(known, now, traits),
            None if known.gone => None,
            None => Some(InventoryChange::Gone(known.id)),
        })
        .collect();
    let new = listed.into_values().map(|new| new.clone().completed(None));
    changes.extend(new.map(InventoryChange::Insert));
    changes
}

fn change_of(known: &StoredResource, now: &ListedResource, traits: &KindTraits) -> Option<InventoryChange> {
    let StoredResource { id, row, .. } = known;
    let id = *id;
    let whole = || now.clone().completed(row.as_ref());
    if known.gone || !known.seen {
        return Some(InventoryChange::Discover(id, whole()));
    }
    let fields = match row {
        // Most rows are unchanged. Only unread fields need a copy of the listed resource with the stored values.
        Some(row) if now.unread_fields.is_empty() => changed_fields(row, now, traits),
        Some(row) => changed_fields(row, &whole(), traits),
        None => vec![WHOLE_ROW.to_owned()],
    };
    (!fields.is_empty()).then(|| InventoryChange::Update {
        id,
        listed: whole(),
        fields,
    })
}

/// Returns the names of the fields that differ. The comparison is loose: a list in another order, or a number that
/// the database stores in another notation, causes no write.
pub(super) fn changed_fields(
    row: &cloud_resources::Model,
    now: &ListedResource,
    traits: &KindTraits,
) -> Vec<String> {
    let texts = [
        ("urn", Some(&row.urn), Some(&now.urn)),
        ("name", Some(&row.name), Some(&now.name)),
        ("region", row.region.as_ref(), now.region.as_ref()),
        ("size_slug", row.size_slug.as_ref(), now.size_slug.as_ref()),
        ("status", row.status.as_ref(), now.status.as_ref()),
        ("ip", row.ip.as_ref(), now.ip.as_ref()),
        ("vpc_uuid", row.vpc_uuid.as_ref(), now.vpc_uuid.as_ref()),
        ("project_id", row.project_id.as_ref(), now.project_id.as_ref()),
    ];
    let mut changed: Vec<String> = texts
        .into_iter()
        .filter(|(_, before, after)| set(*before) != set(*after))
        .map(|(name, ..)| name.to_owned())
        .collect();
    if !loosely_equal(&row.tags, &Value::from(now.tags.clone())) {
        changed.push("tags".to_owned());
    }
    let none = Map::new();
    let before = row.attrs.as_object().unwrap_or(&none);
    let names: BTreeSet<&String> = before.keys().chain(now.attrs.keys()).collect();
    let attr = |attrs: &Map<String, Value>, name: &str| attrs.get(name).cloned().unwrap_or(Value::Null);
    if row.settling_since.is_some() != now.settling {
        changed.push("settling".to_owned());
    }
    // An earlier release may have stored a different result.
    if row.owned != (traits.is_owned)(now) {
        changed.push("owned".to_owned());
    }
    changed.extend(
        names
            .into_iter()
            .filter(|name| !loosely_equal(&attr(before, name), &attr(&now.attrs, name)))
            .map(|name| format!("attrs.{name}")),
    );
    changed
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// The listing of a kind that was applied last, as stored in `inventory_kinds`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastListing {
    /// Its number; None if no numbered listing was ever applied.
    pub number: Option<i64>,
    /// Value of `started_at` when the number was written.
    pub numbered_at: Option<DateTime<Utc>>,
    /// When it began. Releases without listing numbers write only this time.
    pub started_at: Option<DateTime<Utc>>,
    /// Whether it was applied completely. If not, a sync may still be applying it.
    pub applied: bool,
    /// Number of its unconfirmed resources. The next sync does not count them as newly missing.
    pub unconfirmed: usize,
    /// Whether it could not read all fields.
    pub has_unread_fields: bool,
    /// Whether a complete listing was ever applied.
    pub completed: bool,
}

impl LastListing {
    /// Returns whether this listing has the given number, and no release without listing numbers has applied a listing
    /// since.
    pub(crate) fn is(&self, number: i64) -> bool {
        self.number == Some(number) && self.numbered_at == self.started_at
    }
}

/// The position of a listing in the order of all listings. The database assigns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the listing. A listing that began later has a higher number.
    pub number: i64,
    /// When the listing began, by the database's clock.
    pub began_at: DateTime<Utc>,
}

/// Whether a listing may replace the listing that was applied last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// The listing began later, so it may be applied.
    Later,
    /// The listing began earlier, or is the same one, so it must not be applied.
    Superseded,
    /// The stored start of the last listing is in the future, so the order is unknown. The listing may be applied.
    AheadOfTime(DateTime<Utc>),
}

/// Compares a listing with the listing that was applied last. `now` is the database's time.
pub(crate) fn precedence(last: &LastListing, place: &Place, now: DateTime<Utc>) -> Precedence {
    let later = |yes| {
        if yes {
            Precedence::Later
        } else {
            Precedence::Superseded
        }
    };
    match last.number {
        Some(number) if last.is(number) => later(number < place.number),
        _ => match last.started_at {
            Some(started) if started > now => Precedence::AheadOfTime(started),
            Some(started) => later(started < place.began_at),
            None => Precedence::Later,
        },
    }
}

/// Returns whether a sync needs an explicit permission, because more than 10 resources and more than half of the kind
/// would be gone. The cause may be a wrong token or an emptied inventory file.
pub(crate) fn is_mass_gone(gone: usize, present_before: usize) -> bool {
    gone > 10 && gone * 2 > present_before
}

#[cfg(test)]
mod tests;
