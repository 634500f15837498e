//! The rules: how values are compared, which changes a sync or a sweep writes, when a drift may be accepted, and
//! which role permits an operation.
//!
//! All functions are pure and synchronous: they take rows and values, and return decisions. They use no clock and no
//! database. The services read the input and carry out the decisions.

pub mod acceptance;
pub mod actor;
pub mod addresses;
pub mod baseline;
pub(crate) mod causes;
pub mod changes;
pub mod compare;
pub mod compare_texts;
pub mod detection;
pub mod digest;
pub mod equality;
pub mod explanation;
#[cfg(test)]
mod fixtures;
pub mod freshness;
pub mod ignore_rules;
pub mod imports;
pub mod inventory;
pub(crate) mod inventory_changes;
mod json_text;
pub mod leftovers;
mod listed;
pub mod measures;
pub mod members;
pub mod not_compared;
pub mod notifications;
pub mod redaction;
pub mod retention;
pub mod revert;
pub mod schedule;
pub mod severity;
pub mod snooze;
pub mod sources;
pub mod spec_history;
pub(crate) mod stored_json;
pub mod traits;
pub mod undo;
pub mod validation;
pub(crate) mod windows;
