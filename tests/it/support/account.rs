//! A DigitalOcean account that is synced from the stub.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider;
use drift_inbox::provider::digitalocean::{ApiToken, ApiUrl, DigitalOcean, Limits};
use drift_inbox::services::inventory::{SyncCounts, SyncOptions};
use entity::{cloud_resources, job_runs};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use super::TestApp;
use super::stub_do::{StubDo, TOKEN};

/// A server whose source of the inventory is the stub.
pub(crate) struct Account {
    pub(crate) app: App,
    pub(crate) stub: StubDo,
    pub(crate) t: TestApp,
}

/// Limits for tests: as short as possible, but enough for a loaded machine.
pub(crate) fn limits() -> Limits {
    Limits {
        per_minute: 6_000_000,
        burst: 1_000_000,
        request_timeout: Duration::from_secs(10),
        retry_for: Duration::from_millis(50),
        first_request: Duration::from_millis(50),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        default_rate_limit_wait: Duration::from_millis(5),
        max_rate_limit_wait: Duration::from_millis(60),
        body_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

impl Account {
    pub(crate) async fn new() -> Self {
        Self::with(limits()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let (t, stub) = (TestApp::new().await, StubDo::start().await);
        let clock = Clock::Manual(t.clock.clone());
        let token = ApiToken::new(&TOKEN.into()).unwrap();
        let api = ApiUrl::parse(&stub.url).unwrap();
        let provider = DigitalOcean::new(api, &token, limits, clock.clone()).unwrap();
        let inventory: Arc<dyn InventoryProvider> = Arc::new(provider);
        let app = App::new(t.db().clone(), clock, Some(inventory));
        Self { app, stub, t }
    }

    pub(crate) async fn sync(&self) -> job_runs::Model {
        self.sync_with(SyncOptions::default()).await
    }

    pub(crate) async fn sync_with(&self, options: SyncOptions) -> job_runs::Model {
        self.t.later(TimeDelta::seconds(1));
        self.app.jobs().run(JobRequest::Sync(options)).await.unwrap()
    }

    /// Lists the resources of a kind that are not gone, ordered by provider id.
    pub(crate) async fn present(&self, kind: &str) -> Vec<cloud_resources::Model> {
        cloud_resources::Entity::find()
            .filter(cloud_resources::Column::Kind.eq(kind))
            .filter(cloud_resources::Column::GoneAt.is_null())
            .order_by_asc(cloud_resources::Column::ProviderId)
            .all(self.t.db().reader())
            .await
            .unwrap()
    }
}

pub(crate) fn counts(run: &job_runs::Model) -> SyncCounts {
    serde_json::from_value(run.counts.clone()).unwrap()
}

/// Returns a droplet of the API with this id.
pub(crate) fn droplet(number: u64) -> Value {
    json!({
        "id": number, "name": format!("web-{number}"), "status": "active", "locked": false,
        "features": ["monitoring"], "size_slug": "s-1vcpu-1gb", "region": { "slug": "nyc3" },
        "image": { "id": 7, "slug": "debian-13-x64" }, "volume_ids": [], "tags": ["web"],
        "networks": { "v4": [{ "ip_address": "203.0.113.7", "type": "public" }], "v6": [] },
        "vpc_uuid": "vpc-1"
    })
}
