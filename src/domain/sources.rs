//! The states of sources: whether the newest listing of a source can be relied on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::freshness::{MaxAge, is_in_the_future};

/// Whether the newest listing of a source can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// The newest listing was stored completely and is recent.
    Ok,
    /// The newest listing is recent, but parts of it could not be read.
    Partial,
    /// The newest attempt to list it failed.
    Failed,
    /// The newest plan was refused.
    Refused,
    /// The last success is older than twice the expected interval, or its time is in the future.
    Overdue,
    /// It has never been listed.
    Never,
}

impl SourceState {
    /// Returns whether the inventory of the source is known to be recent. Kinds that a partial listing could not read are
    /// judged one by one.
    pub(crate) fn is_recent(self) -> bool {
        matches!(self, Self::Ok | Self::Partial)
    }

    /// Returns the state as one word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Overdue => "overdue",
            Self::Never => "never",
        }
    }

    /// Returns the state as the end of a sentence about the source.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Ok => "is up to date",
            Self::Partial => "was not read completely",
            Self::Failed => "could not be listed",
            Self::Refused => "sent a plan that was refused",
            Self::Overdue => "is overdue",
            Self::Never => "has never been listed",
        }
    }
}

/// How an attempt to list a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Everything was stored.
    Complete,
    /// Parts could not be read.
    Partial,
    /// Nothing was stored.
    Failed,
    /// A plan was refused, so nothing was stored.
    Refused,
}

/// Returns the state of a source. `newest` is its newest attempt.
pub(crate) fn source_state(
    last_success: Option<DateTime<Utc>>,
    newest: Option<Attempt>,
    max_age: &MaxAge,
    now: DateTime<Utc>,
) -> SourceState {
    match (last_success, newest) {
        (Some(at), _) if is_in_the_future(at, now) || max_age.is_exceeded(at, now) => SourceState::Overdue,
        (_, Some(Attempt::Refused)) => SourceState::Refused,
        (_, Some(Attempt::Failed)) => SourceState::Failed,
        (None, _) => SourceState::Never,
        (Some(_), Some(Attempt::Partial)) => SourceState::Partial,
        (Some(_), _) => SourceState::Ok,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_state_has_one_cause() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let ago = |minutes| Some(now - TimeDelta::minutes(minutes));
        let max_age = MaxAge::Fixed(TimeDelta::hours(2));
        for (last_success, newest, expected) in [
            (None, None, SourceState::Never),
            (None, Some(Attempt::Failed), SourceState::Failed),
            (None, Some(Attempt::Refused), SourceState::Refused),
            (ago(120), Some(Attempt::Complete), SourceState::Ok),
            (ago(121), Some(Attempt::Complete), SourceState::Overdue),
            (ago(-60), Some(Attempt::Complete), SourceState::Overdue),
            (ago(10), Some(Attempt::Partial), SourceState::Partial),
            (ago(10), Some(Attempt::Failed), SourceState::Failed),
            (ago(10), Some(Attempt::Refused), SourceState::Refused),
            (ago(121), Some(Attempt::Failed), SourceState::Overdue),
        ] {
            let state = source_state(last_success, newest, &max_age, now);
            assert_eq!(state, expected, "{last_success:?} {newest:?}");
            let is_recent = matches!(expected, SourceState::Ok | SourceState::Partial);
            assert_eq!(state.is_recent(), is_recent);
        }
    }
}
