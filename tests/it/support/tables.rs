//! Reads the content of the tables, and records the statements that write to them.

use std::sync::{Arc, Mutex};

use entity::{
    cloud_drift, cloud_provisioned, cloud_resource_events, cloud_resources, inventory_kinds, job_runs,
};
use sea_orm::{ActiveValue::Set, Database, EntityTrait, QueryOrder};
use serde_json::json;
use uuid::Uuid;

use super::TestApp;
use super::db::TestDb;

/// The content of all tables except `job_runs`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tables {
    pub(crate) resources: Vec<cloud_resources::Model>,
    pub(crate) specs: Vec<cloud_provisioned::Model>,
    pub(crate) drifts: Vec<cloud_drift::Model>,
    pub(crate) events: Vec<cloud_resource_events::Model>,
    pub(crate) kinds: Vec<inventory_kinds::Model>,
}

/// The recorded INSERT, UPDATE and DELETE statements.
#[derive(Clone, Default)]
pub(crate) struct Writes(Arc<Mutex<Vec<String>>>);

impl Writes {
    /// Returns the statements since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Returns the tables that were written to since the last call, without duplicates.
    pub(crate) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = self
            .take()
            .iter()
            .filter_map(|sql| sql.split('"').nth(1).map(str::to_owned))
            .collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    fn record(&self, sql: &str) {
        if ["INSERT", "UPDATE", "DELETE"]
            .iter()
            .any(|verb| sql.starts_with(verb))
        {
            self.0.lock().unwrap().push(sql.to_owned());
        }
    }
}

impl TestApp {
    /// Creates a server whose write statements are recorded.
    pub(crate) async fn watched() -> (Self, Writes) {
        let (database, db) = TestDb::migrated().await;
        let writes = Writes::default();
        let recorder = writes.clone();
        let db = db.observed(move |info| recorder.record(&info.statement.sql));
        (Self::over(db, database), writes)
    }

    pub(crate) async fn tables(&self) -> Tables {
        let reader = self.db().reader();
        let resources = cloud_resources::Entity::find().order_by_asc(cloud_resources::Column::Id);
        let specs = cloud_provisioned::Entity::find().order_by_asc(cloud_provisioned::Column::Id);
        let events = cloud_resource_events::Entity::find().order_by_asc(cloud_resource_events::Column::Id);
        let kinds = inventory_kinds::Entity::find()
            .order_by_asc(inventory_kinds::Column::Provider)
            .order_by_asc(inventory_kinds::Column::Kind);
        Tables {
            resources: resources.all(reader).await.unwrap(),
            specs: specs.all(reader).await.unwrap(),
            drifts: self.drifts().await,
            events: events.all(reader).await.unwrap(),
            kinds: kinds.all(reader).await.unwrap(),
        }
    }

    /// Lists all runs, oldest first.
    pub(crate) async fn runs(&self) -> Vec<job_runs::Model> {
        let runs = job_runs::Entity::find().order_by_asc(job_runs::Column::Id);
        runs.all(self.db().reader()).await.unwrap()
    }

    /// Inserts an unsynced droplet.
    pub(crate) async fn imported(&self, name: &str) {
        let row = cloud_resources::ActiveModel {
            id: Set(Uuid::now_v7()),
            provider: Set("digitalocean".to_owned()),
            kind: Set("droplet".to_owned()),
            provider_id: Set(name.to_owned()),
            urn: Set(format!("do:droplet:{name}")),
            name: Set(name.to_owned()),
            tags: Set(json!([])),
            attrs: Set(json!({})),
            revision: Set(1),
            first_seen_at: Set(None),
            ..Default::default()
        };
        let connection = Database::connect(&self.database.url).await.unwrap();
        cloud_resources::Entity::insert(row)
            .exec_without_returning(&connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}
