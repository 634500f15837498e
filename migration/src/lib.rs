//! The database schema, one file for each change. The same migrations run on SQLite and on PostgreSQL. A released
//! file is never edited.

pub use sea_orm_migration::prelude::*;

mod m20261123_000001_create_cloud_resources;
mod m20261123_000002_create_cloud_provisioned;
mod m20261123_000003_create_cloud_drift;
mod m20261123_000004_create_cloud_resource_events;
mod m20261123_000005_create_inventory_kinds;
mod m20261123_000006_create_job_runs;
mod m20261124_000001_create_terraform_states;
mod m20261125_000001_index_events_by_type;
mod m20261125_000002_add_job_runs_narrowed;
mod m20261125_000010_number_listings;
mod m20261125_000020_create_write_probe;
mod m20261125_000021_create_terraform_declarations;
mod m20261125_000030_add_cloud_provisioned_not_compared;
mod m20261125_000040_create_forgotten_resources;
mod m20261126_000001_key_job_runs_by_source;
mod m20261126_000010_add_inventory_kinds_unread_fields;
mod m20261126_000020_index_job_runs_by_source;
mod m20261126_000030_add_cloud_resources_listed_digest;
mod m20261126_000030_create_sweep_marks;
mod m20261126_000040_keep_totals;
mod m20261126_000050_keep_exact_totals;
mod m20261126_000060_add_totals_by_set;
mod m20261126_000070_create_content_changes;
mod m20261126_000080_collate_provider_ids;
mod m20261126_000090_copy_kind_and_region;
mod m20261126_000100_create_terraform_plans;
mod m20261126_000110_find_states_by_id;
mod m20261126_000120_record_addresses;
mod m20261126_000130_key_inventory_by_source;
mod m20261127_000010_record_close_reasons;
mod m20261127_000020_create_ignore_rules;
mod m20261127_000100_record_causes;
mod m20261127_000110_create_bulks;
mod m20261127_000200_create_notifications;
mod m20261127_000300_keep_spec_versions;
mod m20261127_000310_link_accepts_to_versions;
mod m20261127_000320_note_reverts;
mod m20261127_000400_snooze_and_assign;
mod m20261127_000410_comment_drifts;
mod m20261127_000420_decide_in_bulk;
mod m20261127_000500_keep_inventory_changes;
mod m20261127_000510_record_windows;
mod m20261127_000520_count_sweeps;
mod m20261127_000530_create_cloud_actions;
mod m20261127_000600_create_leftovers;
mod m20261127_000800_create_saved_views;
mod m20261127_001000_find_ignored_differences;
mod m20261127_001010_record_accepted_members;
mod m20261127_001020_forget_with_own_rights;
mod unknown_migrations;

pub use unknown_migrations::{applied, is_pending, known, newer, up};

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_cloud_resources::Migration),
            Box::new(m20261123_000002_create_cloud_provisioned::Migration),
            Box::new(m20261123_000003_create_cloud_drift::Migration),
            Box::new(m20261123_000004_create_cloud_resource_events::Migration),
            Box::new(m20261123_000005_create_inventory_kinds::Migration),
            Box::new(m20261123_000006_create_job_runs::Migration),
            Box::new(m20261124_000001_create_terraform_states::Migration),
            Box::new(m20261125_000001_index_events_by_type::Migration),
            Box::new(m20261125_000002_add_job_runs_narrowed::Migration),
            Box::new(m20261125_000010_number_listings::Migration),
            Box::new(m20261125_000020_create_write_probe::Migration),
            Box::new(m20261125_000021_create_terraform_declarations::Migration),
            Box::new(m20261125_000030_add_cloud_provisioned_not_compared::Migration),
            Box::new(m20261125_000040_create_forgotten_resources::Migration),
            Box::new(m20261126_000001_key_job_runs_by_source::Migration),
            Box::new(m20261126_000010_add_inventory_kinds_unread_fields::Migration),
            Box::new(m20261126_000020_index_job_runs_by_source::Migration),
            Box::new(m20261126_000030_add_cloud_resources_listed_digest::Migration),
            Box::new(m20261126_000030_create_sweep_marks::Migration),
            Box::new(m20261126_000040_keep_totals::Migration),
            Box::new(m20261126_000050_keep_exact_totals::Migration),
            Box::new(m20261126_000060_add_totals_by_set::Migration),
            Box::new(m20261126_000070_create_content_changes::Migration),
            Box::new(m20261126_000080_collate_provider_ids::Migration),
            Box::new(m20261126_000090_copy_kind_and_region::Migration),
            Box::new(m20261126_000100_create_terraform_plans::Migration),
            Box::new(m20261126_000110_find_states_by_id::Migration),
            Box::new(m20261126_000120_record_addresses::Migration),
            Box::new(m20261126_000130_key_inventory_by_source::Migration),
            Box::new(m20261127_000010_record_close_reasons::Migration),
            Box::new(m20261127_000020_create_ignore_rules::Migration),
            Box::new(m20261127_000200_create_notifications::Migration),
            Box::new(m20261127_000300_keep_spec_versions::Migration),
            Box::new(m20261127_000310_link_accepts_to_versions::Migration),
            Box::new(m20261127_000320_note_reverts::Migration),
            Box::new(m20261127_000100_record_causes::Migration),
            Box::new(m20261127_000110_create_bulks::Migration),
            Box::new(m20261127_000400_snooze_and_assign::Migration),
            Box::new(m20261127_000410_comment_drifts::Migration),
            Box::new(m20261127_000420_decide_in_bulk::Migration),
            Box::new(m20261127_000500_keep_inventory_changes::Migration),
            Box::new(m20261127_000510_record_windows::Migration),
            Box::new(m20261127_000520_count_sweeps::Migration),
            Box::new(m20261127_000530_create_cloud_actions::Migration),
            Box::new(m20261127_000600_create_leftovers::Migration),
            Box::new(m20261127_000800_create_saved_views::Migration),
            Box::new(m20261127_001000_find_ignored_differences::Migration),
            Box::new(m20261127_001010_record_accepted_members::Migration),
            Box::new(m20261127_001020_forget_with_own_rights::Migration),
        ]
    }
}
