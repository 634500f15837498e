//! How many connections of the pools are used.

use sea_orm::DatabaseConnection;

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
        [
            PoolUsage::of("read", self.read.pool_size()),
            PoolUsage::of("write", self.write.pool_size()),
        ]
    }
}

impl PoolUsage {
    fn of(name: &'static str, (size, idle): (u32, usize)) -> Self {
        // The two numbers are read one after the other.
        let idle = u32::try_from(idle).unwrap_or(size).min(size);
        Self {
            name,
            used: size - idle,
            idle,
        }
    }
}

/// Returns the number of open connections of a pool of SQLite, and how many of them are not in use.
pub(super) fn of_sqlite(connection: &DatabaseConnection) -> (u32, usize) {
    let pool = connection.get_sqlite_connection_pool();
    (pool.size(), pool.num_idle())
}
