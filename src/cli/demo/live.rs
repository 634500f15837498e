//! `demo --live`: changes the account at an interval.

use std::io::Write as _;
use std::time::Duration;

use super::account::{Account, LiveChange};
use super::history;
use crate::app::App;
use crate::cli::{Failure, counts};
use crate::jobs::JobRequest;
use crate::services::detection::SweepCounts;
use crate::services::inbox::{self, DriftFilter};
use crate::services::inventory::SyncOptions;

/// Applies one change after the other, updates the inbox and prints the result.
pub(super) async fn run(app: App, mut account: Account, changes: Vec<LiveChange>, every: Duration) {
    for change in changes.iter().cycle() {
        tokio::time::sleep(every).await;
        let line = match step(&app, &mut account, change).await {
            Ok(line) => line,
            // The user may have started another sync at this moment. The next sync includes both changes.
            Err(failure) => format!("{}. Error: {failure}", change.description),
        };
        let now = app.clock().now().format("%H:%M:%S UTC");
        // The server continues if standard output is closed.
        _ = writeln!(anstream::stdout(), "{now}  {line}");
    }
}

async fn step(app: &App, account: &mut Account, change: &LiveChange) -> Result<String, Failure> {
    account.set(&change.target, &change.set)?;
    history::run(app, JobRequest::Sync(SyncOptions::default())).await?;
    let sweep = history::run(app, JobRequest::detect_all()).await?;
    let counts: SweepCounts = counts(&sweep)?;
    let open = inbox::count(app.db().reader(), &DriftFilter::default()).await?;
    let made = match (counts.opened, counts.changed, counts.staled) {
        (1.., ..) => "new drift",
        (_, 1.., _) => "drift changed",
        (.., 1..) => "drift closed",
        _ => "no change of drifts",
    };
    Ok(format!("{}: {made}, {open} open", change.description))
}
