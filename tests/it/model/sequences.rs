//! Random sequences of operations.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::operations::{
    Decision, KINDS, NewRule, Op, Pick, RESOURCES, Reading, Seen, USERS, Version, Visible,
};
use super::values::{Spec, V, WHOLE, live, wanted};

const PICKS: std::ops::Range<usize> = 0..64;

fn resource() -> impl Strategy<Value = usize> {
    0..RESOURCES.len()
}

fn user() -> impl Strategy<Value = usize> {
    0..USERS.len()
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![9 => PICKS.prop_map(Pick::Open), 1 => PICKS.prop_map(Pick::Any)]
}

fn seen() -> impl Strategy<Value = Seen> {
    select(vec![
        Seen::Current,
        Seen::Current,
        Seen::Read,
        Seen::Read,
        Seen::Unnamed,
        Seen::Wrong,
    ])
}

fn version() -> impl Strategy<Value = Version> {
    select(vec![
        Version::Current,
        Version::Current,
        Version::Unnamed,
        Version::Wrong,
    ])
}

fn spec() -> BoxedStrategy<Spec> {
    let field = |field: usize| proptest::option::weighted(0.8, wanted(field));
    (field(0), field(1), field(2))
        .prop_map(|(region, tags, mode)| {
            let named = [region, tags, mode].into_iter().enumerate();
            named
                .filter_map(|(field, value)| Some((field, value?)))
                .collect::<BTreeMap<_, _>>()
        })
        .boxed()
}

fn new_rule() -> BoxedStrategy<NewRule> {
    let field = prop_oneof![6 => 0..WHOLE, 1 => Just(WHOLE)];
    field
        .prop_flat_map(move |field| {
            let scope = (
                proptest::option::weighted(0.3, 0..KINDS.len()),
                proptest::option::weighted(0.3, resource()),
            );
            let live = match field {
                WHOLE => Just(None).boxed(),
                field => {
                    proptest::option::weighted(0.3, live(field).prop_map(|live| live.unwrap_or(V::NULL)))
                        .boxed()
                }
            };
            let ends = (
                proptest::option::weighted(0.4, 2..4_i32),
                proptest::option::weighted(0.3, select(vec![5_i64, 45])),
            );
            (scope, live, ends).prop_map(move |((kind, resource), live, (open_after, minutes))| NewRule {
                field,
                kind,
                resource,
                live,
                open_after,
                minutes,
            })
        })
        .boxed()
}

fn snooze() -> BoxedStrategy<Decision> {
    let end = select(vec![
        (Some(20), false),
        (Some(20), true),
        (None, true),
        (None, false),
    ]);
    (user(), pick(), seen(), end)
        .prop_map(|(user, drift, seen, (minutes, until_change))| Decision::Snooze {
            user,
            drift,
            seen,
            minutes,
            until_change,
        })
        .boxed()
}

/// A decision about one drift or one spec.
fn about_one() -> BoxedStrategy<Decision> {
    let accept = (user(), pick(), seen(), any::<bool>());
    let record = (user(), resource(), spec(), version());
    let retire = (user(), resource(), version());
    prop_oneof![
        9 => accept.prop_map(|(user, drift, seen, once)| Decision::Accept { user, drift, seen, once }),
        6 => record.prop_map(|(user, resource, spec, version)| Decision::Record { user, resource, spec, version }),
        6 => (user(), PICKS).prop_map(|(user, drift)| Decision::Undo { user, drift }),
        1 => retire.prop_map(|(user, resource, version)| Decision::Retire { user, resource, version }),
        3 => snooze(),
        1 => (user(), pick()).prop_map(|(user, drift)| Decision::Unsnooze { user, drift }),
        2 => (user(), pick(), any::<bool>())
            .prop_map(|(user, drift, is_reverting)| Decision::Revert { user, drift, is_reverting }),
    ]
    .boxed()
}

fn decision() -> BoxedStrategy<Decision> {
    prop_oneof![
        28 => about_one(),
        2 => new_rule().prop_map(Decision::Ignore),
        1 => (PICKS, new_rule()).prop_map(|(rule, by)| Decision::Replace { rule, by }),
        2 => PICKS.prop_map(|rule| Decision::EndRule { rule }),
    ]
    .boxed()
}

fn change() -> impl Strategy<Value = (usize, usize, Option<V>)> {
    (0..WHOLE).prop_flat_map(|field| (resource(), Just(field), live(field)))
}

fn cloud() -> BoxedStrategy<Op> {
    let visible = select(vec![
        Visible::Listed,
        Visible::Listed,
        Visible::Confirmed,
        Visible::Unclear,
    ]);
    let reading = select(vec![
        Reading::Complete,
        Reading::Complete,
        Reading::Incomplete,
        Reading::NotReadable,
    ]);
    prop_oneof![
        12 => change().prop_map(|(resource, field, value)| Op::Change(resource, field, value)),
        3 => resource().prop_map(Op::Delete),
        2 => (resource(), any::<bool>()).prop_map(|(resource, settles)| Op::Settle(resource, settles)),
        2 => (resource(), visible).prop_map(|(resource, visible)| Op::Show(resource, visible)),
        2 => (0..KINDS.len(), reading).prop_map(|(kind, reading)| Op::Readable(kind, reading)),
        2 => (0..KINDS.len(), any::<bool>()).prop_map(|(kind, can_read)| Op::ReadMode(kind, can_read)),
    ]
    .boxed()
}

fn run() -> BoxedStrategy<Op> {
    prop_oneof![
        10 => Just(Op::Sync { fails: false }),
        1 => Just(Op::Sync { fails: true }),
        12 => Just(Op::Sweep),
        1 => resource().prop_map(Op::SweepOf),
    ]
    .boxed()
}

fn op(with_kills: bool) -> BoxedStrategy<Op> {
    let plain = prop_oneof![
        7 => cloud(),
        9 => run(),
        4 => change().prop_map(|(resource, field, value)| Op::Drift(resource, field, value)),
        2 => Just(Op::Look),
        1 => select(vec![1_i64, 10, 31, 130, 1500]).prop_map(Op::Wait),
        11 => decision().prop_map(Op::Decide),
    ];
    if !with_kills {
        return plain.boxed();
    }
    let killed = prop_oneof![1 => run(), 1 => decision().prop_map(Op::Decide)];
    prop_oneof![
        6 => plain,
        2 => (0..50_usize, killed).prop_map(|(after, op)| Op::Killed(after, Box::new(op))),
        2 => (about_one(), proptest::option::weighted(0.6, about_one())).prop_map(|(a, b)| Op::Together(a, b)),
    ]
    .boxed()
}

/// A sequence of operations. With `with_kills`, servers are killed, and users decide at the same time.
pub(super) fn sequence(with_kills: bool, most: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(with_kills), 1..=most)
}
