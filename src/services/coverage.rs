//! Coverage: how many resources of each kind have a spec.

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{ignored, totals};
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
    /// Differences that open no drift until more sweeps have seen them.
    #[sea_orm(skip)]
    pub waiting: i64,
}

/// Returns the coverage of every kind with managed, unmanaged or owned resources. Runs two statements.
pub async fn by_kind<C: ConnectionTrait>(connection: &C) -> Result<Vec<KindCoverage>> {
    let mut rows = totals::coverage(connection).await?;
    let waiting = ignored::count_waiting(connection).await?;
    for row in &mut rows {
        let kind = (row.provider.clone(), row.kind.clone());
        row.waiting = waiting.get(&kind).copied().unwrap_or_default();
    }
    let has_resources = |row: &KindCoverage| row.managed + row.unmanaged + row.owned > 0;
    Ok(rows.into_iter().filter(has_resources).collect())
}
