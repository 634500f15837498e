//! Refusals of mutations: errors that a client must expect, because the state that it saw may have moved.
//!
//! A document that selects the field `refusal` of a payload gets a refusal there, and no error. A document that does not,
//! such as those written before the field existed, gets the same facts as an error with extensions.

use async_graphql::{Context, Enum, Object};
use chrono::{DateTime, Utc};
use entity::cloud_drift;
use serde_json::Value;
use uuid::Uuid;

use super::error::{ApiError, ApiResult};
use super::loader::DriftById;
use super::types::{Drift, DriftStatus, Json};
use crate::domain::redaction::shown;
use crate::domain::retention::ForgetRefusal;
use crate::domain::undo::UndoRefusal;
use crate::error::{Conflict, Error};

/// Why a mutation was refused.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub(super) enum RefusalCode {
    /// The drift is not open any more: see `currentStatus`.
    AlreadyResolved,
    /// The live value or the revision has changed since you read the drift: see `actual` and `revision`. The drift has been
    /// updated.
    LiveValueMoved,
    /// The spec has changed since the last sweep, or since the accept that is to be undone.
    SpecMoved,
    /// The accept cannot be undone: see `reason`.
    NotUndoable,
    /// Another version of the spec is in force: see `specVersion`.
    SpecVersionConflict,
    /// A Terraform state owns the spec: see `source`.
    SpecOwnedByState,
    /// The preview is older than an hour: make a new one.
    PreviewExpired,
    /// The bulk was undone before the drift was accepted.
    BulkUndone,
    /// The resource cannot be forgotten: see `reason`.
    NotForgettable,
    /// Another ignore rule in force, or another target of notifications, has the name. Without `refusal`, the code of this
    /// error is BAD_USER_INPUT.
    NameInUse,
    /// There are as many saved views of the user, or targets of notifications, as there may be. Without `refusal`, the code
    /// of this error is BAD_USER_INPUT.
    LimitReached,
    /// The ignore rule that is to be replaced has ended. Without `refusal`, the code of this error is BAD_USER_INPUT.
    RuleEnded,
    /// The target of the message is switched off. Without `refusal`, the code of this error is BAD_USER_INPUT.
    TargetOff,
    /// A sync of the source is active: see `since`.
    JobAlreadyRunning,
    /// The plan is no evidence of the live state: see `reason`.
    PlanRefused,
    /// The state is older than the imported one, or lacks most of its resources: see `reason`. Without `refusal`, the code
    /// of this error is BAD_USER_INPUT.
    StateRefused,
    /// The resource or the drift was deleted meanwhile.
    NotFound,
    /// The resource cannot have the spec: see `message`.
    BadUserInput,
}

/// Why a mutation was refused, and what has moved. A refused mutation has no effect, except that an
/// outdated drift may be updated, and that an import that a newer one stops keeps what it has written. Fields that do not
/// apply to the code are null. Only a document that selects `refusal` gets refusals as data; otherwise they are errors
/// with the same code.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    code: RefusalCode,
    message: String,
    drift: Option<Uuid>,
    facts: Facts,
}

/// What a client learns about an error besides its code and its message.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) reason: Option<&'static str>,
    pub(super) status: Option<DriftStatus>,
    pub(super) revision: Option<i32>,
    pub(super) field: Option<String>,
    pub(super) expected: Option<Value>,
    pub(super) actual: Option<Value>,
    pub(super) spec_version: Option<i32>,
    pub(super) source: Option<String>,
    pub(super) retired_at: Option<DateTime<Utc>>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) recorded_by: Option<String>,
}

