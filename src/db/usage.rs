//! How many connections of the pools are used.

use sea_orm::{DatabaseConnection, DbBackend};

use super::Db;

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolUsage {
    /// What the pool is for.
    pub(crate) name: &'static str,
    /// Number of connections in use.
    pub(crate) used: u32,
    /// Number of open connections that are not in use.
    pub(crate) idle: u32,
}

impl Db {
    /// Returns the usage of the pools for reading and for writing.
    pub(crate) fn usage(&self) -> [PoolUsage; 2] {
        [usage("read", &self.read), usage("write", &self.write)]
    }
}

fn usage(name: &'static str, connection: &DatabaseConnection) -> PoolUsage {
    let (size, idle) = match connection.get_database_backend() {
        DbBackend::Postgres => {
            let pool = connection.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        }
        _ => {
            let pool = connection.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        }
    };
    // The two numbers are read one after the other.
    let idle = u32::try_from(idle).unwrap_or(size).min(size);
    PoolUsage {
        name,
        used: size - idle,
        idle,
    }
}
