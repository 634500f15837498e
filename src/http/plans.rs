//! `POST /api/v1/plans/{state}`: imports a refresh-only Terraform plan. The body is read as it arrives.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use chrono::TimeDelta;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::HttpState;
use super::rest::{Admin, RestError, query};
use crate::error::Error;
use crate::services::plans::{
    Limits, PlanOptions, PlanSummary, Spool, UndecidedInstance, import_plan, refuse_plan,
};

/// Imports the plan in the body. `?every=1d` is the expected time between two imports, `?allow_mass_retire=true`
/// accepts a plan that lacks more than half of the instances.
pub(super) async fn import(
    State(state): State<HttpState>,
    Admin(actor): Admin,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    body: Body,
) -> Result<Json<Value>, RestError> {
    let Path(name) = name.map_err(|_| Error::NotFound("page"))?;
    let (allow_mass_retire, interval) = query::plan_options(&uri)?;
    let options = PlanOptions {
        state: name,
        allow_mass_retire,
        interval: interval.unwrap_or(TimeDelta::days(1)),
    };
    let (db, clock) = (state.app.db(), state.app.clock());
    let mut spool = Spool::new(Limits::default());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Error::BadUserInput("the body ended early".to_owned()))?;
        if let Err(refusal) = spool.push(&piece) {
            return Err(refuse_plan(db, clock, &options.state, refusal).await.into());
        }
    }
    let summary = import_plan(db, clock, actor.name(), spool, None, &options, |_, _| {}).await?;
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
        "swallowed": summary.swallowed,
        "opened": summary.opened,
        "updated": summary.updated,
        "closed": summary.closed,
        "open": summary.open,
    })
}
