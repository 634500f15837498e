//! Leftovers: which resources serve nothing, and whether that is known.

use chrono::{DateTime, Utc};
use entity::cloud_resources;
use entity::inventory_kinds::ListingOutcome;

/// What decides whether a resource serves something.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    /// Its own values do.
    Itself,
    /// The resource whose kind and id it names: it serves nothing if that one does not exist. Returns None if it names none.
    Named(fn(&cloud_resources::Model) -> Option<(&'static str, String)>),
    /// The resource that has this address: it serves nothing if one had the address and none has it now. Returns None if it
    /// names no address.
    Holder {
        /// Returns the address that it names.
        address: fn(&cloud_resources::Model) -> Option<String>,
        /// Returns all addresses that a resource of the kinds in `owner_kinds` has.
        held: fn(&cloud_resources::Model) -> Vec<String>,
    },
    /// Resources that refer to it.
    Users {
        /// Returns the text by which others refer to it.
        key: fn(&cloud_resources::Model) -> String,
        /// Returns the texts by which a resource of the kinds in `owner_kinds` refers to others.
        refers: fn(&cloud_resources::Model) -> Vec<String>,
    },
}

/// A rule that finds leftovers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct LeftoverRule {
    /// Name, such as `UNATTACHED_VOLUME`.
    pub name: &'static str,
    /// Kind of the resources.
    pub kind: &'static str,
    /// Why they serve nothing, as a sentence.
    pub why: &'static str,
    /// Returns whether a resource is one, as far as its own values say.
    pub is_candidate: fn(&cloud_resources::Model) -> bool,
    /// The fields whose values say so.
    pub fields: &'static [&'static str],
    /// What else decides.
    pub owner: Owner,
    /// The kinds of resources that it could serve.
    pub owner_kinds: &'static [&'static str],
    /// Kinds of resources that it could serve and that are never listed.
    pub unlisted: Option<&'static str>,
    /// Returns the list price per month in millionths of the currency; None if it is not known.
    pub monthly_micros: fn(&cloud_resources::Model) -> Option<i64>,
}

/// What is known about the listing of one kind by one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindListing {
    /// Name of the source.
    pub source: String,
    /// Kind.
    pub kind: String,
    /// How its newest listing ended.
    pub outcome: Option<ListingOutcome>,
    /// Number of the listing that was applied last.
    pub number: Option<i64>,
    /// Fields that the listing could not read.
    pub unread_fields: Vec<String>,
}

/// Returns why it is not known whether the resources of `source` that a rule finds serve something: a kind of resource that
/// they could serve was not listed completely, or before them. Returns None if it is known.
pub fn unknown_because(rule: &LeftoverRule, source: &str, listings: &[KindListing]) -> Option<String> {
    let of = |kind: &str| {
        listings
            .iter()
            .find(|listing| listing.source == source && listing.kind == kind)
    };
    let is_complete = |listing: &KindListing| listing.outcome == Some(ListingOutcome::Complete);
    let kind = rule.kind;
    let own = match of(kind) {
        Some(own) if is_complete(own) => own,
        _ => return Some(format!("The newest listing of {kind} is not complete.")),
    };
    if let Some(field) = own
        .unread_fields
        .iter()
        .find(|field| rule.fields.contains(&field.as_str()))
    {
        return Some(format!("The newest listing of {kind} could not read {field}."));
    }
    for owner in rule.owner_kinds {
        match of(owner) {
            None => return Some(format!("The source does not list {owner}.")),
            Some(listing) if !is_complete(listing) => {
                return Some(format!("The newest listing of {owner} is not complete."));
            }
            Some(listing) if listing.number < own.number => {
                return Some(format!("{owner} was not listed with the newest {kind}."));
            }
            Some(_) => {}
        }
        let others = listings
            .iter()
            .filter(|listing| listing.source != source && listing.kind == *owner);
        if let Some(other) = others.into_iter().find(|listing| !is_complete(listing)) {
            return Some(format!(
                "The newest listing of {owner} by {} is not complete.",
                other.source
            ));
        }
    }
    rule.unlisted
        .map(|unlisted| format!("{unlisted} could use it, and they are not listed."))
}

/// What is stored about the owners of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerFacts {
    /// Whether one exists.
    pub exists: bool,
    /// Whether one existed earlier.
    pub existed: bool,
    /// When the last one was found to be gone.
    pub gone_at: Option<DateTime<Utc>>,
}

/// Returns whether a candidate serves nothing.
pub fn is_leftover(rule: &LeftoverRule, owners: OwnerFacts) -> bool {
    match rule.owner {
        Owner::Itself => true,
        Owner::Named(_) | Owner::Users { .. } => !owners.exists,
        // An address that no resource of ours was seen to have may belong to another account.
        Owner::Holder { .. } => !owners.exists && owners.existed,
    }
}