impl Facts {
    pub(super) fn of(error: &Error) -> Self {
        let mut facts = Self::default();
        match error {
            Error::AlreadyResolved(status) => facts.status = Some((*status).into()),
            Error::LiveValueMoved {
                actual,
                revision,
                status,
            } => {
                facts.actual = Some(shown(actual).into_owned());
                facts.revision = Some(*revision);
                facts.status = Some((*status).into());
            }
            Error::JobAlreadyRunning { since } => facts.since = Some(*since),
            Error::SpecVersionConflict { current } => facts.spec_version = Some(*current),
            Error::PlanRefused { code, .. } => facts.reason = Some(code),
            Error::NotForgettable(why) => facts.reason = Some(reason(why)),
            Error::NotUndoable(why) => facts.add_undo(why),
            Error::Conflict {
                conflict: Conflict::OlderState,
                ..
            } => facts.reason = Some("OLDER"),
            Error::Conflict {
                conflict: Conflict::MassRetire,
                ..
            } => facts.reason = Some("MASS_RETIRE"),
            Error::SpecOwnedByState { source_name } => facts.source = Some(source_name.clone()),
            _ => {}
        }
        facts
    }

    fn add_undo(&mut self, why: &UndoRefusal) {
        self.reason = Some(match why {
            UndoRefusal::NotAccepted(status) => {
                self.status = Some((*status).into());
                "NOT_ACCEPTED"
            }
            UndoRefusal::NotKept => "VERSION_NOT_KEPT",
            UndoRefusal::Retired { at } => {
                self.retired_at = Some(*at);
                "RETIRED"
            }
            UndoRefusal::TakenOver { source } => {
                self.source = Some(source.clone());
                "TAKEN_OVER"
            }
            UndoRefusal::ValueChanged { field, current } => {
                self.field = Some(field.clone());
                let current = current.as_ref().map(|current| shown(current).into_owned());
                self.expected = Some(current.unwrap_or_default());
                "VALUE_CHANGED"
            }
            UndoRefusal::RecordedAgain => "RECORDED_AGAIN",
            UndoRefusal::Superseded {
                field,
                version,
                recorded_by,
            } => {
                self.field = Some(field.clone());
                self.spec_version = Some(*version);
                self.recorded_by = Some(recorded_by.clone());
                "SUPERSEDED"
            }
            UndoRefusal::TooManySince => "TOO_MANY_VERSIONS",
            UndoRefusal::DecidedAgain => "DECIDED_AGAIN",
        });
    }
}

fn reason(why: &ForgetRefusal) -> &'static str {
    match why {
        ForgetRefusal::NotGone => "STILL_THERE",
        ForgetRefusal::SpecInForce => "SPEC_IN_FORCE",
        ForgetRefusal::Decisions(_) => "HAS_DECISIONS",
    }
}

impl RefusalCode {
    /// Returns the code of a refusal; None if the error is not about the state that the caller saw.
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Conflict { conflict, .. } => Some(match conflict {
                Conflict::NameInUse => Self::NameInUse,
                Conflict::LimitReached => Self::LimitReached,
                Conflict::RuleEnded => Self::RuleEnded,
                Conflict::TargetOff => Self::TargetOff,
                Conflict::OlderState | Conflict::MassRetire => Self::StateRefused,
            }),
            Error::NotFound(_) | Error::BadUserInput(_) => None,
            other => Self::parse(other.code()),
        }
    }

    /// Parses the code of an error or of a stored outcome.
    fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "ALREADY_RESOLVED" => Self::AlreadyResolved,
            "LIVE_VALUE_MOVED" => Self::LiveValueMoved,
            "SPEC_MOVED" => Self::SpecMoved,
            "NOT_UNDOABLE" => Self::NotUndoable,
            "SPEC_VERSION_CONFLICT" => Self::SpecVersionConflict,
            "SPEC_OWNED_BY_STATE" => Self::SpecOwnedByState,
            "PREVIEW_EXPIRED" => Self::PreviewExpired,
            "BULK_UNDONE" => Self::BulkUndone,
            "JOB_ALREADY_RUNNING" => Self::JobAlreadyRunning,
            "PLAN_REFUSED" => Self::PlanRefused,
            "NOT_FORGETTABLE" => Self::NotForgettable,
            "NOT_FOUND" => Self::NotFound,
            "BAD_USER_INPUT" => Self::BadUserInput,
            _ => return None,
        })
    }
}

