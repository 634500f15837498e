//! Helpers of all tests.

pub(crate) mod account;
pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod cloud;
pub(crate) mod db;
pub(crate) mod disk;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod graphql;
pub(crate) mod issuer;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod one_account;
pub(crate) mod page;
pub(crate) mod pgbouncer;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod served;
mod socket;
pub(crate) mod state;
pub(crate) mod stub_do;
pub(crate) mod tables;
pub(crate) mod together;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::app::App;
use drift_inbox::auth::{NewToken, TokenVerifier, issue};
use drift_inbox::clock::{Clock, ManualClock};
use drift_inbox::db::Db;
use drift_inbox::domain::actor::{RoleAliases, RolesClaim};
use drift_inbox::domain::schedule::Schedules;
use drift_inbox::error::Error;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider;
use drift_inbox::services::acceptance::{self, AcceptDrift, Accepted};
use drift_inbox::services::detection::SweepCounts;
use drift_inbox::services::inbox::{self, DriftFilter, DriftTime};
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::page::PageRequest;
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use entity::cloud_drift::{self, DriftStatus};
use entity::job_runs::JobOutcome;
use entity::{cloud_provisioned, cloud_resource_events, cloud_resources, job_runs};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::SecretString;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use self::cloud::{Cloud, Listed};
use self::db::TestDb;

pub(crate) const ADMIN: &str = "ada@example.com";
const SECRET: &str = "a secret for tests, and long enough for them";

/// A server without a TCP port. It has its own database, and a clock and a cloud that the test sets.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: ManualClock,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) router: Router,
    // Fields are dropped in order, so the database comes last: the others are connected to it.
    pub(crate) database: TestDb,
}

impl TestApp {
    /// Creates a server with an empty, migrated database. Its clock shows noon UTC on 1 January 2027.
    pub(crate) async fn new() -> Self {
        let (database, db) = TestDb::migrated().await;
        Self::over(db, database)
    }

    /// Creates a server on an open connection to the database.
    pub(crate) fn over(db: Db, database: TestDb) -> Self {
        let clock = ManualClock::at(
            DateTime::parse_from_rfc3339("2027-01-01T12:00:00Z")
                .unwrap()
                .into(),
        );
        Self::at(db, database, clock)
    }

    /// Creates a server with an empty, migrated database. Its clock shows the real time, which processes of the program
    /// on the same database use.
    pub(crate) async fn today() -> Self {
        let (database, db) = TestDb::migrated().await;
        Self::at(db, database, ManualClock::at(Clock::System.now()))
    }

    fn at(db: Db, database: TestDb, clock: ManualClock) -> Self {
        let db = db.with_time(clock.clone());
        let cloud = Arc::new(Cloud::default());
        let inventory = Arc::clone(&cloud) as Arc<dyn InventoryProvider>;
        let app = App::new(db, Clock::Manual(clock.clone()), Some(inventory));
        let router = router(HttpState::new(
            app.clone(),
            verifier(),
            ApiLimits::default(),
            true,
        ));
        Self {
            app,
            clock,
            cloud,
            router,
            database,
        }
    }

    /// Creates another server on the same database, with the same clock and cloud.
    pub(crate) async fn another_server(&self) -> App {
        let inventory = Arc::clone(&self.cloud) as Arc<dyn InventoryProvider>;
        App::new(
            self.connect().await,
            Clock::Manual(self.clock.clone()),
            Some(inventory),
        )
    }

    /// Opens another connection to the database, with the same clock.
    pub(crate) async fn connect(&self) -> Db {
        self.database.connect().await.with_time(self.clock.clone())
    }

    /// Creates a server that runs jobs on schedules, with the same connections, clock and cloud.
    pub(crate) fn scheduled(&self, schedules: Schedules) -> App {
        let inventory = Arc::clone(&self.cloud) as Arc<dyn InventoryProvider>;
        let clock = Clock::Manual(self.clock.clone());
        App::scheduled(self.db().clone(), clock, Some(inventory), schedules)
    }

    /// Makes this server run jobs on schedules.
    pub(crate) fn with_schedules(mut self, schedules: Schedules) -> Self {
        self.app = self.scheduled(schedules);
        self.router = router(HttpState::new(
            self.app.clone(),
            verifier(),
            ApiLimits::default(),
            true,
        ));
        self
    }

