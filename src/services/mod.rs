//! Use cases. A function reads rows, lets [`crate::domain`] decide what to change, and writes the changes.
//!
//! A function that takes a [`crate::db::Db`] owns its transactions. A function whose name ends in `_in_txn` runs in the
//! transaction of its caller. Locks are always taken in this order: kind, revision of the ignore rules, resource,
//! spec, drift.

pub mod acceptance;
pub(crate) mod addresses;
pub mod assignments;
pub mod baseline;
pub mod bulks;
pub(crate) mod causes;
pub(crate) mod cells;
pub mod choices;
pub mod cloud_actions;
pub mod comments;
pub mod coverage;
pub mod detection;
pub mod drift_rows;
pub mod events;
pub(crate) mod explanation;
pub(crate) mod facets;

pub(crate) mod drift_events;
pub(crate) mod forgetting;
pub(crate) mod freshness;
pub mod groups;
pub mod ignore_rules;
pub(crate) mod ignored;
pub mod imports;
pub mod inbox;
pub mod inventory;
pub mod inventory_changes;
pub mod job_runs;
pub mod leftovers;
pub mod locks;
pub mod measures;
pub mod notifications;
pub(crate) mod observed;
pub mod page;
pub mod plans;
pub mod provisioning;
pub mod recount;
pub mod resources;
pub mod retention;
pub mod retirement;
pub mod revert_plan;
pub mod reverting;
pub mod saved_views;
pub(crate) mod search;
pub mod snoozes;
pub mod sources;
pub mod spec_history;
pub(crate) mod spec_sources;
pub(crate) mod stored_specs;
mod totals;
pub mod undo;
mod windows;

pub(crate) use crate::db::Reader;
