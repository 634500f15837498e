//! Checks of the database and of what is stored in it.

use chrono::{DateTime, TimeDelta, Utc};
use entity::job_runs::Job;
use secrecy::ExposeSecret as _;

use super::bounded;
use super::report::Check;
use crate::cli::args::ServeArgs;
use crate::clock::Clock;
use crate::config::DatabaseConfig;
use crate::db::{Db, Migrations, reach, shown_address};
use crate::domain::freshness::MaxAge;
use crate::error::{Error, Result};
use crate::services::{job_runs, notifications, sources};

/// Connections of the doctor.
const CONNECTIONS: u32 = 4;
/// Difference of clocks, in milliseconds, from which times of servers disagree visibly.
const SKEW: i64 = 2_000;
/// Free space, in bytes, below which a database may soon be full.
const LITTLE: u64 = 1 << 30;
/// Free space, in bytes, below which writes are about to fail.
const NEXT_TO_NOTHING: u64 = 64 << 20;
const MIB: u64 = 1 << 20;

pub(super) async fn check(config: Option<&DatabaseConfig>, serve: &ServeArgs) -> Vec<Check> {
    let Some(config) = config else {
        return vec![Check::skipped("database", "its settings are not valid")];
    };
    let (connected, db) = connect(config).await;
    let Some(db) = db else {
        let rest = ["migrations", "clock", "sources", "sweep", "notifications"];
        let skipped = rest.map(|name| Check::skipped(name, "the database cannot be used"));
        return std::iter::once(connected).chain(skipped).collect();
    };
    let mut checks = vec![connected];
    let migrations = db.migrations().await;
    let is_complete = migrations.as_ref().is_ok_and(|known| known.missing == 0);
    checks.push(of_migrations(migrations, config.migrate));
    checks.push(bounded("clock", clock(&db)).await);
    checks.extend(space(&db));
    if is_complete {
        checks.push(bounded("writes", writes(&db)).await);
        let max_age = serve.max_age.max_age(&serve.schedule.sync);
        let (sources, sweep, targets) = tokio::join!(
            of_sources(&db, &max_age),
            bounded("sweep", sweep(&db, serve)),
            targets(&db)
        );
        checks.extend(sources);
        checks.push(sweep);
        checks.push(targets);
    } else {
        let rest = ["writes", "sources", "sweep", "notifications"];
        checks.extend(rest.map(|name| Check::skipped(name, "migrations are missing")));
    }
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the database was not closed");
    }
    checks
}

async fn connect(config: &DatabaseConfig) -> (Check, Option<Db>) {
    let url = config.url.expose_secret();
    let address = shown_address(url);
    let connected = async {
        reach(url).await?;
        let db = Db::connect(url, CONNECTIONS).await?;
        let version = db.version().await?;
        Ok::<_, Error>((db, version))
    };
    let advice = "Check DATABASE_URL, that the database runs, and that this machine reaches it. A new SQLite database \
                  is created by drift-inbox migrate";
    match tokio::time::timeout(super::LIMIT, connected).await {
        Ok(Ok((db, version))) => (
            Check::ok("database", format!("{version}, at {address}")),
            Some(db),
        ),
        Ok(Err(error)) => (
            Check::failed("database", format!("{address} cannot be used: {error}"), advice),
            None,
        ),
        Err(_) => {
            let text = format!("{address}: no answer within {} s", super::LIMIT.as_secs());
            (Check::failed("database", text, advice), None)
        }
    }
}

fn of_migrations(migrations: Result<Migrations>, runs_at_start: bool) -> Check {
    let name = "migrations";
    match migrations {
        Err(error) => Check::failed(
            name,
            error,
            "Check that the user of the database may read its tables",
        ),
        Ok(Migrations {
            missing: 0,
            newer: 0,
            schema,
        }) => Check::ok(name, format!("up to date, at {schema}")),
        Ok(Migrations {
            missing: 0,
            newer,
            schema,
        }) => Check::warning(
            name,
            format!("of a newer release: {newer}, at {schema}"),
            "Upgrade this server too: docs/operations.md, Upgrade",
        ),
        Ok(Migrations { missing, .. }) if runs_at_start => Check::warning(
            name,
            format!("missing: {missing}"),
            "The next start of the server runs them, or run drift-inbox migrate",
        ),
        Ok(Migrations { missing, .. }) => Check::failed(
            name,
            format!("missing: {missing}, and DRIFT_MIGRATE is off"),
            "Run drift-inbox migrate",
        ),
    }
}

async fn writes(db: &Db) -> Check {
    match db.check_ready().await {
        Ok(()) => Check::ok("writes", "a write was committed and read back"),
        Err(why) => Check::failed(
            "writes",
            format!("the database {}: {}", why.summary, why.detail),
            "Check the rights of the user, the free space, and that the database is not a standby",
        ),
    }
}

