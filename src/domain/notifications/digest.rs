//! The daily digest: what is still open, and what is not up to date.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// The type of the message in its JSON.
pub(crate) const DIGEST_OF: &str = "digest.daily";

/// The contents of a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Digest {
    /// Number of open drifts, of all targets' filters together: a digest is not filtered.
    pub(crate) open: i64,
    /// Kinds of resources with open drifts, the most frequent first, at most 100.
    pub(crate) kinds: Vec<KindCount>,
    /// When the oldest open drift was detected.
    pub(crate) oldest_detected_at: Option<DateTime<Utc>>,
    /// Address that shows the oldest open drift.
    pub(crate) oldest_link: Option<String>,
    /// Whether the inventory is complete and recent.
    pub(crate) up_to_date: bool,
    /// Why not.
    pub(crate) problem: Option<String>,
    /// Address of the inbox.
    pub(crate) link: Option<String>,
}

/// A kind of resources and the number of its open drifts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindCount {
    /// Kind within the provider.
    pub(crate) kind: String,
    /// Number of open drifts.
    pub(crate) count: i64,
}

/// Returns the first time after `now` at this minute of the day in UTC.
pub(crate) fn next_digest(minute: i32, now: DateTime<Utc>) -> DateTime<Utc> {
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let today = midnight + TimeDelta::minutes(i64::from(minute));
    if today > now {
        today
    } else {
        today + TimeDelta::days(1)
    }
}

/// Parses a time of the day such as `08:00`, and returns its minute.
pub(crate) fn minute_of_day(text: &str) -> Option<i32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: i32| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>()
            .ok()
            .filter(|number| is_number && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// Formats a minute of the day as [`minute_of_day`] parses it.
pub(crate) fn time_of_day(minute: i32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
