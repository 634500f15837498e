//! Coverage: how many resources of each kind have a spec.

use entity::cloud_drift::DriftKind;
use entity::cloud_resources as resources;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, IntoCondition};
use sea_orm::{Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder, QuerySelect};

use super::drift_rows;
use super::resources::{has_spec, owned, unmanaged};
use crate::error::Result;

/// The coverage of one kind.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct KindCoverage {
    /// The provider of the kind.
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// Resources with a spec in force, including missing ones.
    pub managed: i64,
    /// Unmanaged resources.
    pub unmanaged: i64,
    /// Owned resources.
    pub owned: i64,
    /// Managed resources with a changed field.
    pub drifted: i64,
    /// Managed resources that are missing.
    pub missing: i64,
}

/// Returns the coverage of every kind with managed, unmanaged or owned resources. Runs one statement.
pub async fn by_kind<C: ConnectionTrait>(connection: &C) -> Result<Vec<KindCoverage>> {
    let rows = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .column_as(count_where(has_spec()), "managed")
        .column_as(count_where(unmanaged()), "unmanaged")
        .column_as(count_where(owned()), "owned")
        .column_as(count_where(has_drift(DriftKind::Changed)), "drifted")
        .column_as(count_where(has_drift(DriftKind::Missing)), "missing")
        .group_by(resources::Column::Provider)
        .group_by(resources::Column::Kind)
        .order_by_asc(resources::Column::Provider)
        .order_by_asc(resources::Column::Kind)
        .into_model::<KindCoverage>()
        .all(connection)
        .await?;
    let has_resources = |row: &KindCoverage| row.managed + row.unmanaged + row.owned > 0;
    Ok(rows.into_iter().filter(has_resources).collect())
}

fn count_where(condition: impl IntoCondition) -> Expr {
    let one = CaseStatement::new().case(condition, 1);
    Expr::expr(one).count()
}

/// Returns the condition that a spec is in force and a drift of this kind is open.
fn has_drift(kind: DriftKind) -> Condition {
    let open = drift_rows::exists_open_of((resources::Entity, resources::Column::Id), Some(kind));
    Condition::all().add(has_spec()).add(open)
}
