//! The tables as Rust types: columns, relations and enums for columns.
//!
//! It contains no rules and no API types, so that the rules, the services and the GraphQL API share the same row
//! types.
#![expect(
    clippy::disallowed_methods,
    reason = "the entity macro generates functions that are never called"
)]

pub mod bulk_items;
pub mod bulks;
pub mod cloud_actions;
pub mod cloud_drift;
pub mod cloud_provisioned;
pub mod cloud_resource_events;
pub mod cloud_resources;

pub mod default_views;
pub mod drift_comments;
pub mod drift_totals;
pub mod forgotten_resources;
pub mod ignore_rule_revisions;
pub mod ignore_rules;
pub mod ignored_differences;
pub mod installation_keys;
pub mod inventory_changes;
pub mod inventory_kinds;
pub mod inventory_listings;
pub mod job_runs;
pub mod leftover_checks;
pub mod leftover_marks;
pub mod leftovers;
pub mod notification_attempts;
pub mod notification_deliveries;
pub mod notification_outbox;
pub mod notification_targets;
pub mod notified_sources;
pub mod plan_instances;
pub mod resource_states;
pub mod resource_totals;
pub mod row_totals;
pub mod saved_views;
pub mod sources;
pub mod spec_reasons;
pub mod spec_versions;
pub mod sweep_marks;
pub mod terraform_declarations;
pub mod terraform_plans;
pub mod terraform_states;
pub mod upkeep;
