//! `POST /api/v1/plans/{state}`: imports a refresh-only Terraform plan. The body is read as it arrives.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::HttpState;
use super::rest::{Admin, query};
use super::uploads::{Broken, UploadError};
use crate::error::Error;
use crate::services::plans::{
    Limits, PlanOptions, PlanSummary, Refusal, Spool, UndecidedInstance, import_plan, refuse_plan,
};

/// Imports the plan in the body. `?every=1d` is the expected time between two imports, `?allow_mass_retire=true`
/// accepts a plan that lacks more than half of the instances. The body may be compressed with gzip.
pub(super) async fn import(
    State(state): State<HttpState>,
    Admin(actor): Admin,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, UploadError> {
    let Path(name) = name.map_err(|_| Error::NotFound("page"))?;
    let (allow_mass_retire, interval) = query::plan_options(&uri)?;
    let options = PlanOptions {
        state: name,
        allow_mass_retire,
        interval,
    };
    let (db, clock) = (state.app.db(), state.app.clock());
    let spool = Spool::new(Limits::default());
    let upload = state.uploads.receive(&headers, body, spool).await?;
    let spool = match upload.body {
        Ok(spool) => spool,
        Err(Broken::Body(why)) => return Err(Error::BadUserInput(why.to_owned()).into()),
        Err(Broken::Sink(error)) => {
            let refusal = error.downcast::<Refusal>();
            let refusal = refusal.map_err(|error| Error::Internal(error.to_string()))?;
            return Err(refuse_plan(db, clock, &options.state, refusal).await.into());
        }
    };
    let summary = import_plan(db, clock, actor.name(), spool, None, &options, |_, _| {}).await?;
    drop(upload.permit);
    Ok(Json(to_json(&summary)))
}

fn to_json(summary: &PlanSummary) -> Value {
    let listed = |list: &[UndecidedInstance]| -> Vec<Value> {
        let entry = |one: &UndecidedInstance| json!({ "address": one.address, "attributes": one.attributes });
        list.iter().map(entry).collect()
    };
    json!({
        "state": summary.state,
        "made_at": summary.made_at,
        "instances": summary.instances,
        "recorded": summary.recorded,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "gone": summary.gone,
        "left": summary.left,
        "refused": summary.refused,
        "not_compared": listed(&summary.undecided),
        "undeclared_changes": listed(&summary.undeclared),
        "missing_not_decided": summary.undecided_missing,
        "swallowed": summary.swallowed,
        "opened": summary.opened,
        "updated": summary.updated,
        "closed": summary.closed,
        "open": summary.open,
    })
}
