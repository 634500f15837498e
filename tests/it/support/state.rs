//! Terraform states that a test writes.

use drift_inbox::error::Error;
use drift_inbox::provider::terraform::{self, State};
use drift_inbox::services::imports::{ImportOptions, ImportSummary, import_state};
use serde_json::{Value, json};

use super::{ADMIN, TestApp};

/// Returns a state of version 4 with these instances: type, name, attributes.
pub(crate) fn state_file(
    lineage: &str,
    serial: i64,
    instances: impl IntoIterator<Item = (&'static str, String, Value)>,
) -> Value {
    let resources: Vec<Value> = instances
        .into_iter()
        .map(|(type_name, name, attributes)| {
            json!({
                "mode": "managed", "type": type_name, "name": name,
                "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
                "instances": [{"schema_version": 1, "attributes": attributes}],
            })
        })
        .collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {},
        "resources": resources,
    })
}

/// Returns a state with droplets of these names and sizes. Their ids are their names.
pub(crate) fn droplets(lineage: &str, serial: i64, droplets: &[(&str, &str)]) -> State {
    let instances = droplets.iter().map(|(name, size)| {
        let attributes = json!({"id": name, "name": name, "region": "nyc3", "size": size});
        ("digitalocean_droplet", (*name).to_owned(), attributes)
    });
    terraform::parse_value(state_file(lineage, serial, instances)).unwrap()
}

impl TestApp {
    /// Imports a state with the default options.
    pub(crate) async fn import(&self, state: &State) -> ImportSummary {
        self.try_import(state, ImportOptions::default()).await.unwrap()
    }

    pub(crate) async fn try_import(
        &self,
        state: &State,
        options: ImportOptions,
    ) -> Result<ImportSummary, Error> {
        import_state(self.db(), ADMIN, state, &options, self.now(), |_, _| {}).await
    }
}