    pub(crate) fn db(&self) -> &Db {
        self.app.db()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn later(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Sets the resources of the cloud and syncs them.
    pub(crate) async fn cloud_has(&self, resources: impl IntoIterator<Item = Listed>) {
        self.cloud.set(resources);
        let run = self.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    }

    /// Runs a sync, after a second on the clock: a listing must start later than the previous listing to count.
    pub(crate) async fn sync(&self) -> job_runs::Model {
        self.later(TimeDelta::seconds(1));
        self.app
            .jobs()
            .run(JobRequest::Sync(SyncOptions::default()))
            .await
            .unwrap()
    }

    /// Runs a sweep of all resources.
    pub(crate) async fn sweep(&self) -> SweepCounts {
        let run = self.app.jobs().run(JobRequest::detect_all()).await.unwrap();
        let did_its_work = [Some(JobOutcome::Succeeded), Some(JobOutcome::Partial)];
        assert!(did_its_work.contains(&run.outcome), "{:?}", run.error);
        serde_json::from_value(run.counts).unwrap()
    }

    /// Returns the resource with this name.
    pub(crate) async fn resource(&self, name: &str) -> cloud_resources::Model {
        let named = cloud_resources::Entity::find().filter(cloud_resources::Column::Name.eq(name));
        named
            .one(self.db().reader())
            .await
            .unwrap()
            .expect("no resource with this name")
    }

    /// Records a spec for the resource with this name.
    pub(crate) async fn record_spec(&self, name: &str, spec: Value) -> cloud_provisioned::Model {
        self.try_record_spec(name, spec, None).await.unwrap()
    }

    pub(crate) async fn try_record_spec(
        &self,
        name: &str,
        spec: Value,
        expected_version: Option<i32>,
    ) -> Result<cloud_provisioned::Model, Error> {
        let resource_id = self.resource(name).await.id;
        let record = RecordSpec {
            resource_id,
            spec,
            source: SOURCE_API.to_owned(),
            expected_version,
            take_over: false,
            reason: None,
        };
        record_provisioned(self.db(), ADMIN, &record, self.now()).await
    }

    /// Returns the spec of the resource with this name, retired or not.
    pub(crate) async fn spec(&self, name: &str) -> cloud_provisioned::Model {
        let id = self.resource(name).await.id;
        let of_resource = cloud_provisioned::Column::ResourceId.eq(id);
        cloud_provisioned::Entity::find()
            .filter(of_resource)
            .one(self.db().reader())
            .await
            .unwrap()
            .unwrap()
    }

    /// Lists the open drifts, ordered by resource and field.
    pub(crate) async fn inbox(&self) -> Vec<cloud_drift::Model> {
        let mut open = self.drifts().await;
        open.retain(|drift| drift.status == DriftStatus::Open);
        open
    }

    /// Lists all stored drifts, ordered by resource, field and id.
    pub(crate) async fn drifts(&self) -> Vec<cloud_drift::Model> {
        cloud_drift::Entity::find()
            .order_by_asc(cloud_drift::Column::ResourceId)
            .order_by_asc(cloud_drift::Column::Field)
            .order_by_asc(cloud_drift::Column::Id)
            .all(self.db().reader())
            .await
            .unwrap()
    }

    /// Returns the only open drift of this field of the resource with this name.
    pub(crate) async fn open_drift(&self, name: &str, field: &str) -> cloud_drift::Model {
        let id = self.resource(name).await.id;
        let filter = DriftFilter {
            resource_id: Some(id),
            field: Some(field.to_owned()),
            ..DriftFilter::default()
        };
        let order = inbox::order_by(DriftTime::DetectedAt, true);
        let page = inbox::list(self.db().reader(), &filter, order, &PageRequest::first(2))
            .await
            .unwrap();
        assert_eq!(page.rows.len(), 1, "one open drift of {name} {field}");
        page.rows.into_iter().next().unwrap().1
    }

    /// Accepts a drift with its revision, like the inbox page.
    pub(crate) async fn accept(&self, drift: &cloud_drift::Model) -> Result<Accepted, Error> {
        let accept = AcceptDrift {
            drift_id: drift.id,
            revision: Some(drift.revision),
            note: None,
        };
        acceptance::accept_drift(self.db(), ADMIN, &accept, self.now()).await
    }

    /// Lists the types of the events of the resource with this name, oldest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<cloud_resource_events::EventType> {
        self.event_rows(self.resource(name).await.id)
            .await
            .into_iter()
            .map(|event| event.event_type)
            .collect()
    }

    pub(crate) async fn event_rows(&self, resource_id: Uuid) -> Vec<cloud_resource_events::Model> {
        cloud_resource_events::Entity::find()
            .filter(cloud_resource_events::Column::ResourceId.eq(resource_id))
            .order_by_asc(cloud_resource_events::Column::OccurredAt)
            .order_by_asc(cloud_resource_events::Column::Id)
            .all(self.db().reader())
            .await
            .unwrap()
    }

    /// Issues a token with these roles.
    pub(crate) fn token(&self, email: Option<&str>, roles: &[&str]) -> String {
        self.token_of("user-1", email, roles)
    }

    /// Issues a token for the user with the id `subject`.
    pub(crate) fn token_of(&self, subject: &str, email: Option<&str>, roles: &[&str]) -> String {
        let new = NewToken {
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            roles: roles.iter().map(ToString::to_string).collect(),
            ttl: std::time::Duration::from_secs(3600),
        };
        let secret = SecretString::from(SECRET);
        issue(
            &secret,
            "drift-inbox",
            "drift-inbox",
            &RolesClaim::default(),
            new,
            self.now(),
        )
        .unwrap()
    }

    /// Sends a request to the router.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

pub(crate) fn verifier() -> TokenVerifier {
    let secret = SecretString::from(SECRET);
    let (claim, aliases) = (RolesClaim::default(), RoleAliases::default());
    TokenVerifier::hs256(&secret, "drift-inbox", "drift-inbox", claim, aliases).unwrap()
}
