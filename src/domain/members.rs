//! The members of a list that differ. Lists are compared as sets, so some members can be accepted and others not.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_drift::{self, DriftKind};
use serde_json::Value;

use super::detection::value_or_null;
use super::equality::{Canonical, canonical, is_unset};
use super::not_compared::NotCompared;
use super::redaction;

/// The side of a drift that has a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberSide {
    /// The live list has it, and the expected one does not.
    Added,
    /// The expected list has it, and the live one does not.
    Removed,
}

/// A member that only one of both lists has.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The list that has it.
    pub side: MemberSide,
    /// The member, as it is in that list.
    pub value: Value,
}

/// Returns the members that only one of the lists of a drift has: those of the expected list first, each in the order of
/// its list. Returns None if the values are not two lists, of which one may be unset, or are secrets.
pub fn members_of(drift: &cloud_drift::Model, not_compared: &NotCompared) -> Option<Vec<Member>> {
    let hidden = redaction::hides(drift.expected.as_ref(), drift.actual.as_ref());
    if drift.kind == DriftKind::Missing || hidden {
        return None;
    }
    let lists = Lists::of(
        &drift.field,
        [value_or_null(&drift.expected), value_or_null(&drift.actual)],
        not_compared,
    )?;
    let removed = lists.only_expected().map(|value| (MemberSide::Removed, value));
    let added = lists.only_live().map(|value| (MemberSide::Added, value));
    let members = removed.chain(added).map(|(side, value)| Member {
        side,
        value: value.clone(),
    });
    Some(members.collect())
}

/// The reason why members cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MembersRefusal {
    /// The values are not two lists.
    NotLists,
    /// This member, by its place in the request, is in both lists or in none.
    NotDifferent(usize),
}

/// The expected value of a list after some of its members were accepted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AcceptedMembers {
    /// The new expected value.
    pub(crate) expected: Value,
    /// Whether no difference is left.
    pub(crate) is_all: bool,
}

/// Accepts members: those that only the live list has are added to the expected one, and those that only the expected list
/// has are removed from it. All other members stay as they are, in their order.
///
/// # Errors
///
/// The reason why the members are refused; then none is accepted.
pub(crate) fn accept_members(
    field: &str,
    values: [&Value; 2],
    not_compared: &NotCompared,
    accepted: &[Value],
) -> Result<AcceptedMembers, MembersRefusal> {
    let lists = Lists::of(field, values, not_compared).ok_or(MembersRefusal::NotLists)?;
    let form = |value: &Value| form(field, value, not_compared);
    let mut wanted = BTreeSet::new();
    for (place, member) in accepted.iter().enumerate() {
        let member = form(member);
        if lists.expected.contains_key(&member) == lists.live.contains_key(&member) {
            return Err(MembersRefusal::NotDifferent(place));
        }
        wanted.insert(member);
    }
    let [expected, live] = values.map(items);
    let kept = expected.iter().filter(|value| !wanted.contains(&form(value)));
    let mut taken = BTreeSet::new();
    let added = live.iter().filter(|value| {
        let member = form(value);
        wanted.contains(&member) && taken.insert(member)
    });
    let differing = lists.only_expected().count() + lists.only_live().count();
    Ok(AcceptedMembers {
        expected: kept.chain(added).cloned().collect(),
        is_all: differing == wanted.len(),
    })
}

/// Two lists, each as its members by their canonical forms.
struct Lists<'v> {
    expected: BTreeMap<Canonical, (usize, &'v Value)>,
    live: BTreeMap<Canonical, (usize, &'v Value)>,
}

impl<'v> Lists<'v> {
    fn of(field: &str, values: [&'v Value; 2], not_compared: &NotCompared) -> Option<Self> {
        let is_list = |value: &Value| value.is_array() || is_unset(value);
        let [expected, live] = values;
        let is_one = expected.is_array() || live.is_array();
        if !(is_list(expected) && is_list(live) && is_one) {
            return None;
        }
        let by_form = |value: &'v Value| {
            let mut members = BTreeMap::new();
            for (place, member) in items(value).iter().enumerate() {
                members
                    .entry(form(field, member, not_compared))
                    .or_insert((place, member));
            }
            members
        };
        Some(Self {
            expected: by_form(expected),
            live: by_form(live),
        })
    }

    fn only_expected(&self) -> impl Iterator<Item = &'v Value> {
        missing_from(&self.expected, &self.live)
    }

    fn only_live(&self) -> impl Iterator<Item = &'v Value> {
        missing_from(&self.live, &self.expected)
    }
}

/// Returns the members of one list that the other does not have, in the order of the list.
fn missing_from<'v>(
    list: &BTreeMap<Canonical, (usize, &'v Value)>,
    other: &BTreeMap<Canonical, (usize, &'v Value)>,
) -> impl Iterator<Item = &'v Value> + use<'v> {
    let mut members: Vec<(usize, &'v Value)> = list
        .iter()
        .filter(|(form, _)| !other.contains_key(form))
        .map(|(_, member)| *member)
        .collect();
    members.sort_unstable_by_key(|(place, _)| *place);
    members.into_iter().map(|(_, value)| value)
}

/// Returns the form by which a member is compared. An uncompared part of the field is a part of a member of the list, so
/// the member is compared as a list of its own.
fn form(field: &str, member: &Value, not_compared: &NotCompared) -> Canonical {
    let alone = Value::Array(vec![member.clone()]);
    canonical(&not_compared.compared_part(field, &alone))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