/// Returns since when a resource serves nothing: since its owner was gone, since a field of the rule changed, or, if neither
/// is known, since it was first seen. A resource whose changes are no longer known counts from now, so that it is never
/// called older than it is.
pub fn since(
    resource: &cloud_resources::Model,
    rule: &LeftoverRule,
    owners: OwnerFacts,
    changed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let first_seen = resource.first_seen_at.unwrap_or(now);
    match rule.owner {
        Owner::Named(_) | Owner::Holder { .. } => {
            owners.gone_at.map_or(first_seen, |gone| gone.max(first_seen))
        }
        // When the last user left is not stored.
        Owner::Users { .. } => now,
        Owner::Itself => match changed_at {
            Some(changed_at) => changed_at.max(first_seen),
            None if resource.revision == 1 => first_seen,
            None => now,
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::domain::fixtures::{now, resource};

    fn rule(owner: Owner, owner_kinds: &'static [&'static str]) -> LeftoverRule {
        LeftoverRule {
            name: "R",
            kind: "disk",
            why: "It is not attached.",
            is_candidate: |_| true,
            fields: &["machine"],
            owner,
            owner_kinds,
            unlisted: None,
            monthly_micros: |_| None,
        }
    }

    fn listing(source: &str, kind: &str, outcome: ListingOutcome, number: i64) -> KindListing {
        KindListing {
            source: source.to_owned(),
            kind: kind.to_owned(),
            outcome: Some(outcome),
            number: Some(number),
            unread_fields: Vec::new(),
        }
    }

    #[test]
    fn a_rule_knows_only_what_complete_listings_say() {
        use ListingOutcome::{Complete, Incomplete, NotReadable};
        let named = rule(Owner::Named(|_| None), &["machine"]);
        let disks = listing("a", "disk", Complete, 5);
        let machines = |outcome, number| listing("a", "machine", outcome, number);
        let because = |listings: &[KindListing]| unknown_because(&named, "a", listings);
        assert_eq!(because(&[disks.clone(), machines(Complete, 5)]), None);
        for (listings, why) in [
            (vec![], "The newest listing of disk is not complete."),
            (vec![disks.clone()], "The source does not list machine."),
            (
                vec![disks.clone(), machines(Incomplete, 5)],
                "The newest listing of machine is not complete.",
            ),
            (
                vec![disks.clone(), machines(NotReadable, 5)],
                "The newest listing of machine is not complete.",
            ),
            (
                vec![disks.clone(), machines(Complete, 4)],
                "machine was not listed with the newest disk.",
            ),
            (
                vec![
                    disks.clone(),
                    machines(Complete, 5),
                    listing("b", "machine", Incomplete, 9),
                ],
                "The newest listing of machine by b is not complete.",
            ),
            (
                vec![listing("a", "disk", Incomplete, 5), machines(Complete, 5)],
                "The newest listing of disk is not complete.",
            ),
            (
                vec![
                    KindListing {
                        unread_fields: vec!["machine".to_owned()],
                        ..disks.clone()
                    },
                    machines(Complete, 5),
                ],
                "The newest listing of disk could not read machine.",
            ),
        ] {
            assert_eq!(because(&listings).as_deref(), Some(why));
        }
        let older = listing("b", "machine", Complete, 1);
        assert_eq!(
            because(&[disks, machines(Complete, 5), older]),
            None,
            "another source has its own time"
        );
    }

    #[test]
    fn an_address_is_left_over_only_if_one_of_ours_had_it() {
        let holder = rule(
            Owner::Holder {
                address: |_| None,
                held: |_| Vec::new(),
            },
            &[],
        );
        let facts = |exists, existed| OwnerFacts {
            exists,
            existed,
            gone_at: None,
        };
        assert!(is_leftover(&holder, facts(false, true)));
        assert!(!is_leftover(&holder, facts(false, false)));
        assert!(!is_leftover(&holder, facts(true, true)));
        let named = rule(Owner::Named(|_| None), &[]);
        assert!(is_leftover(&named, facts(false, false)));
        assert!(!is_leftover(&named, facts(true, false)));
    }

    #[test]
    fn a_resource_is_never_called_older_than_it_is() {
        let (first, later) = (now() + TimeDelta::days(1), now() + TimeDelta::days(9));
        let mut disk = resource(json!({}));
        disk.first_seen_at = Some(first);
        let none = OwnerFacts::default();
        let own = rule(Owner::Itself, &[]);
        assert_eq!(since(&disk, &own, none, None, later), first);
        assert_eq!(since(&disk, &own, none, Some(later), later), later);
        disk.revision = 4;
        assert_eq!(
            since(&disk, &own, none, None, later),
            later,
            "its changes were deleted"
        );
        let named = rule(Owner::Named(|_| None), &[]);
        assert_eq!(since(&disk, &named, none, None, later), first);
        let gone = OwnerFacts {
            gone_at: Some(now()),
            ..none
        };
        assert_eq!(
            since(&disk, &named, gone, None, later),
            first,
            "it was seen later"
        );
    }
}
