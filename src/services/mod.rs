//! The use-cases, one noun a file: gather, let [`crate::domain`] decide, write.
//!
//! A function that is given a [`crate::db::Db`] owns its transactions. One that is given a transaction says
//! so by `_in_txn` in its name. Locks are taken in one order everywhere: kind, resource, spec, drift.

pub mod acceptance;
pub mod baseline;
pub(crate) mod cells;
pub mod coverage;
pub mod detection;
pub mod drift_rows;
pub mod events;
pub(crate) mod facets;

pub(crate) mod forgetting;
pub(crate) mod freshness;
pub mod imports;
pub mod inbox;
pub mod inventory;
pub mod job_runs;
pub mod locks;
pub mod page;
pub mod provisioning;
pub mod resources;
pub mod retention;
pub mod retirement;
pub(crate) mod stored_specs;
pub(crate) mod transitions;