impl Refusal {
    /// Returns the refusal that this error is; None if it is another error.
    fn of(error: &Error, drift: Option<Uuid>) -> Option<Self> {
        Some(Self {
            code: RefusalCode::of(error)?,
            message: error.public_message(),
            drift,
            facts: Facts::of(error),
        })
    }

    /// Returns the refusal of a drift of a bulk. There, also a resource that is gone or cannot have the new spec is one,
    /// because the other drifts of the bulk are done. None if the server failed.
    pub(super) fn of_item(error: &Error, drift: Uuid) -> Option<Self> {
        let code = RefusalCode::of(error).or_else(|| RefusalCode::parse(error.code()))?;
        Some(Self {
            code,
            message: error.public_message(),
            drift: Some(drift),
            facts: Facts::of(error),
        })
    }

    /// Returns the version of the spec that was in force; 0 if the refusal is not about it or there was none.
    pub(super) fn version_in_force(&self) -> i32 {
        self.facts.spec_version.unwrap_or_default()
    }

    /// Returns the stored refusal of a drift of a bulk.
    pub(super) fn stored(code: &str, message: &str, drift: Uuid) -> Option<Self> {
        Some(Self {
            code: RefusalCode::parse(code)?,
            message: message.to_owned(),
            drift: Some(drift),
            facts: Facts::default(),
        })
    }
}

/// Why a mutation was refused, and what has moved. A refused mutation has no effect, except that an
/// outdated drift may be updated, and that an import that a newer one stops keeps what it has written. Fields that do not
/// apply to the code are null. Only a document that selects `refusal` gets refusals as data; otherwise they are errors
/// with the same code.
#[Object]
impl Refusal {
    /// The reason, for programs.
    async fn code(&self) -> RefusalCode {
        self.code
    }

    /// The reason as a sentence.
    async fn message(&self) -> &str {
        &self.message
    }

    /// A more precise reason: for SPEC_MOVED of an undo VALUE_CHANGED, TAKEN_OVER, RETIRED, RECORDED_AGAIN or SUPERSEDED; for NOT_UNDOABLE
    /// NOT_ACCEPTED or VERSION_NOT_KEPT; for NOT_FORGETTABLE STILL_THERE, SPEC_IN_FORCE or HAS_DECISIONS; for STATE_REFUSED
    /// OLDER or MASS_RETIRE; for PLAN_REFUSED those of `importTerraformPlan`. Later releases may add others.
    async fn reason(&self) -> Option<&str> {
        self.facts.reason
    }

    /// The drift as it is now; null if the mutation is about no drift, or it was deleted.
    async fn drift(&self, ctx: &Context<'_>) -> ApiResult<Option<Drift>> {
        match self.drift {
            Some(id) => Ok(super::loaders(ctx)?.load_one(DriftById(id)).await?.map(Drift)),
            None => Ok(None),
        }
    }

    /// The status of the drift when the mutation was refused.
    async fn current_status(&self) -> Option<DriftStatus> {
        self.facts.status
    }

    /// The revision of the drift when the mutation was refused.
    async fn revision(&self) -> Option<i32> {
        self.facts.revision
    }

    /// The name of the field whose expected value has changed.
    async fn field(&self) -> Option<&str> {
        self.facts.field.as_deref()
    }

    /// The expected value of that field when the mutation was refused.
    async fn expected(&self) -> Option<Json> {
        self.facts.expected.clone().map(Json)
    }

    /// The live value when the mutation was refused.
    async fn actual(&self) -> Option<Json> {
        self.facts.actual.clone().map(Json)
    }

