//! Terraform addresses of specs: which instance of a state each spec comes from.

use std::collections::{BTreeMap, HashMap};

use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned as provisioned;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Statement};
use serde_json::json;
use uuid::Uuid;

use super::stored_specs::StoredSpec;
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, ROWS_PER_INSERT, column};
use crate::domain::addresses::{shell_word, storable};
use crate::error::Result;
use crate::provider::terraform_plan::Address;

/// Returns the addresses of the specs of these resources, in force or retired. Resources without one are left out.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn of_resources<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<HashMap<Uuid, String>> {
    if resources.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = connection.get_database_backend();
    let select = provisioned::Entity::find()
        .select_only()
        .columns([provisioned::Column::ResourceId, provisioned::Column::Address])
        .filter(lists::among(
            backend,
            r#""resource_id""#,
            resources.iter().copied(),
        ))
        .filter(provisioned::Column::Address.is_not_null())
        .build(backend);
    let rows = connection.query_all_raw(select).await?;
    // An id or an address that does not decode, which another program may have written, is left out.
    let decoded = rows.iter().filter_map(|row| {
        Some((
            column(row, "", "resource_id").ok()?,
            column(row, "", "address").ok()?,
        ))
    });
    Ok(decoded.collect())
}

/// Returns whether the address of an instance must be written apart from its spec: the spec is kept, or the database has
/// cleared the address, because another source had the same one.
pub(super) fn is_due(before: Option<&StoredSpec>, source: &str, address: &str, is_recorded: bool) -> bool {
    let Some(before) = before.and_then(StoredSpec::whole) else {
        return false;
    };
    let is_same = before.address.as_deref() == storable(address);
    if is_recorded {
        is_same && before.source != source
    } else {
        !is_same && before.retired_at.is_none() && before.source == source
    }
}

/// Writes the addresses of locked specs of a source.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    source: &str,
    addresses: &BTreeMap<Uuid, String>,
) -> Result<()> {
    let backend = txn.get_database_backend();
    let columns = [("resource_id", Type::Uuid), ("address", Type::Text)];
    let sql = format!(
        "UPDATE cloud_provisioned AS p SET address = v.address FROM {} \
         WHERE p.resource_id = v.resource_id AND p.source = $2",
        lists::rows(backend, &columns)
    );
    let rows: Vec<_> = addresses
        .iter()
        .map(|(id, address)| json!({ "resource_id": lists::uuid(*id), "address": storable(address) }))
        .collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let values = [json!(chunk).to_string().into(), source.into()];
        let update = Statement::from_sql_and_values(backend, sql.as_str(), values);
        txn.execute_raw(update).await?;
    }
    Ok(())
}

/// Returns whether Terraform would accept an address, and whether it is safe to paste into a terminal.
pub(crate) fn is_usable(address: &str) -> bool {
    !address.contains(char::is_control) && Address::parse(address).is_some()
}

/// Returns the commands of Terraform that put an open drift of a missing resource right: one creates the resource again,
/// the other removes it from the state. Returns none for other drifts, and for addresses that Terraform would not accept.
pub(crate) fn terraform_lines(drift: &cloud_drift::Model, address: Option<&str>) -> Vec<String> {
    lines_of(drift.kind, drift.status, address)
}

/// Returns what [`terraform_lines`] returns for a drift of this kind and status.
pub(crate) fn lines_of(kind: DriftKind, status: DriftStatus, address: Option<&str>) -> Vec<String> {
    let is_open_and_missing = kind == DriftKind::Missing && status == DriftStatus::Open;
    let address = address.filter(|address| is_open_and_missing && is_usable(address));
    let Some(word) = address.map(shell_word) else {
        return Vec::new();
    };
    vec![
        format!("terraform apply -target={word}"),
        format!("terraform state rm {word}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_drift_of_a_missing_resource_has_lines() {
        let address = Some(r#"module.net["it's"].aws_vpc.main["$${x}.y"]"#);
        assert_eq!(
            lines_of(DriftKind::Missing, DriftStatus::Open, address),
            [
                r#"terraform apply -target='module.net["it'\''s"].aws_vpc.main["$${x}.y"]'"#,
                r#"terraform state rm 'module.net["it'\''s"].aws_vpc.main["$${x}.y"]'"#,
            ]
        );
        for (kind, status, address) in [
            (DriftKind::Changed, DriftStatus::Open, address),
            (DriftKind::Missing, DriftStatus::Accepted, address),
            (DriftKind::Missing, DriftStatus::Open, None),
            (DriftKind::Missing, DriftStatus::Open, Some("a.b\n")),
            (DriftKind::Missing, DriftStatus::Open, Some("a.b[\"\n\"]")),
            (
                DriftKind::Missing,
                DriftStatus::Open,
                Some("cluster.main.node_pool[0]"),
            ),
        ] {
            assert!(lines_of(kind, status, address).is_empty(), "{address:?}");
        }
    }
}
