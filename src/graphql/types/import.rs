//! Imports of Terraform states.

use async_graphql::{ID, InputObject, SimpleObject};
use serde_json::Value;

use super::{Json, MAX_SHOWN, SpecSourceKind};
use crate::error::Error;
use crate::graphql::refusal::Refusal;
use crate::provider::terraform::{self, State};
use crate::services::imports::{self, ImportOptions};

/// Input of `importTerraformState`.
#[derive(InputObject)]
pub(in crate::graphql) struct ImportTerraformStateInput {
    /// The state: a state file of version 4 or the output of `terraform show -json`, as JSON or as a string that
    /// contains JSON. A request may have at most 1 MiB by default; import larger states with `drift-inbox
    /// import-terraform`.
    #[graphql(secret)]
    state: Json,
    /// The name of the state. Use the same name for each import of the state. Required for the output of `show
    /// -json`. For a state file, the default is the lineage in the file; give a name to distinguish two states
    /// with the same lineage.
    lineage: Option<String>,
    /// Whether to import a state even if more than half of its resources have left it.
    #[graphql(default)]
    allow_mass_retire: bool,
    /// Whether to take over specs with the source `api` or `baseline`. Specs of another state are never taken
    /// over.
    #[graphql(default)]
    take_over: bool,
    /// Whether to return the summary without writing anything.
    #[graphql(default)]
    dry_run: bool,
}

impl ImportTerraformStateInput {
    pub(in crate::graphql) fn parse(self) -> Result<(State, ImportOptions), Error> {
        let state = match self.state.0 {
            Value::String(text) => terraform::parse(text.as_bytes()),
            json => terraform::parse_value(json),
        };
        let options = ImportOptions {
            lineage: self.lineage,
            allow_mass_retire: self.allow_mass_retire,
            take_over: self.take_over,
            dry_run: self.dry_run,
        };
        Ok((
            state.map_err(|why| Error::BadUserInput(why.to_string()))?,
            options,
        ))
    }
}

/// Result of `importTerraformState`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportTerraformStatePayload {
    /// The summary of the import; null if it was refused.
    pub(in crate::graphql) summary: Option<ImportSummary>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// The summary of an import. After a dry run, what the import would do.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportSummary {
    /// The name of the state. Its specs have the source `terraform:` and this name.
    lineage: String,
    /// The lineage in the state file, if the state was imported under another name; otherwise null.
    own_lineage: Option<String>,
    /// The serial of the state; null if the state has none.
    serial: Option<i64>,
    /// Number of specs recorded for the first time, or again after they were retired.
    recorded: i32,
    /// Number of specs of this state that changed.
    changed: i32,
    /// Specs taken over from the source `api` or `baseline`, at most 200. They are counted in `takenOverCount`
    /// only.
    taken_over: Vec<ImportTakenOver>,
    /// Number of specs taken over.
    taken_over_count: i32,
    /// Number of specs that did not change.
    unchanged: i32,
    /// Number of specs retired because their resources left the state.
    retired: i32,
    /// Number of specs of other states that changed because of declarations in this state.
    changed_elsewhere: i32,
    /// Number of resources that no listing has contained yet.
    unsynced: i32,
    /// Instances that were refused, at most 200.
    refused: Vec<ImportRefusal>,
    /// Number of instances refused.
    refused_count: i32,
    /// Open drifts that the next sweep closes because the expected value now equals the live value, at most 200.
    closes: Vec<ImportClosing>,
    /// Number of open drifts that the next sweep closes.
    closes_count: i32,
    /// Number of instances skipped, by reason.
    skipped: ImportSkipped,
    /// Attributes that are not compared, because the state leaves them open; at most one entry for each
    /// attribute.
    not_compared: Vec<ImportNotCompared>,
}

/// An attribute that is not compared, because the state does not say whether the configuration or the cloud chose
/// its value.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportNotCompared {
    /// The Terraform type and the attribute, such as `digitalocean_app.spec.ingress`.
    attribute: String,
    /// Number of resources in which the attribute is not compared.
    count: i32,
}

/// An instance whose spec was taken over.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportTakenOver {
    /// The address of the instance in the state.
    address: String,
    /// The kind of the resource.
    kind: String,
    /// The provider's id of the resource.
    provider_id: String,
    /// The previous source of the spec.
    from: SpecSourceKind,
}

/// An instance that was refused. Its spec did not change.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportRefusal {
    /// The address of the instance in the state.
    address: String,
    /// The kind of the resource.
    kind: String,
    /// The provider's id of the resource.
    provider_id: String,
    /// Why the instance was refused.
    reason: String,
}

/// An open drift that the next sweep closes.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportClosing {
    /// The id of the drift.
    drift_id: ID,
    /// The kind of the resource.
    kind: String,
    /// The name of the resource.
    name: String,
    /// The name of the field.
    field: String,
}

/// The number of instances skipped, by reason.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportSkipped {
    /// Data sources.
    data: i32,
    /// Tainted instances, which the next apply replaces. Their specs do not change.
    tainted: i32,
    /// Deposed instances, which the next apply destroys.
    deposed: i32,
    /// Instances of other providers.
    foreign: i32,
    /// Instances without an id, because their creation failed.
    without_id: i32,
    /// Resources that attachments, assignments or `digitalocean_project_resources` refer to and that no imported
    /// state contains.
    unattached: i32,
    /// Instances of types without a kind in the inventory.
    unsupported: i32,
}

fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl From<imports::ImportSummary> for ImportSummary {
    fn from(summary: imports::ImportSummary) -> Self {
        let number = |list: usize| int(list as u64);
        let (taken_over_count, refused_count, closes_count) = (
            number(summary.taken_over.len()),
            number(summary.refused.len()),
            number(summary.closes.len()),
        );
        let refused = summary.refused.into_iter().map(|refusal| ImportRefusal {
            address: refusal.address,
            kind: refusal.kind,
            provider_id: refusal.provider_id,
            reason: refusal.reason,
        });
        let taken_over = summary.taken_over.into_iter().map(|taken| ImportTakenOver {
            address: taken.address,
            kind: taken.kind,
            provider_id: taken.provider_id,
            from: SpecSourceKind::without_state(&taken.from),
        });
        let closes = summary.closes.into_iter().map(|closing| ImportClosing {
            drift_id: closing.drift_id.into(),
            kind: closing.kind,
            name: closing.name,
            field: closing.field,
        });
        let not_compared = summary.not_compared.into_iter();
        let not_compared = not_compared.map(|(attribute, count)| ImportNotCompared {
            attribute,
            count: int(count),
        });
        Self {
            lineage: summary.lineage,
            own_lineage: summary.own_lineage,
            serial: summary.serial,
            recorded: int(summary.recorded),
            changed: int(summary.changed),
            taken_over: taken_over.take(MAX_SHOWN).collect(),
            taken_over_count,
            unchanged: int(summary.unchanged),
            retired: int(summary.retired),
            changed_elsewhere: int(summary.changed_elsewhere),
            unsynced: int(summary.unsynced),
            refused: refused.take(MAX_SHOWN).collect(),
            refused_count,
            closes: closes.take(MAX_SHOWN).collect(),
            closes_count,
            skipped: ImportSkipped {
                data: int(summary.skipped.data),
                tainted: int(summary.skipped.tainted),
                deposed: int(summary.skipped.deposed),
                foreign: int(summary.skipped.foreign),
                without_id: int(summary.skipped.without_id),
                unattached: int(summary.skipped.unattached),
                unsupported: int(summary.skipped.unsupported.values().sum()),
            },
            not_compared: not_compared.collect(),
        }
    }
}
