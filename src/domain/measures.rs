//! Measures of the inbox over a range of time: how much drift opens and closes, how long it stays, and how old the open
//! drift is.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// What happened to a drift in the range, or that it is open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A sweep opened it at this time.
    Opened(DateTime<Utc>),
    /// It was closed at this time, so many seconds after it was opened.
    Closed(DateTime<Utc>, i64),
    /// It has been open for so many seconds.
    OpenFor(i64),
}

/// One observation about a drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Name of the source of its resource; empty if no source lists it.
    pub source: String,
    /// Kind of its resource.
    pub kind: String,
    /// What happened.
    pub what: What,
}

/// By what the samples are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The source of the resource.
    pub source: bool,
    /// The kind of the resource.
    pub kind: bool,
}

/// The distribution of durations in seconds. A percentile is the smallest duration that at least this part of all
/// durations does not exceed (nearest rank). All are None if there are no durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// Number of durations.
    pub count: usize,
    /// Half of the durations are at most this long.
    pub median: Option<i64>,
    /// 90 % of the durations are at most this long.
    pub p90: Option<i64>,
    /// The longest duration.
    pub longest: Option<i64>,
}

impl Durations {
    fn of(mut seconds: Vec<i64>) -> Self {
        seconds.sort_unstable();
        let rank = |percent: usize| {
            let rank = (seconds.len() * percent).div_ceil(100);
            rank.checked_sub(1).and_then(|place| seconds.get(place)).copied()
        };
        Self {
            count: seconds.len(),
            median: rank(50),
            p90: rank(90),
            longest: seconds.last().copied(),
        }
    }
}

/// What happened on one day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day.
    pub date: NaiveDate,
    /// Drifts that were opened.
    pub opened: usize,
    /// Drifts that were closed.
    pub closed: usize,
}

/// The measures of the drifts of one source, of one kind, of both, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The source, if the measures are grouped by it.
    pub source: Option<String>,
    /// The kind, if the measures are grouped by it.
    pub kind: Option<String>,
    /// Drifts that were opened in the range.
    pub opened: usize,
    /// Drifts that were closed in the range.
    pub closed: usize,
    /// From opening to closing, of the drifts that were closed in the range.
    pub time_to_resolve: Durations,
    /// Ages of the drifts that are open now.
    pub open_age: Durations,
    /// Each day of the range, also those without drift.
    pub days: Vec<Day>,
}

/// Returns the days from that of `from` to the last one that begins before `to`.
fn days(from: DateTime<Utc>, to: DateTime<Utc>) -> impl Iterator<Item = NaiveDate> {
    let last = (to - TimeDelta::microseconds(1)).date_naive();
    from.date_naive().iter_days().take_while(move |day| *day <= last)
}

