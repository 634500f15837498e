//! Errors of use cases, with their public codes and messages.

use chrono::{DateTime, Utc};
use entity::cloud_drift::DriftStatus;
use sea_orm::{ActiveEnum as _, ConnAcquireErr, DbErr, RuntimeErr, sqlx};
use serde_json::Value;

use crate::domain::retention::ForgetRefusal;
use crate::domain::undo::UndoRefusal;
use crate::domain::validation::InvalidInput;

/// Result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a use case. Clients distinguish errors by [`Error::code`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request has no valid token.
    #[error("authentication is required: send a bearer token")]
    Unauthenticated,
    /// The caller lacks the required role.
    #[error("the role {needed} is required")]
    Forbidden {
        /// The required role.
        needed: &'static str,
    },
    /// The object does not exist.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The request is invalid.
    #[error("{0}")]
    BadUserInput(String),
    /// The drift is no longer open.
    #[error("the drift is already {}", status_word(*.0))]
    AlreadyResolved(DriftStatus),
    /// The live value or the drift changed since the caller read it.
    #[error("the live value has changed: reload the drift and decide again")]
    LiveValueMoved {
        /// The current live value.
        actual: Value,
        /// The current revision of the drift.
        revision: i32,
        /// The current status of the drift: stale if the values no longer differ.
        status: DriftStatus,
    },
    /// The spec changed and no longer has the expected value of the drift.
    #[error(
        "the spec was changed and no longer has the value that this drift expects: run a sweep, and decide \
     again"
    )]
    SpecMoved,
    /// The accept cannot be undone.
    #[error("{}", undo_refusal_text(.0))]
    NotUndoable(UndoRefusal),
    /// The spec has another version than the caller expects.
    #[error("the spec is at version {current}: reload it and try again")]
    SpecVersionConflict {
        /// Current version, 0 if no spec is recorded.
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
    /// The plan of a Terraform state was not imported.
    #[error("{sentence}")]
    PlanRefused {
        /// Why, for programs.
        code: &'static str,
        /// Why, and which command to run.
        sentence: String,
    },
    /// The request is valid, but what is stored stands in its way.
    #[error("{sentence}")]
    Conflict {
        /// What stands in the way, for programs.
        conflict: Conflict,
        /// What stands in the way, and what helps.
        sentence: String,
    },
    /// The preview of a bulk has expired.
    #[error("the preview has expired: make a new one")]
    PreviewExpired,
    /// The resource cannot be forgotten.
    #[error("{}", forget_refusal_text(.0))]
    NotForgettable(ForgetRefusal),
    /// Another sync of the same source is active.
    #[error("another run of this job has been active since {}", since.to_rfc3339())]
    JobAlreadyRunning {
        /// When the active run began.
        since: DateTime<Utc>,
    },
    /// The subscriber reads too slowly.
    #[error(
        "the subscription ended because its messages were read too slowly: reload the inbox and subscribe \
     again"
    )]
    Lagged,
    /// The provider failed, its listing was rejected, or no source is configured.
    #[error("{0}")]
    Upstream(String),
    /// A lock or connection of the database was not free in time. The text is for the log.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The connection to the database was lost before anything was written, or none can be made. The error is for the log.
    #[error("the database does not respond: {0}")]
    Unavailable(DbErr),
    /// The database is read-only, such as a standby. The text is for the log.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The request exceeded its time limit.
    #[error("the request took too long")]
    TimedOut,
    /// The database has not confirmed a commit, so that it is unknown whether the transaction was committed.
    #[error("the database has not confirmed a commit: {0}")]
    Unconfirmed(DbErr),
    /// The database failed.
    #[error("database: {0}")]
    Database(DbErr),
    /// An unexpected failure.
    #[error("{0}")]
    Internal(String),
}

/// What is stored and stands in the way of a valid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another object has the name.
    NameInUse,
    /// There are as many objects as there may be.
    LimitReached,
    /// The ignore rule has ended.
    RuleEnded,
    /// The target of notifications is switched off.
    TargetOff,
    /// A newer serial of the Terraform state was imported.
    OlderState,
    /// More than half of the resources of the Terraform state left it.
    MassRetire,
}

impl Conflict {
    /// Returns the error of this conflict.
    pub(crate) fn because(self, sentence: impl Into<String>) -> Error {
        Error::Conflict {
            conflict: self,
            sentence: sentence.into(),
        }
    }
}

