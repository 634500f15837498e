//! How much of the inventory is asked for.

use entity::cloud_drift::{self as drift, DriftKind, DriftStatus};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, IntoCondition, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder, QuerySelect};

use super::resources::{has_spec, owned, unmanaged};
use crate::error::Result;

/// How much of one kind is asked for.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct KindCoverage {
    /// Cloud that answers for it.
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// Resources with a spec in force, there or missing.
    pub managed: i64,
    /// Resources that are there and that nobody asked for.
    pub unmanaged: i64,
    /// Resources that are there and that something else of the cloud looks after.
    pub owned: i64,
    /// Managed resources of which some field differs.
    pub drifted: i64,
    /// Managed resources that are missing.
    pub missing: i64,
}

/// Every kind of which there is something, in one statement.
pub async fn by_kind<C: ConnectionTrait>(connection: &C) -> Result<Vec<KindCoverage>> {
    let rows = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .column_as(how_many(has_spec()), "managed")
        .column_as(how_many(unmanaged()), "unmanaged")
        .column_as(how_many(owned()), "owned")
        .column_as(how_many(Expr::exists(open_drift(DriftKind::Changed))), "drifted")
        .column_as(how_many(Expr::exists(open_drift(DriftKind::Missing))), "missing")
        .group_by(resources::Column::Provider)
        .group_by(resources::Column::Kind)
        .order_by_asc(resources::Column::Provider)
        .order_by_asc(resources::Column::Kind)
        .into_model::<KindCoverage>()
        .all(connection)
        .await?;
    let says_something = |row: &KindCoverage| row.managed + row.unmanaged + row.owned > 0;
    Ok(rows.into_iter().filter(says_something).collect())
}

fn how_many(condition: impl IntoCondition) -> Expr {
    let one = CaseStatement::new().case(condition, 1);
    Expr::expr(one).count()
}

fn open_drift(kind: DriftKind) -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(drift::Entity)
        .inner_join(
            provisioned::Entity,
            Expr::col((provisioned::Entity, provisioned::Column::ResourceId))
                .equals((drift::Entity, drift::Column::ResourceId)),
        )
        .and_where(
            Expr::col((drift::Entity, drift::Column::ResourceId))
                .equals((resources::Entity, resources::Column::Id)),
        )
        .and_where(drift::Column::Status.eq(DriftStatus::Open))
        .and_where(drift::Column::Kind.eq(kind))
        .and_where(provisioned::Column::RetiredAt.is_null())
        .take()
}
