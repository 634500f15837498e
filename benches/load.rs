//! Measures sweeps and queries at several sizes of the inventory, so that growth is visible.
//!
//! `cargo bench --bench load -- 10000 100000` generates that many resources with twelve fields each, 1 % of which
//! differ, and prints one row per size. `DATABASE_URL` names an empty PostgreSQL database, which is emptied between
//! the sizes; the default is a temporary SQLite file.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that measures, and stops at the first error"
)]

use std::time::Instant;

use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::Db;
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::coverage;
use drift_inbox::services::inbox::{self, DriftFilter, DriftTime};
use drift_inbox::services::page::PageRequest;
use entity::{cloud_provisioned as specs, cloud_resources as resources};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, NotSet};
use serde_json::{Value, json};
use uuid::Uuid;

/// Sizes that are measured if the command line has none.
const SIZES: [usize; 2] = [1_000, 10_000];
/// Number of rows per INSERT.
const ROWS: usize = 500;
/// One of this many fields differs.
const DIFFERING: u64 = 100;
/// Number of times that a query runs; the mean is printed.
const REPETITIONS: u32 = 20;
const REGIONS: [&str; 4] = ["nyc1", "fra1", "ams3", "sgp1"];
const KINDS: [&str; 4] = ["droplet", "volume", "database", "firewall"];

/// A generator of numbers that returns the same sequence in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of<'t>(&mut self, values: &[&'t str]) -> &'t str {
        let n = usize::try_from(self.next() % values.len() as u64).unwrap();
        values[n]
    }
}

/// Returns the live fields of a resource and its spec. About a third of the equal values have another JSON form.
fn fields(n: usize, numbers: &mut Numbers) -> (Value, Value, &'static str) {
    let region = REGIONS[n % REGIONS.len()];
    let (disk, keys) = (
        numbers.next() % 320,
        [numbers.next() % 1_000_000, numbers.next() % 1_000_000],
    );
    let attrs = json!({
        "image": "debian-13-x64",
        "disk_gb": disk.to_string(),
        "monitoring": numbers.next().is_multiple_of(2),
        "labels": ["web", "prod", format!("team:{}", n % 40)],
        "ssh_keys": [keys[1], keys[0]],
        "networks": { "v4": [{ "ip": format!("10.0.0.{}", n % 250), "type": "public" }], "v6": [] },
        "backup_policy": { "enabled": true, "window": { "hours": numbers.next() % 8, "start": "02:00" } },
        "created_at": "2026-01-01T00:00:00Z",
        "kernel": { "id": numbers.next() % 9_999, "version": "6.1.0-18-cloud-amd64" },
    });
    let mut spec = attrs.clone();
    let fields = spec.as_object_mut().unwrap();
    fields.remove("created_at");
    fields.remove("kernel");
    fields.insert("disk_gb".to_owned(), disk.into());
    fields.insert("ssh_keys".to_owned(), json!(keys));
    for (field, value) in [
        ("name", format!("node-{n}")),
        ("region", region.to_owned()),
        ("status", "active".to_owned()),
    ] {
        fields.insert(field.to_owned(), value.into());
    }
    fields.insert(
        "size_slug".to_owned(),
        numbers.one_of(&["s-1vcpu-1gb", "s-2vcpu-4gb"]).into(),
    );
    fields.insert("vpc_uuid".to_owned(), Value::Null);
    for (_, value) in fields.iter_mut() {
        if numbers.next().is_multiple_of(DIFFERING) {
            *value = json!("another value");
        }
    }
    (attrs, spec, region)
}

