//! What can go wrong with a use-case, in the words of the public contract.

use chrono::{DateTime, Utc};
use entity::cloud_drift::DriftStatus;
use sea_orm::{ConnAcquireErr, DbErr};
use serde_json::Value;

use crate::domain::admission::Inadmissible;
use crate::domain::retention::Unforgettable;

/// Result of a use-case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a use-case was refused or failed. [`Error::code`] is what clients branch on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in.
    #[error("authentication is required: send a bearer token")]
    Unauthenticated,
    /// The caller lacks the role.
    #[error("the role {needed} is required")]
    Forbidden {
        /// Role that would do.
        needed: &'static str,
    },
    /// No such thing.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The request does not make sense, and says why.
    #[error("{0}")]
    BadUserInput(String),
    /// The drift left the inbox before.
    #[error("the drift is already {}", status_word(*.0))]
    AlreadyResolved(DriftStatus),
    /// The live value, or the row, is not what the caller saw.
    #[error("the live value has changed: reload the drift and decide again")]
    LiveValueMoved {
        /// Live value now.
        actual: Value,
        /// Revision of the row now.
        revision: i32,
        /// Status of the row now: stale if nothing differs any more.
        status: DriftStatus,
    },
    /// The spec says something else than the drift expects.
    #[error(
        "the spec was changed and no longer has the value that this drift expects: run a sweep, and decide \
     again"
    )]
    SpecMoved,
    /// The spec is not at the version that the caller expects.
    #[error("the spec is at version {current}: reload it and try again")]
    SpecVersionConflict {
        /// Version now, 0 where nothing is recorded.
        current: i32,
    },
    /// A Terraform state owns the spec.
    #[error(
        "{source_name} owns this spec: change its configuration and import the state, or set takeOver: \
         true to take over the spec"
    )]
    SpecOwnedByState {
        /// The source that owns the spec: `terraform:` and the name of the state.
        source_name: String,
    },
    /// The resource may not be deleted.
    #[error("{}", unforgettable(.0))]
    NotForgettable(Unforgettable),
    /// One sync runs at a time.
    #[error("another run of this job has been active since {}", since.to_rfc3339())]
    JobAlreadyRunning {
        /// When it began.
        since: DateTime<Utc>,
    },
    /// More is changing than this subscriber takes in.
    #[error(
        "the subscription ended because its messages were read too slowly: reload the inbox and subscribe \
     again"
    )]
    Lagged,
    /// The cloud, or the inventory file, does not answer as it should.
    #[error("{0}")]
    Upstream(String),
    /// Others hold what this needs in the database. The text is for the log.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database takes no writes now, as a standby. The text is for the log.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The request took longer than it may.
    #[error("the request took too long")]
    TimedOut,
    /// The database failed us.
    #[error("database: {0}")]
    Database(DbErr),
    /// A bug, or the machine failed us.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The public code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::BadUserInput(_) => "BAD_USER_INPUT",
            Self::AlreadyResolved(_) => "ALREADY_RESOLVED",
            Self::LiveValueMoved { .. } => "LIVE_VALUE_MOVED",
            Self::SpecMoved => "SPEC_MOVED",
            Self::SpecVersionConflict { .. } => "SPEC_VERSION_CONFLICT",
            Self::SpecOwnedByState { .. } => "SPEC_OWNED_BY_STATE",
            Self::NotForgettable(_) => "NOT_FORGETTABLE",
            Self::JobAlreadyRunning { .. } => "JOB_ALREADY_RUNNING",
            Self::Lagged => "SUBSCRIPTION_LAGGED",
            Self::Upstream(_) => "UPSTREAM_UNAVAILABLE",
            Self::Busy(_) => "DATABASE_BUSY",
            Self::ReadOnly(_) => "DATABASE_READ_ONLY",
            Self::TimedOut => "REQUEST_TIMEOUT",
            Self::Database(_) | Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The text for clients: internal text stays in the log.
    pub fn public_message(&self) -> String {
        match self {
            Self::Database(_) | Self::Internal(_) => "internal error".to_owned(),
            Self::Busy(_) => "the database is busy: try again".to_owned(),
            Self::ReadOnly(_) => "the database is read-only: try again later".to_owned(),
            told => told.to_string(),
        }
    }

    /// Whether the server is to blame, so that somebody should look at the log.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Internal(_))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
                Self::Busy("no connection was free in time, or the database does not respond".to_owned())
            }
            other => Self::Database(other),
        }
    }
}

impl From<Inadmissible> for Error {
    fn from(why: Inadmissible) -> Self {
        Self::BadUserInput(why.to_string())
    }
}

fn unforgettable(why: &Unforgettable) -> String {
    match why {
        Unforgettable::StillThere => {
            "the resource exists in the cloud: only a resource that is gone or was never listed can be \
             forgotten"
                .to_owned()
        }
        Unforgettable::SpecInForce => "the resource has a spec in force: retire it first".to_owned(),
        Unforgettable::Decisions(decisions) => format!(
            "the resource has {decisions} recorded decisions: set includeHistory: true to delete them too"
        ),
    }
}

/// The status in the lower-case words of the database and of REST.
pub fn status_word(status: DriftStatus) -> &'static str {
    match status {
        DriftStatus::Open => "open",
        DriftStatus::Accepted => "accepted",
        DriftStatus::Reverted => "reverted",
        DriftStatus::Stale => "stale",
    }
}
