//! `plan-revert`: prints how a live value is put back. It sends nothing.

use clap::Args;
use uuid::Uuid;

use super::{Failure, Outcome, connect, print};
use crate::config::DatabaseArgs;
use crate::domain::revert::{Call, Effect, Outcome as FieldOutcome};
use crate::services::revert_plan::{self, FieldResult, RevertPlan, Wanted};

#[derive(Args, Debug)]
pub(super) struct PlanRevertArgs {
    /// Id of an open drift
    #[arg(value_name = "ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn run(args: &PlanRevertArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let plan = revert_plan::plan(&db, &Wanted::Drift(args.id)).await?;
    db.close().await?;
    match plan {
        Some(plan) => print(text(&plan).as_bytes()),
        None => Err(Failure::Failed(format!(
            "there is no drift with the id {}",
            args.id
        ))),
    }
}

/// Returns the plan as text.
fn text(plan: &RevertPlan) -> String {
    let mut text = String::new();
    for field in &plan.fields {
        let name = &field.field;
        let line = match &field.result {
            FieldResult::Planned(FieldOutcome::Calls(_)) => continue,
            FieldResult::Planned(FieldOutcome::Cannot(_, why)) => format!("{name}: {why}"),
            FieldResult::Equal => {
                format!("{name}: the values are equal by now; the next sweep closes the drift.")
            }
            FieldResult::NotExpected => format!("{name}: the spec no longer names the field."),
        };
        push(&mut text, &line);
    }
    if let Some(terraform) = &plan.terraform {
        push(&mut text, &terraform.plan);
        push(&mut text, &terraform.apply);
    }
    for (at, call) in plan.calls.iter().enumerate() {
        push(
            &mut text,
            &format!("{}. {} {}", at + 1, call.method.word(), call.path),
        );
        for line in lines_of(call) {
            push(&mut text, &format!("   {line}"));
        }
    }
    if !plan.calls.is_empty() {
        push(
            &mut text,
            "Nothing was sent. The sweep after the next complete listing closes the drift.",
        );
    }
    text
}

fn lines_of(call: &Call) -> Vec<String> {
    let effect = match call.effect {
        Effect::None => None,
        Effect::Reboots => Some("the resource restarts"),
        Effect::PowersOff => Some("the resource is powered off"),
        Effect::Replaced => Some("parts of the resource are replaced"),
        Effect::Irreversible => Some("cannot be undone"),
        Effect::DestroysData => Some("data is lost"),
    };
    let mut lines: Vec<String> = call.body.iter().map(ToString::to_string).collect();
    lines.extend(effect.map(|effect| format!("effect: {effect}")));
    let placeholders = call.placeholders.iter();
    lines.extend(
        placeholders.map(|placeholder| format!("replace {} by {}", placeholder.text, placeholder.meaning)),
    );
    lines.extend(Some(call.note.clone()).filter(|note| !note.is_empty()));
    lines.extend(call.command.clone().or_else(|| call.curl.clone()));
    lines
}

/// Adds a line. Control characters of live values could act on the terminal.
fn push(text: &mut String, line: &str) {
    for letter in line.chars() {
        if letter.is_control() {
            text.push_str(&letter.escape_unicode().to_string());
        } else {
            text.push(letter);
        }
    }
    text.push('\n');
}