impl Error {
    /// Returns the public code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            // Conflicts have had this code before refusals had types, and clients of earlier releases expect it.
            Self::BadUserInput(_) | Self::Conflict { .. } => "BAD_USER_INPUT",
            Self::AlreadyResolved(_) => "ALREADY_RESOLVED",
            Self::LiveValueMoved { .. } => "LIVE_VALUE_MOVED",
            Self::SpecMoved => "SPEC_MOVED",
            Self::NotUndoable(
                UndoRefusal::NotAccepted(_)
                | UndoRefusal::NotKept
                | UndoRefusal::TooManySince
                | UndoRefusal::DecidedAgain,
            ) => "NOT_UNDOABLE",
            Self::NotUndoable(_) => "SPEC_MOVED",
            Self::SpecVersionConflict { .. } => "SPEC_VERSION_CONFLICT",
            Self::SpecOwnedByState { .. } => "SPEC_OWNED_BY_STATE",
            Self::PlanRefused { .. } => "PLAN_REFUSED",
            Self::PreviewExpired => "PREVIEW_EXPIRED",
            Self::NotForgettable(_) => "NOT_FORGETTABLE",
            Self::JobAlreadyRunning { .. } => "JOB_ALREADY_RUNNING",
            Self::Lagged => "SUBSCRIPTION_LAGGED",
            Self::Upstream(_) => "UPSTREAM_UNAVAILABLE",
            Self::Busy(_) | Self::Unavailable(_) => "DATABASE_BUSY",
            Self::ReadOnly(_) => "DATABASE_READ_ONLY",
            Self::TimedOut => "REQUEST_TIMEOUT",
            Self::Database(_) | Self::Unconfirmed(_) | Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }

    /// Returns the message for clients, without internal details.
    pub fn public_message(&self) -> String {
        match self {
            Self::Database(_) | Self::Unconfirmed(_) | Self::Internal(_) => "internal error".to_owned(),
            Self::Busy(_) => "the database is busy: try again".to_owned(),
            Self::Unavailable(_) => "the database does not respond: try again".to_owned(),
            Self::ReadOnly(_) => "the database is read-only: try again later".to_owned(),
            error => error.to_string(),
        }
    }

    /// Returns whether the cause is internal to the server. Such an error is logged.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Unconfirmed(_) | Self::Internal(_))
    }

    /// Returns whether the database did not answer, so that a job may succeed if it is repeated soon.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_) | Self::Unconfirmed(_))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
                Self::Busy("no connection was free in time, or the database does not respond".to_owned())
            }
            other => match sqlx_error(&other) {
                Some(error) if is_timeout(error) => Self::Busy(other.to_string()),
                Some(error) if is_closed(error) => Self::Unavailable(other),
                _ => Self::Database(other),
            },
        }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Returns whether a lock was not free in time, a statement took too long, or PostgreSQL did not answer in time.
fn is_timeout(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
        // lock_not_available, query_canceled
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("55P03" | "57014"))
        }
        _ => false,
    }
}

/// Returns whether the connection to PostgreSQL was closed, by the server or on the way, or cannot be made at present.
fn is_closed(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        // Connection exceptions; a server that shuts down, has crashed or is starting; too many connections.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || ["57P01", "57P02", "57P03", "53300"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

impl From<InvalidInput> for Error {
    fn from(why: InvalidInput) -> Self {
        Self::BadUserInput(why.to_string())
    }
}

fn forget_refusal_text(why: &ForgetRefusal) -> String {
    match why {
        ForgetRefusal::NotGone => {
            "the resource exists in the cloud: only a resource that is gone or was never listed can be \
             forgotten"
                .to_owned()
        }
        ForgetRefusal::SpecInForce => "the resource has a spec in force: retire it first".to_owned(),
        ForgetRefusal::Decisions(decisions) => format!(
            "the resource has {decisions} recorded decisions: set includeHistory: true to delete them too"
        ),
    }
}

fn undo_refusal_text(why: &UndoRefusal) -> String {
    match why {
        UndoRefusal::NotAccepted(status) => {
            format!(
                "only an accepted drift can be undone: this one is {}",
                status_word(*status)
            )
        }
        UndoRefusal::NotKept => {
            "the version of the spec before this accept is not kept: record the spec that you want".to_owned()
        }
        UndoRefusal::Retired { at } => {
            format!(
                "the spec was retired at {}: record the spec that you want",
                at.to_rfc3339()
            )
        }
        UndoRefusal::TakenOver { source } => {
            format!("{source} owns this spec since the accept: change it there")
        }
        UndoRefusal::ValueChanged { field, .. } => format!(
            "the expected value of {field} has changed since this accept: undo the later change first, or record the \
             spec that you want"
        ),
        UndoRefusal::Superseded {
            field,
            version,
            recorded_by,
        } => format!(
            "version {version} of the spec, by {recorded_by}, has another value for {field}, and a later one has the \
             accepted value again: record the spec that you want"
        ),
        UndoRefusal::TooManySince => {
            "the spec has too many versions since this accept: record the spec that you want".to_owned()
        }
        UndoRefusal::DecidedAgain => {
            "another decision about this drift was made since: it stays as it is".to_owned()
        }
        UndoRefusal::RecordedAgain => {
            "a spec was recorded after this accept: nothing is to be put in force again".to_owned()
        }
    }
}

/// Returns the status in lower case, as in the database and the REST API.
pub(crate) fn status_word(status: DriftStatus) -> String {
    status.to_value()
}