/// Groups samples. Those with the most samples come first, then by name. Without `by`, there is one group, even if there
/// are no samples.
pub fn grouped(samples: Vec<Sample>, by: By, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Vec<Group> {
    type Key = (Option<String>, Option<String>);
    let mut of_key: BTreeMap<Key, Vec<What>> = BTreeMap::new();
    if by == By::default() {
        of_key.insert((None, None), Vec::new());
    }
    for sample in samples {
        let key = (by.source.then_some(sample.source), by.kind.then_some(sample.kind));
        of_key.entry(key).or_default().push(sample.what);
    }
    let mut sized: Vec<(Key, Vec<What>)> = of_key.into_iter().collect();
    // The sort is stable: groups of one size stay in the order of their names.
    sized.sort_by_key(|(_, samples)| std::cmp::Reverse(samples.len()));
    sized
        .into_iter()
        .map(|((source, kind), samples)| {
            let measured = measure(&samples, (from, to));
            Group {
                source,
                kind,
                ..measured
            }
        })
        .collect()
}

fn measure(samples: &[What], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Group {
    let mut of_day: BTreeMap<NaiveDate, (usize, usize)> = days(from, to).map(|day| (day, (0, 0))).collect();
    let (mut took, mut ages) = (Vec::new(), Vec::new());
    let mut opened = 0;
    for sample in samples {
        match sample {
            What::Opened(at) => {
                opened += 1;
                of_day.entry(at.date_naive()).or_default().0 += 1;
            }
            What::Closed(at, seconds) => {
                took.push(*seconds);
                of_day.entry(at.date_naive()).or_default().1 += 1;
            }
            What::OpenFor(seconds) => ages.push(*seconds),
        }
    }
    Group {
        source: None,
        kind: None,
        opened,
        closed: took.len(),
        time_to_resolve: Durations::of(took),
        open_age: Durations::of(ages),
        days: of_day
            .into_iter()
            .map(|(date, (opened, closed))| Day { date, opened, closed })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_764_000_000 + seconds, 0).unwrap()
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let what = prop_oneof![
            (0..864_000_i64).prop_map(|time| What::Opened(at(time))),
            (0..864_000_i64, 0..90_000_i64).prop_map(|(time, took)| What::Closed(at(time), took)),
            (0..9_000_000_i64).prop_map(What::OpenFor),
        ];
        ("[ab]?", "[xyz]", what).prop_map(|(source, kind, what)| Sample { source, kind, what })
    }

    proptest! {
        /// Nothing is lost or counted twice, whatever it is grouped by, and percentiles are what they say.
        #[test]
        fn groups_add_up_and_percentiles_hold(samples in prop::collection::vec(sample(), 0..80), source: bool, kind: bool) {
            let range = (at(0), at(864_000));
            let groups = grouped(samples.clone(), By { source, kind }, range);
            let opened = samples.iter().filter(|sample| matches!(sample.what, What::Opened(_))).count();
            let closed = samples.iter().filter(|sample| matches!(sample.what, What::Closed(..))).count();
            prop_assert_eq!(groups.iter().map(|group| group.opened).sum::<usize>(), opened);
            prop_assert_eq!(groups.iter().map(|group| group.closed).sum::<usize>(), closed);
            let of_days = |count: fn(&Day) -> usize| groups.iter().flat_map(|group| group.days.iter().map(count)).sum::<usize>();
            prop_assert_eq!((of_days(|day| day.opened), of_days(|day| day.closed)), (opened, closed));
            for group in &groups {
                prop_assert!(group.days.windows(2).all(|pair| pair[0].date < pair[1].date));
                prop_assert_eq!(group.days.len(), days(range.0, range.1).count());
                let mine = samples.iter().filter(|sample| {
                    group.source.as_ref().is_none_or(|name| *name == sample.source)
                        && group.kind.as_ref().is_none_or(|name| *name == sample.kind)
                });
                let ages: Vec<i64> = mine.filter_map(|sample| match sample.what {
                    What::OpenFor(seconds) => Some(seconds),
                    _ => None,
                }).collect();
                prop_assert_eq!(group.open_age.count, ages.len());
                for (percent, found) in [(50, group.open_age.median), (90, group.open_age.p90), (100, group.open_age.longest)] {
                    prop_assert_eq!(found.is_some(), !ages.is_empty());
                    let Some(found) = found else { continue };
                    let within = ages.iter().filter(|age| **age <= found).count();
                    let below = ages.iter().filter(|age| **age < found).count();
                    prop_assert!(within * 100 >= ages.len() * percent && below * 100 < ages.len() * percent);
                }
            }
        }
    }

    #[test]
    fn a_range_has_its_days_in_utc() {
        let noon = DateTime::parse_from_rfc3339("2026-11-20T12:00:00Z")
            .unwrap()
            .to_utc();
        let midnight = DateTime::parse_from_rfc3339("2026-11-22T00:00:00Z")
            .unwrap()
            .to_utc();
        let listed: Vec<String> = days(noon, midnight).map(|day| day.to_string()).collect();
        assert_eq!(listed, ["2026-11-20", "2026-11-21"]);
        let one: Vec<Group> = grouped(Vec::new(), By::default(), (noon, midnight));
        assert_eq!(
            (one.len(), one[0].days.len(), one[0].open_age.median),
            (1, 2, None)
        );
    }
}
