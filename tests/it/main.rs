//! The integration tests, in one binary. Most of them use [`TestApp`](support::TestApp).
//!
//! They run on SQLite by default, and on PostgreSQL if `TEST_DATABASE_URL` is the URL of a server. Each test has its
//! own database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot continue has failed"
)]

mod absent_fields;
mod acceptance;
mod accounts;
mod addresses;
mod adverse_data;
mod baseline;
mod both_sides;
mod bulk_accept;
mod busy_database;
mod chunks;
mod close_reasons;
mod cloud_actions;
mod commands;
mod coverage;
mod crashes;
mod desired_state;
mod detection;
mod detection_gone;
mod digitalocean;
mod digitalocean_faults;
mod digitalocean_ownership;
mod digitalocean_retries;
mod digitalocean_secrets;
mod docs;
mod docs_settings;
mod drift_changes;
mod drift_groups;
mod explain;
mod failing_disk;
mod faults_table;
mod flapping;
mod flat_queries;
mod foreign_pages;
mod foreign_rows;
mod forgetting;
mod graphiql;
mod guards;
#[path = "../../graphql-server/tests/it/http_client.rs"]
mod http_client;
mod ignore_rules;
mod import_plan_costs;
mod import_plan_evidence;
mod import_plan_secrets;
mod import_plans;
mod inbox_accept;
mod inbox_api;
mod inbox_changes;
mod inbox_filters;
mod inbox_live;
mod inbox_page;
mod inbox_pages;
mod inbox_sources;
mod inbox_triage;
mod inbox_views;
mod incremental;
mod interleavings;
mod inventory;
mod inventory_changes;
mod inventory_file;
mod inventory_lines;
mod job_runs;
mod kept_answers;
mod layering;
mod listing_order;
mod listing_scripts;
mod live;
mod live_filters;
mod loose_equality;
mod lost_writes;
mod migrations;
mod mutations_api;
mod mutations_bounds;
mod mutations_jobs;
mod notification_kills;
mod notifications;
mod notify_command;
mod page_files;
mod partial_listings;
mod plan_uploads;
mod pooler;
mod replica_firewalls;
mod request_shapes;
mod rest;
mod retention;
mod reverting;
mod rolling_upgrade;
mod run_sources;
mod schedule;
mod schema;
mod serving;
mod settings;
mod severity;
mod smoke;
mod socket_access;
#[path = "../../graphql-server/tests/it/socket_client.rs"]
mod socket_client;
mod sources;
mod spec_history;
mod state_owned_specs;
mod statements;
mod storms;
mod support;
mod sweep_costs;
mod sync_costs;
mod terminal;
mod terraform;
mod terraform_api;
mod terraform_files;
mod terraform_membership;
mod terraform_plan;
mod terraform_secrets;
mod totals;
mod unconfirmed;
mod undo;
mod up_to_date;
mod windows;
mod written_pages;
