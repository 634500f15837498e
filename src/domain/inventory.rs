//! What a complete listing of one kind means for the inventory that is stored.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::equality::loosely_equal;
pub use super::listed::{ListedResource, PROJECT_ID};
use super::traits::KindTraits;

/// Stands among the changed fields for the whole row, which did not decode.
pub(crate) const WHOLE_ROW: &str = "*";

/// A stored resource of the kind that was listed.
#[derive(Clone, Debug)]
pub(crate) struct StoredResource {
    /// Its id here.
    pub id: Uuid,
    /// Its id at the provider.
    pub provider_id: String,
    /// Whether a complete listing lacked it.
    pub gone: bool,
    /// Whether any listing ever had it.
    pub seen: bool,
    /// The whole row; None where it does not decode, so that a listing heals it.
    pub row: Option<cloud_resources::Model>,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InventoryChange {
    /// Never heard of before.
    Insert(ListedResource),
    /// Known, and now listed for the first time or again.
    Discover(Uuid, ListedResource),
    /// Listed with other content.
    Update {
        /// The row.
        id: Uuid,
        /// Its content from now on.
        listed: ListedResource,
        /// What changed: schema fields by name, attributes as `attrs.NAME`, [`WHOLE_ROW`].
        fields: Vec<String>,
    },
    /// Not listed any more.
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

/// Decides what a complete listing of one kind changes. The ids in `listed` are distinct.
pub(crate) fn plan_kind<'l>(
    stored: Vec<StoredResource>,
    listed: impl IntoIterator<Item = &'l ListedResource>,
    traits: &KindTraits,
) -> Vec<InventoryChange> {
    let mut listed: BTreeMap<&str, &ListedResource> = listed
        .into_iter()
        .map(|resource| (resource.provider_id.as_str(), resource))
        .collect();
    let mut changes: Vec<InventoryChange> = stored
        .into_iter()
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

fn change_of(known: StoredResource, now: &ListedResource, traits: &KindTraits) -> Option<InventoryChange> {
    let StoredResource { id, row, .. } = known;
    let whole = || now.clone().completed(row.as_ref());
    if known.gone || !known.seen {
        return Some(InventoryChange::Discover(id, whole()));
    }
    let fields = match &row {
        // Most rows are as they were: only what could not be told has to be looked up in a copy.
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

/// Loosely, so that a provider that shuffles a set or a database that rewrites `1e3` costs no write.
fn changed_fields(row: &cloud_resources::Model, now: &ListedResource, traits: &KindTraits) -> Vec<String> {
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
    // An earlier release may have stored another answer.
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

/// Which listing of a kind was applied last, as the row of the kind says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastListing {
    /// Its number; None if no listing with a number was ever applied.
    pub number: Option<i64>,
    /// When it began, as it was written together with the number.
    pub numbered_at: Option<DateTime<Utc>>,
    /// When it began. A release that knows no numbers writes only this.
    pub started_at: Option<DateTime<Utc>>,
    /// Whether all of it was applied. If not, a sync may still be writing it.
    pub applied: bool,
    /// Resources that it lacked and that were not confirmed to be gone: it was let to lack them.
    pub unconfirmed: usize,
}

impl LastListing {
    /// Whether it is the listing of this number, and no release without numbers has applied another since.
    pub(crate) fn is(&self, number: i64) -> bool {
        self.number == Some(number) && self.numbered_at == self.started_at
    }
}

/// The place of a listing in the order of all listings, which the database gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number: the higher one began later.
    pub number: i64,
    /// When it began, by the database's clock.
    pub began_at: DateTime<Utc>,
}

/// Whether a listing may be applied over the one that was applied last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// It began later.
    Later,
    /// It began earlier, or is the same.
    Superseded,
    /// The last one says that it began at a time that is still to come, which proves nothing. It gives way.
    AheadOfTime(DateTime<Utc>),
}

/// Compares a listing with the one that was applied last. `now` is the database's time.
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

/// Whether so many resources of a kind would be gone in one run that it needs an explicit permission: a wrong token or
/// an emptied file must not look like an account whose resources were deleted.
pub(crate) fn is_mass_gone(gone: usize, present_before: usize) -> bool {
    gone > 10 && gone * 2 > present_before
}

#[cfg(test)]
mod tests;
