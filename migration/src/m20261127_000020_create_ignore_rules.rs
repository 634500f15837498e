//! Ignore rules, and the differences that they keep out of the inbox.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("ignore_rule_revisions")
                .col(integer("id").primary_key())
                .col(big_integer("revision"))
                .to_owned(),
        )
        .await?;
        m.create_table(rules()).await?;
        m.create_table(differences()).await?;
        for statement in [
            "INSERT INTO ignore_rule_revisions (id, revision) VALUES (1, 0)",
            "CREATE UNIQUE INDEX uq_ignore_rules_name ON ignore_rules (name) WHERE ended_at IS NULL",
            "CREATE INDEX ix_ignore_rules_created_at_id ON ignore_rules (created_at, id)",
            "CREATE UNIQUE INDEX uq_ignored_differences ON ignored_differences (resource_id, field)",
            "CREATE INDEX ix_ignored_differences_rule_id ON ignored_differences (rule_id, ignored_at, id)",
        ] {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for table in ["ignored_differences", "ignore_rules", "ignore_rule_revisions"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn rules() -> TableCreateStatement {
    Table::create()
        .table("ignore_rules")
        .col(uuid("id").primary_key())
        .col(string_null("name"))
        .col(json_binary("definition"))
        .col(string("field"))
        .col(text("reason"))
        .col(string_null("owner"))
        .col(string_len("origin", 16))
        .col(string("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("expires_at"))
        .col(timestamp_with_time_zone_null("ended_at"))
        .col(string_null("ended_by"))
        .col(text_null("end_reason"))
        .col(big_integer("hits").default(0))
        .col(timestamp_with_time_zone_null("last_hit_at"))
        .to_owned()
}

/// The rows are not tied to their resource by a foreign key: a server of the previous release, which does not know them,
/// must be able to forget the resource. A sweep deletes the rows of resources without a spec.
fn differences() -> TableCreateStatement {
    Table::create()
        .table("ignored_differences")
        .col(uuid("id").primary_key())
        .col(uuid("resource_id"))
        .col(string("field"))
        .col(uuid("rule_id"))
        .col(json_binary_null("expected"))
        .col(json_binary_null("actual"))
        .col(timestamp_with_time_zone("ignored_at"))
        .col(timestamp_with_time_zone("changed_at"))
        .to_owned()
}
