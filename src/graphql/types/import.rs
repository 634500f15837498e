//! Desired state that comes from Terraform.

use async_graphql::{ID, InputObject, SimpleObject};
use serde_json::Value;

use super::{Json, MAX_SHOWN};
use crate::error::Error;
use crate::provider::terraform::{self, State};
use crate::services::imports::{self, ImportOptions};

/// What to import.
#[derive(InputObject)]
pub(in crate::graphql) struct ImportTerraformStateInput {
    /// The state: a file of version 4 or the output of `terraform show -json`, as JSON or as a text that holds
    /// JSON. A whole request may have 1 MiB, unless this server is set up otherwise; import larger states with
    /// `drift-inbox import-terraform`.
    #[graphql(secret)]
    state: Json,
    /// Name of the state, the same every time. The output of `show -json` needs one; any other state goes by the
    /// lineage in its file unless a name is given, which tells two states of one lineage apart.
    lineage: Option<String>,
    /// Go through with a state that more than half of its resources have left.
    #[graphql(default)]
    allow_mass_retire: bool,
    /// Take over the specs that the API or a baseline owns: this state owns them from now on. Those of another state
    /// are refused all the same.
    #[graphql(default)]
    take_over: bool,
    /// Say what would be done, and write nothing.
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

/// What an import did.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportTerraformStatePayload {
    /// In numbers and names.
    pub(in crate::graphql) summary: ImportSummary,
}

/// What an import did, or would do.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportSummary {
    /// The state; its specs have the source `terraform:` and this.
    lineage: String,
    /// The lineage in the file of the state, where the state goes by another name; else null.
    own_lineage: Option<String>,
    /// Version of the state; null where it does not say.
    serial: Option<i64>,
    /// Specs recorded for the first time, or again after they had been retired.
    recorded: i32,
    /// Specs that say something else now.
    changed: i32,
    /// Specs that the API or a baseline owned, and this state owns from now on, at most 200 of them. They are in no
    /// other number than `takenOverCount`.
    taken_over: Vec<ImportTakenOver>,
    /// How many specs were taken over.
    taken_over_count: i32,
    /// Specs that say what they said: nothing was written.
    unchanged: i32,
    /// Specs retired, because their resources left the state.
    retired: i32,
    /// Specs of other states that changed, because this one declares their project or what is attached to them.
    changed_elsewhere: i32,
    /// Resources that no listing has had yet.
    unsynced: i32,
    /// Instances of which nothing was changed, at most 200 of them.
    refused: Vec<ImportRefusal>,
    /// How many instances were refused.
    refused_count: i32,
    /// Open drifts that the next sweep closes, because the desired value is now the live one; at most 200 of them.
    closes: Vec<ImportClosing>,
    /// How many open drifts the next sweep closes.
    closes_count: i32,
    /// Instances that were left out.
    skipped: ImportSkipped,
    /// Attributes that are not compared, because the state leaves them open: at most one entry for each attribute of
    /// the types that are read.
    not_compared: Vec<ImportNotCompared>,
}

/// An attribute that is not compared: the state does not say whether it was set by the configuration or by the
/// cloud.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportNotCompared {
    /// The type and the attribute, such as `digitalocean_app.spec.ingress`.
    attribute: String,
    /// How many resources leave it open.
    count: i32,
}

/// An instance whose spec somebody else owned.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportTakenOver {
    /// Where the state has it.
    address: String,
    /// Kind of the resource.
    kind: String,
    /// Its id at the cloud.
    provider_id: String,
    /// The source that owned it: `api` or `baseline`.
    from: String,
}

/// An instance that was refused.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportRefusal {
    /// Where the state has it.
    address: String,
    /// Kind of the resource.
    kind: String,
    /// Its id at the cloud.
    provider_id: String,
    /// Why.
    reason: String,
}

/// An open drift that an import would close.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportClosing {
    /// The drift.
    drift_id: ID,
    /// Kind of the resource.
    kind: String,
    /// Name of the resource.
    name: String,
    /// The field.
    field: String,
}

/// How many instances were left out, and why.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportSkipped {
    /// Data sources: they ask for nothing.
    data: i32,
    /// Tainted, to be replaced at the next apply. Their specs stay as they are.
    tainted: i32,
    /// Deposed, to be destroyed at the next apply.
    deposed: i32,
    /// Of other providers.
    foreign: i32,
    /// Without an id: their creation failed.
    without_id: i32,
    /// Resources that attachments, assignments or `digitalocean_project_resources` name and that no imported state has.
    unattached: i32,
    /// Of types that have no kind in the inventory.
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
            from: taken.from,
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