async fn clock(db: &Db) -> Check {
    match db.clock_difference().await {
        Ok(None) => Check::ok("clock", "SQLite uses the clock of this machine"),
        Ok(Some(ahead)) => {
            let text = format!(
                "the clock of the database is {:+.3} s from that of this machine",
                ahead.num_milliseconds() as f64 / 1000.0
            );
            if ahead.num_milliseconds().abs() < SKEW {
                Check::ok("clock", text)
            } else {
                Check::warning(
                    "clock",
                    text,
                    "Let NTP set both clocks: tokens and schedules depend on them",
                )
            }
        }
        Err(error) => Check::failed("clock", error, "Check that the database responds"),
    }
}

fn space(db: &Db) -> Option<Check> {
    let space = match db.space() {
        Ok(space) => space?,
        Err(error) => {
            return Some(Check::failed(
                "space",
                error,
                "Check the file system of the database",
            ));
        }
    };
    let text = format!(
        "{} MiB are free, and the database has {} MiB",
        space.free / MIB,
        space.used / MIB
    );
    let advice = "Free space on the file system: a backup needs as much as the database has";
    Some(if space.free < NEXT_TO_NOTHING {
        Check::failed("space", text, advice)
    } else if space.free < LITTLE.max(space.used * 2) {
        Check::warning("space", text, advice)
    } else {
        Check::ok("space", text)
    })
}

/// Returns how long ago something was.
fn ago(at: DateTime<Utc>) -> String {
    let age = (Clock::System.now() - at).max(TimeDelta::zero());
    let seconds = std::time::Duration::from_secs(age.num_seconds().unsigned_abs());
    format!("{} ago", humantime::format_duration(seconds))
}

async fn of_sources(db: &Db, max_age: &MaxAge) -> Vec<Check> {
    let listed = match tokio::time::timeout(super::LIMIT, sources::list(db, max_age)).await {
        Ok(Ok(listed)) => listed,
        Ok(Err(error)) => {
            return vec![Check::failed(
                "sources",
                error,
                "Check that the database responds",
            )];
        }
        Err(_) => {
            return vec![Check::failed(
                "sources",
                "no answer in time",
                "Check the load of the database",
            )];
        }
    };
    if listed.is_empty() {
        let advice = "Run drift-inbox sync or drift-inbox import-plan, or start the server";
        return vec![Check::warning("sources", "no source is registered", advice)];
    }
    let checks = listed.iter().map(|source| {
        let name = format!("source {}", source.row.name);
        let age = source.last_success_at.map_or_else(|| "never".to_owned(), ago);
        let text = format!("{}; last good listing: {age}", source.state.text());
        match (&source.reason, source.state.is_recent()) {
            (None, true) => Check::ok(&name, text),
            (reason, _) => {
                let why = reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                let advice = "Run drift-inbox sync and read its output. A source that no longer exists is ended with \
                              drift-inbox sources retire NAME --yes";
                Check::warning(&name, format!("{text}{why}"), advice)
            }
        }
    });
    checks.collect()
}

async fn sweep(db: &Db, serve: &ServeArgs) -> Check {
    let schedule = serve.schedule.schedules(serve.retention.retention()).detect;
    let max_age = schedule.map_or_else(MaxAge::default, MaxAge::twice_the_interval);
    let advice = "Look at the log of the server, or run drift-inbox detect";
    match job_runs::last_success(db, Job::DetectDrift, None).await {
        Ok(None) => Check::warning("sweep", "no sweep has succeeded yet", advice),
        Ok(Some(at)) if max_age.is_exceeded(at, Clock::System.now()) => Check::warning(
            "sweep",
            format!("the last good one was {}, which is overdue", ago(at)),
            advice,
        ),
        Ok(Some(at)) => Check::ok("sweep", format!("the last good one was {}", ago(at))),
        Err(error) => Check::failed("sweep", error, "Check that the database responds"),
    }
}

async fn targets(db: &Db) -> Check {
    let name = "notifications";
    let listed = tokio::time::timeout(super::LIMIT, notifications::list(db.reader())).await;
    let targets = match listed {
        Ok(Ok(targets)) => targets,
        Ok(Err(error)) => return Check::failed(name, error, "Check that the database responds"),
        Err(_) => return Check::failed(name, "no answer in time", "Check the load of the database"),
    };
    let problems: Vec<String> = targets
        .iter()
        .filter_map(|target| Some(format!("{} {}", target.name, notifications::problem_of(target)?)))
        .collect();
    if problems.is_empty() {
        let active = targets.iter().filter(|target| target.enabled).count();
        return Check::ok(
            name,
            format!("targets that are on: {active}; each has what it needs"),
        );
    }
    let advice = "Set the address again, or make a new secret: drift-inbox notify set NAME --help";
    Check::failed(name, problems.join("; "), advice)
}
