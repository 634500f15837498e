//! Measures how long an accept takes while a sync writes a large inventory.
//!
//! `DATABASE_URL` names an empty database; the default is a temporary SQLite file. `RESOURCES` is the number of
//! resources that the sync writes; the default is 200,000.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this benchmark prints its result and stops at the first error"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::Db;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::file::InventoryFile;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use drift_inbox::services::inventory::SyncOptions;
use entity::cloud_drift::{self, DriftStatus};
use entity::{cloud_provisioned, cloud_resources};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

/// Number of drifts to accept.
const DRIFTS: usize = 2_000;
/// Delay between two accepts.
const PAUSE: Duration = Duration::from_millis(100);

fn volumes() -> impl Iterator<Item = Value> {
    (0..DRIFTS).map(|n| {
        json!({ "kind": "volume", "providerId": format!("v-{n}"), "name": format!("data-{n}"), "region": "fra1" })
    })
}

fn droplets(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|n| {
        json!({ "kind": "droplet", "providerId": format!("{n}"), "name": format!("web-{n}"), "region": "nyc3",
                "sizeSlug": "s-1vcpu-1gb", "status": "active", "tags": ["web"],
                "attrs": { "backups": false, "ipv6": true, "monitoring": true, "image": "debian-13-x64" } })
    })
}

fn write_inventory(path: &std::path::Path, resources: impl Iterator<Item = Value>) {
    let resources: Vec<Value> = resources.collect();
    let text = json!({ "provider": "digitalocean", "resources": resources }).to_string();
    std::fs::write(path, text).unwrap();
}

/// Records a spec with another region for each volume, and returns the resulting drifts.
async fn drifts(app: &App) -> Vec<cloud_drift::Model> {
    let (db, now) = (app.db(), app.clock().now());
    let stored = cloud_resources::Entity::find().all(db.reader()).await.unwrap();
    let specs: Vec<_> = stored
        .iter()
        .map(|resource| cloud_provisioned::ActiveModel {
            id: Set(Uuid::now_v7()),
            resource_id: Set(resource.id),
            spec: Set(json!({ "region": "nyc3" })),
            spec_version: Set(1),
            source: Set("api".to_owned()),
            recorded_by: Set("bench".to_owned()),
            recorded_at: Set(now),
            retired_at: Set(None),
            created_at: Set(now),
            not_compared: Set(None),
            address: Set(None),
        })
        .collect();
    let specs = &specs;
    db.write_txn(|txn| async move {
        for chunk in specs.chunks(500) {
            cloud_provisioned::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&*txn)
                .await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    app.jobs().run(JobRequest::detect_all()).await.unwrap();
    cloud_drift::Entity::find()
        .filter(cloud_drift::Column::Status.eq(DriftStatus::Open))
        .all(db.reader())
        .await
        .unwrap()
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = format!("sqlite://{}?mode=rwc", folder.path().join("bench.db").display());
    let url = std::env::var("DATABASE_URL").unwrap_or(temporary);
    let resources = std::env::var("RESOURCES").map_or(200_000, |count| count.parse().unwrap());
    let db = Db::connect(&url, 16).await.unwrap();
    db.migrate().await.unwrap();
    let file = folder.path().join("inventory.json");
    let app = App::new(db, Clock::System, Some(Arc::new(InventoryFile::new(&file))));
    let sync = || JobRequest::Sync(SyncOptions::default());
    write_inventory(&file, volumes());
    app.jobs().run(sync()).await.unwrap();
    let drifts = drifts(&app).await;
    write_inventory(&file, volumes().chain(droplets(resources)));

    let started = Instant::now();
    let syncing = app.clone();
    let syncing = tokio::spawn(async move { syncing.jobs().run(sync()).await });
    let (mut durations, mut failed) = (Vec::new(), Vec::new());
    for drift in &drifts {
        if syncing.is_finished() {
            break;
        }
        let accept = AcceptDrift {
            drift_id: drift.id,
            revision: Some(drift.revision),
            note: None,
        };
        let accept_started = Instant::now();
        if let Err(error) = accept_drift(app.db(), "bench", &accept, app.clock().now()).await {
            failed.push(error.to_string());
        }
        durations.push(accept_started.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    let run = syncing.await.unwrap().unwrap();
    println!(
        "sync of {resources}: {:?} in {:.1} s",
        run.outcome,
        started.elapsed().as_secs_f64()
    );
    durations.sort_unstable();
    let at =
        |part: usize| durations.get((durations.len() * part / 100).min(durations.len().saturating_sub(1)));
    println!(
        "{} accepts, {} failed: p50 {:?}, p99 {:?}, max {:?}",
        durations.len(),
        failed.len(),
        at(50),
        at(99),
        durations.last()
    );
    if let Some(error) = failed.first() {
        println!("first failure: {error}");
    }
}
