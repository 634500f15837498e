//! `purge`: deletes rows that are older than the retention settings.

use super::args::PurgeArgs;
use super::{Outcome, connect, counted, print_line};
use crate::clock::Clock;
use crate::services::retention::{Purged, purge};

pub(super) async fn run(args: &PurgeArgs) -> Outcome {
    let (database, keep) = (args.database.resolve()?, args.retention.retention());
    let db = connect(&database).await?;
    let Purged {
        resources,
        specs,
        drifts,
        events,
        job_runs,
        forgotten,
        notifications,
        spec_versions,
        bulks,
        changes,
        actions,
    } = purge(&db, &keep, &Clock::System).await?;
    db.close().await?;
    print_line(format_args!(
        "purge: deleted {}, {}, {}, {}, {}, {}, {}, {}, {}, {} and {}",
        counted(resources, "resource"),
        counted(specs, "spec"),
        counted(spec_versions, "version") + " of specs",
        counted(drifts, "drift"),
        counted(events, "event"),
        counted(bulks, "bulk"),
        counted(changes, "change") + " of resources",
        counted(actions, "action"),
        counted(job_runs, "run"),
        counted(notifications, "notification"),
        counted(forgotten, "record") + " of forgotten resources",
    ))
}
