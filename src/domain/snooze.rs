//! Snoozes: an open drift is left out of the inbox until a time, or until one of its values changes.

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self, DriftStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::validation::{InvalidInput, check_time};

/// How long a snooze may last. An ignore rule hides a difference for longer, and says who answers for it.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// When a snooze ends: at a time, with a change of a value, or with whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snooze {
    /// The time at which it ends at the latest.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    /// Whether a change of the expected or live value ends it.
    #[serde(default)]
    pub until_change: bool,
}

impl Snooze {
    /// Checks that the snooze ends, and not too late.
    ///
    /// # Errors
    ///
    /// No end is set, or its time is not in the next 366 days.
    pub(crate) fn check(&self, now: DateTime<Utc>) -> Result<(), InvalidInput> {
        let Some(until) = self.until else {
            return match self.until_change {
                true => Ok(()),
                false => Err(InvalidInput::new("set until, untilChange: true, or both")),
            };
        };
        check_time("until", until)?;
        match until > now && until - now <= LONGEST {
            true => Ok(()),
            false => Err(InvalidInput::new("until must be in the next 366 days")),
        }
    }

    /// Returns the snooze of a drift; None if it is not snoozed.
    pub(crate) fn of(drift: &cloud_drift::Model) -> Option<Self> {
        drift.snoozed.then_some(Self {
            until: drift.snoozed_until,
            until_change: drift.snoozed_until_change,
        })
    }

    /// Returns whether the snooze would not have ended by now, if the values have not changed.
    pub(crate) fn lasts(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Why a snooze ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnoozeEnd {
    /// Its time has passed.
    Time,
    /// A value changed.
    Change,
    /// The drift was closed.
    Closed,
    /// A user ended it.
    User,
}

impl SnoozeEnd {
    /// Returns the word in the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Change => "change",
            Self::Closed => "closed",
            Self::User => "user",
        }
    }
}

/// Why a drift cannot be snoozed or assigned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outdated {
    /// It is not open.
    Closed(DriftStatus),
    /// It has another revision than the one that the user saw.
    Moved {
        /// Its live value.
        actual: Value,
        /// Its revision.
        revision: i32,
    },
}

/// Checks that a drift is as the user saw it: open and, if the user names a revision, of this revision.
///
/// # Errors
///
/// What has changed.
pub(crate) fn check_seen(drift: &cloud_drift::Model, revision: Option<i32>) -> Result<(), Outdated> {
    if drift.status != DriftStatus::Open {
        return Err(Outdated::Closed(drift.status));
    }
    if revision.is_some_and(|seen| seen != drift.revision) {
        return Err(Outdated::Moved {
            actual: drift.actual.clone().unwrap_or_default(),
            revision: drift.revision,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_snooze_has_an_end_in_the_next_year() {
        let now = at(1_000);
        let check = |until, until_change| Snooze { until, until_change }.check(now).is_ok();
        assert!(!check(None, false));
        assert!(check(None, true));
        assert!(!check(Some(at(1_000)), true), "the time has passed");
        assert!(check(Some(at(1_001)), false));
        assert!(check(Some(now + LONGEST), false));
        assert!(!check(Some(now + LONGEST + TimeDelta::seconds(1)), true));
        assert!(!check(Some(DateTime::<Utc>::MAX_UTC), true));
    }

    #[test]
    fn a_snooze_until_a_change_lasts_without_a_time() {
        let snooze = |until| Snooze {
            until,
            until_change: true,
        };
        assert!(snooze(None).lasts(at(5)));
        assert!(snooze(Some(at(6))).lasts(at(5)));
        assert!(!snooze(Some(at(5))).lasts(at(5)), "it ends at its time");
    }
}
