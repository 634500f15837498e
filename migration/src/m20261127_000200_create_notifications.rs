//! Notifications: their targets, the outbox of what happened, the messages and the attempts to deliver them.
//!
//! Triggers write the outbox in the transaction of the transition, whichever program makes it, so that a server that is
//! killed loses nothing. Without an enabled target they write nothing.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const DUE: &str = "ix_notification_deliveries_due";
const BY_TARGET: &str = "ix_notification_deliveries_target_created";
const BY_TIME: &str = "ix_notification_deliveries_created_at";
const BY_DELIVERY: &str = "ix_notification_attempts_delivery";

/// The names of the triggers and their tables.
const TRIGGERS: [(&str, &str); 2] = [
    ("notify_of_event", "cloud_resource_events"),
    ("notify_of_sweep", "job_runs"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(targets()).await?;
        m.create_table(outbox()).await?;
        m.create_table(deliveries()).await?;
        m.create_table(attempts()).await?;
        let sources = Table::create()
            .table("notified_sources")
            .col(string("name").primary_key())
            .col(string_len("state", 16))
            .col(timestamp_with_time_zone("noted_at"))
            .to_owned();
        m.create_table(sources).await?;
        for index in indexes() {
            m.create_index(index).await?;
        }
        let triggers = match m.get_database_backend() {
            DatabaseBackend::Postgres => include_str!("notifications/postgres.sql"),
            _ => include_str!("notifications/sqlite.sql"),
        };
        m.get_connection().execute_unprepared(triggers).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in TRIGGERS {
            let drop = match m.get_database_backend() {
                // Dropping it drops its trigger, too.
                DatabaseBackend::Postgres => format!("DROP FUNCTION {name}() CASCADE"),
                _ => format!("DROP TRIGGER {name}"),
            };
            m.get_connection().execute_unprepared(&drop).await?;
        }
        for table in [
            "notified_sources",
            "notification_attempts",
            "notification_deliveries",
            "notification_outbox",
            "notification_targets",
        ] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn targets() -> TableCreateStatement {
    Table::create()
        .table("notification_targets")
        .col(uuid("id").primary_key())
        .col(string("name").unique_key())
        .col(string_len("kind", 16))
        .col(text("url"))
        .col(string_len("method", 8))
        .col(text_null("secret"))
        .col(text_null("previous_secret"))
        .col(timestamp_with_time_zone_null("previous_until"))
        .col(json_binary("filter"))
        .col(integer_null("digest_minute"))
        .col(timestamp_with_time_zone_null("digest_due_at"))
        .col(boolean("enabled"))
        .col(timestamp_with_time_zone("created_at"))
        .col(string("created_by"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(string("updated_by"))
        .to_owned()
}

/// It has copies of the event, because a forgotten resource takes its events with it.
fn outbox() -> TableCreateStatement {
    Table::create()
        .table("notification_outbox")
        .col(big_integer("id").primary_key().auto_increment())
        .col(string_len("type", 32))
        .col(uuid_null("resource_id"))
        .col(string_null("actor"))
        .col(json_binary("data"))
        .col(timestamp_with_time_zone("occurred_at"))
        .to_owned()
}

fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("notification_deliveries")
        .col(uuid("id").primary_key())
        .col(uuid("target_id"))
        .col(string_len("kind", 16))
        .col(text("body"))
        .col(string_len("state", 16))
        .col(integer("attempts"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("next_attempt_at"))
        .col(timestamp_with_time_zone("give_up_at"))
        .col(timestamp_with_time_zone_null("ended_at"))
        .col(integer_null("status_code"))
        .col(text_null("error"))
        .foreign_key(
            ForeignKey::create()
                .name("fk_notification_deliveries_target_id")
                .from("notification_deliveries", "target_id")
                .to("notification_targets", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn attempts() -> TableCreateStatement {
    Table::create()
        .table("notification_attempts")
        .col(uuid("id").primary_key())
        .col(uuid("delivery_id"))
        .col(integer("number"))
        .col(timestamp_with_time_zone("started_at"))
        .col(timestamp_with_time_zone_null("ended_at"))
        .col(integer_null("status_code"))
        .col(text_null("error"))
        .foreign_key(
            ForeignKey::create()
                .name("fk_notification_attempts_delivery_id")
                .from("notification_attempts", "delivery_id")
                .to("notification_deliveries", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let deliveries = |name: &str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table("notification_deliveries");
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        deliveries(DUE, &["next_attempt_at", "target_id"])
            .and_where(Expr::col("state").eq("pending"))
            .to_owned(),
        deliveries(BY_TARGET, &["target_id", "created_at", "id"]),
        deliveries(BY_TIME, &["created_at", "id"]),
        Index::create()
            .name(BY_DELIVERY)
            .table("notification_attempts")
            .col("delivery_id")
            .col("started_at")
            .to_owned(),
    ]
}