    /// The version of the spec in force when the mutation was refused, 0 if there was none; for SUPERSEDED, the version that stands
    /// in the way.
    async fn spec_version(&self) -> Option<i32> {
        self.facts.spec_version
    }

    /// The source that owns the spec: `terraform:` and the name of the state.
    async fn source(&self) -> Option<&str> {
        self.facts.source.as_deref()
    }

    /// Who recorded the version of the spec that stands in the way of an undo.
    async fn recorded_by(&self) -> Option<&str> {
        self.facts.recorded_by.as_deref()
    }

    /// When the sync began that is active.
    async fn since(&self) -> Option<DateTime<Utc>> {
        self.facts.since
    }

    /// When the spec was retired.
    async fn retired_at(&self) -> Option<DateTime<Utc>> {
        self.facts.retired_at
    }
}

/// The result of a mutation: what it did, or its refusal.
pub(super) enum Outcome<T> {
    /// The mutation was done.
    Done(T),
    /// The mutation was refused, and the document selects the refusal.
    Refused(Box<Refusal>, ApiError),
}

impl<T> Outcome<T> {
    /// Returns the outcome of a mutation about this drift.
    ///
    /// # Errors
    ///
    /// The error of the mutation, if it is no refusal or the document does not select `refusal`.
    pub(super) fn of(ctx: &Context<'_>, result: Result<T, Error>, drift: Option<Uuid>) -> ApiResult<Self> {
        let error = match result {
            Ok(done) => return Ok(Self::Done(done)),
            Err(error) => error,
        };
        match Refusal::of(&error, drift).filter(|_| selects(ctx, "refusal")) {
            Some(refusal) => Ok(Self::Refused(Box::new(refusal), error.into())),
            None => Err(error.into()),
        }
    }

    /// Returns what was done and the refusal. One of them is None.
    pub(super) fn into_parts(self) -> (Option<T>, Option<Refusal>) {
        match self {
            Self::Done(done) => (Some(done), None),
            Self::Refused(refusal, _) => (None, Some(*refusal)),
        }
    }

    /// Returns what was done; None if the mutation was refused.
    pub(super) fn done(&self) -> Option<&T> {
        match self {
            Self::Done(done) => Some(done),
            Self::Refused(..) => None,
        }
    }

    /// Returns the refusal; None if the mutation was done.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Done(_) => None,
            Self::Refused(refusal, _) => Some(refusal),
        }
    }

    /// Returns the error that the refusal is for a field of the payload that cannot be null and has nothing to show.
    pub(super) fn error(&self) -> ApiError {
        match self {
            Self::Done(_) => Error::Internal("a mutation that was done has no error".to_owned()).into(),
            Self::Refused(_, error) => error.clone(),
        }
    }
}

/// Returns whether the document selects this field of the payload.
pub(super) fn selects(ctx: &Context<'_>, field: &str) -> bool {
    ctx.look_ahead().field(field).exists()
}

/// Returns the drift that a mutation was about, and the refusal. If it was refused, the drift as it is now.
///
/// # Errors
///
/// Those of [`Outcome::of`] and [`current_drift`].
pub(super) async fn decided(
    ctx: &Context<'_>,
    result: Result<cloud_drift::Model, Error>,
    id: Uuid,
) -> ApiResult<(Drift, Option<Refusal>)> {
    let (done, refusal) = Outcome::of(ctx, result, Some(id))?.into_parts();
    let drift = match done {
        Some(drift) => Drift(drift),
        None => current_drift(ctx, id).await?,
    };
    Ok((drift, refusal))
}

/// Loads a drift that a mutation was refused for, as it is now.
///
/// # Errors
///
/// NOT_FOUND if it was deleted meanwhile.
pub(super) async fn current_drift(ctx: &Context<'_>, id: Uuid) -> ApiResult<Drift> {
    let drift = super::loaders(ctx)?.load_one(DriftById(id)).await?;
    Ok(Drift(drift.ok_or(Error::NotFound("drift"))?))
}
