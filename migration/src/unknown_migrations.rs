//! Migrations of newer releases.
//!
//! While servers are upgraded one after the other, the older ones use a database that a newer one has migrated. Every
//! migration is compatible with the previous release, so a server accepts the migrations of a newer release. SeaORM's
//! own migrator refuses such a database.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{DbBackend, EntityTrait as _, Statement};
use sea_orm_migration::{MigratorTraitSelf, prelude::*, seaql_migrations};

use super::Migrator;

/// Runs the migrations of this release that are missing.
///
/// # Errors
/// A migration fails.
pub async fn up<'c, C>(db: &'c C) -> Result<(), DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let migrator = Tolerant {
        newer: newer(db).await?,
    };
    migrator.up(db, None).await
}

/// Returns whether a migration of this release is missing. Creates no table.
///
/// # Errors
/// The database is unavailable.
pub async fn is_pending<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    let applied = applied(db).await?;
    Ok(known().iter().any(|name| !applied.contains(name)))
}

/// Returns the names of the migrations that a newer release has applied, oldest first.
///
/// # Errors
/// The database is unavailable.
pub async fn newer<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, DbErr> {
    let own = known();
    let applied = applied(db).await?;
    Ok(applied.into_iter().filter(|name| !own.contains(name)).collect())
}

/// The migrations of this release, and the names of those that a newer release has applied.
struct Tolerant {
    newer: Vec<String>,
}

impl MigratorTraitSelf for Tolerant {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut all = <Migrator as MigratorTrait>::migrations();
        for name in &self.newer {
            all.push(Box::new(Newer(name.clone())));
        }
        all
    }
}

/// A migration that a newer release has applied.
struct Newer(String);

impl MigrationName for Newer {
    fn name(&self) -> &str {
        &self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Newer {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Custom(format!("{} belongs to a newer release", self.0)))
    }
}

/// Returns the names of the migrations of this release.
pub fn known() -> BTreeSet<String> {
    let migrations = <Migrator as MigratorTrait>::migrations();
    migrations
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// Returns the names of the applied migrations, also those of a newer release. Creates no table.
///
/// # Errors
/// The database is unavailable.
pub async fn applied<C: ConnectionTrait>(db: &C) -> Result<BTreeSet<String>, DbErr> {
    let backend = db.get_database_backend();
    let exists = match backend {
        DbBackend::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations'",
    };
    let exists = db.query_one_raw(Statement::from_string(backend, exists)).await?;
    if exists.is_none() {
        return Ok(BTreeSet::new());
    }
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