async fn fill(db: &Db, size: usize, now: chrono::DateTime<chrono::Utc>) {
    let mut numbers = Numbers(7);
    for first in (0..size).step_by(ROWS) {
        let (mut live, mut desired) = (Vec::new(), Vec::new());
        for n in first..(first + ROWS).min(size) {
            let (attrs, spec, region) = fields(n, &mut numbers);
            let id = Uuid::now_v7();
            live.push(resources::ActiveModel {
                id: Set(id),
                provider: Set("digitalocean".to_owned()),
                kind: Set(KINDS[n % KINDS.len()].to_owned()),
                provider_id: Set(n.to_string()),
                urn: Set(format!("do:{n}")),
                name: Set(format!("node-{n}")),
                region: Set(Some(region.to_owned())),
                size_slug: Set(spec["size_slug"].as_str().map(str::to_owned)),
                status: Set(Some("active".to_owned())),
                attrs: Set(attrs),
                first_seen_at: Set(Some(now)),
                ..Default::default()
            });
            desired.push(specs::ActiveModel {
                id: Set(Uuid::now_v7()),
                resource_id: Set(id),
                spec: Set(spec),
                spec_version: Set(1),
                source: Set("api".to_owned()),
                recorded_by: Set("bench".to_owned()),
                recorded_at: Set(now),
                retired_at: NotSet,
                created_at: Set(now),
                not_compared: NotSet,
                address: NotSet,
            });
        }
        db.write_txn(|txn| {
            let (live, desired) = (live.clone(), desired.clone());
            async move {
                resources::Entity::insert_many(live)
                    .exec_without_returning(&*txn)
                    .await?;
                specs::Entity::insert_many(desired)
                    .exec_without_returning(&*txn)
                    .await?;
                Ok(())
            }
        })
        .await
        .unwrap();
    }
    let analyze = if db.backend() == DbBackend::Postgres {
        "VACUUM ANALYZE"
    } else {
        "ANALYZE"
    };
    db.reader().execute_unprepared(analyze).await.unwrap();
}

async fn sweep(app: &App) -> f64 {
    let started = Instant::now();
    app.jobs().run(JobRequest::detect_all()).await.unwrap();
    started.elapsed().as_secs_f64()
}

/// Returns the mean time of a query in milliseconds.
async fn mean<F: Future>(query: impl Fn() -> F) -> f64 {
    query().await;
    let started = Instant::now();
    for _ in 0..REPETITIONS {
        query().await;
    }
    started.elapsed().as_secs_f64() * 1e3 / f64::from(REPETITIONS)
}

async fn measure(db: &Db, size: usize) {
    let app = App::new(db.clone(), Clock::System, None);
    fill(db, size, app.clock().now()).await;
    let (first, steady) = (sweep(&app).await, sweep(&app).await);
    let filter = DriftFilter::default();
    let page = mean(async || {
        let order = inbox::order_by(DriftTime::DetectedAt, true);
        inbox::list(db.reader(), &filter, order, &PageRequest::first(50))
            .await
            .unwrap()
    })
    .await;
    let covered = mean(async || coverage::by_kind(db.reader()).await.unwrap()).await;
    let per_row = |seconds: f64| seconds * 1e6 / size as f64;
    println!(
        "| {size:>9} | {first:>9.2} s | {:>7.1} | {steady:>9.3} s | {:>7.2} | {page:>7.2} | {covered:>7.2} |",
        per_row(first),
        per_row(steady)
    );
}

#[tokio::main]
async fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.extend(SIZES);
    }
    println!("| resources | first sweep | µs each | next sweep  | µs each | page ms | coverage ms |");
    println!("| --: | --: | --: | --: | --: | --: | --: |");
    for size in sizes {
        let folder = tempfile::tempdir().unwrap();
        let temporary = format!("sqlite://{}?mode=rwc", folder.path().join("bench.db").display());
        let url = std::env::var("DATABASE_URL").unwrap_or(temporary);
        let db = Db::connect(&url, 16).await.unwrap();
        db.migrate().await.unwrap();
        if db.backend() == DbBackend::Postgres {
            let empty = "TRUNCATE cloud_resource_events, cloud_drift, cloud_provisioned, cloud_resources, job_runs CASCADE";
            db.reader().execute_unprepared(empty).await.unwrap();
        }
        measure(&db, size).await;
        db.close().await.unwrap();
    }
}
