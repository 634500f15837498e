//! Transitions of sources. A source becomes overdue by the passing of time, which no transaction sees, so the states are
//! compared with those that were noted last.

use std::collections::BTreeMap;

use entity::{notification_outbox as outbox, notified_sources as noted};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use chrono::{DateTime, Utc};

use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::freshness::MaxAge;
use crate::domain::notifications::{Transition, source_transition};
use crate::error::Result;
use crate::services::sources::{self, Source};

/// Notes the state of each source, and writes each change to the outbox in the same transaction.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn note_states(db: &Db, max_age: &MaxAge) -> Result<()> {
    let before: BTreeMap<String, String> = decodable(noted::Entity::find(), db.reader())
        .await?
        .0
        .into_iter()
        .map(|row| (row.name, row.state))
        .collect();
    for source in sources::list(db, max_age).await? {
        let noted = before.get(&source.row.name).map(String::as_str);
        let Some((word, transition)) = source_transition(noted, source.state) else {
            continue;
        };
        let source = &source;
        db.write_txn(|txn| async move {
            let now = db.time(&*txn).await?;
            if note_in_txn(&txn, &source.row.name, noted, word, now).await?
                && let Some(transition) = transition
            {
                tell_in_txn(&txn, source, transition, now).await?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Notes a state. Returns false if another server has noted one meanwhile.
async fn note_in_txn(
    txn: &DatabaseTransaction,
    name: &str,
    before: Option<&str>,
    word: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let row = noted::ActiveModel {
        name: Set(name.to_owned()),
        state: Set(word.to_owned()),
        noted_at: Set(now),
    };
    let written = match before {
        None => {
            noted::Entity::insert(row)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(txn)
                .await?
        }
        Some(before) => {
            let update = noted::Entity::update_many()
                .set(row)
                .filter(noted::Column::Name.eq(name))
                .filter(noted::Column::State.eq(before));
            update.exec(txn).await?.rows_affected
        }
    };
    Ok(written == 1)
}

async fn tell_in_txn(
    txn: &DatabaseTransaction,
    source: &Source,
    transition: Transition,
    now: DateTime<Utc>,
) -> Result<()> {
    let data = json!({
        "name": source.row.name,
        "transition": transition,
        "state": source.state.word().to_uppercase(),
        "reason": source.reason,
        "lastSuccessAt": source.last_success_at,
    });
    let row = outbox::ActiveModel {
        happened: Set(transition.word().to_owned()),
        data: Set(data),
        occurred_at: Set(now),
        ..Default::default()
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}
