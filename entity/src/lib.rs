//! The tables as Rust types: columns, relations and the closed sets of values that columns hold.
//!
//! No rules and no API types live here, so that the pure rules, the services and the GraphQL edge can all
//! speak of the same rows.
#![expect(
    clippy::disallowed_methods,
    reason = "the code that the entity macro writes; nobody calls it"
)]

pub mod cloud_drift;
pub mod cloud_provisioned;
pub mod cloud_resource_events;
pub mod cloud_resources;
pub mod forgotten_resources;
pub mod inventory_kinds;
pub mod inventory_listings;
pub mod job_runs;
pub mod terraform_declarations;
pub mod terraform_states;
pub mod upkeep;
