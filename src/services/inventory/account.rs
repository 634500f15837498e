//! The account of the stored inventory. Listing another account would make all resources look gone or be stored twice.

use entity::inventory_kinds as kinds;
use sea_orm::sea_query::IntoCondition as _;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
};

use super::{SyncOptions, UNCLAIMED};
use crate::db::DatabaseTransaction;
use crate::error::{Error, Result};
use crate::provider::{Account, Listing};

/// Checks that the inventory that a source stored is of this account. `account` is None for an inventory file without
/// an account; the stored inventory must then have none either. Fails with UPSTREAM_UNAVAILABLE otherwise, or if
/// another source lists the same account.
pub(super) async fn check_account<C: ConnectionTrait>(
    connection: &C,
    source: &str,
    provider: &str,
    account: Option<&str>,
    options: &SyncOptions,
) -> Result<()> {
    check_only_source(connection, source, provider, account).await?;
    if options.allow_other_account {
        return Ok(());
    }
    let other = match account {
        Some(account) => Condition::any()
            .add(kinds::Column::Account.is_null())
            .add(kinds::Column::Account.ne(account)),
        None => kinds::Column::Account.is_not_null().into_condition(),
    };
    let other = kinds::Entity::find()
        .select_only()
        .column(kinds::Column::Account)
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Source.is_in([source, UNCLAIMED]))
        .filter(
            // Only a kind to which a listing was applied, at least in part, has an account.
            Condition::any()
                .add(kinds::Column::CompletedAt.is_not_null())
                .add(kinds::Column::ListingNumber.is_not_null()),
        )
        .filter(other)
        .limit(1)
        .into_tuple::<Option<String>>()
        .one(connection)
        .await?;
    match other {
        Some(stored) => Err(refused(source, account, stored.as_deref())),
        None => Ok(()),
    }
}

/// Checks that a source lists the account that its settings name.
pub(super) fn check_expected(expected: Option<&str>, found: Option<&Account>) -> Result<()> {
    let Some(expected) = expected else {
        return Ok(());
    };
    match found {
        Some(found) if found.id == expected => Ok(()),
        Some(found) => Err(Error::Upstream(format!(
            "the source must list account {expected}, but it lists account {}; nothing was changed",
            found.id
        ))),
        None => Err(Error::Upstream(format!(
            "the source must list account {expected}, but it names no account; nothing was changed"
        ))),
    }
}

/// Checks that no other source lists this account: each would find the resources of the other.
async fn check_only_source<C: ConnectionTrait>(
    connection: &C,
    source: &str,
    provider: &str,
    account: Option<&str>,
) -> Result<()> {
    let Some(account) = account else {
        return Ok(());
    };
    let other = kinds::Entity::find()
        .select_only()
        .column(kinds::Column::Source)
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Account.eq(account))
        .filter(kinds::Column::Source.is_not_in([source, UNCLAIMED]))
        .limit(1)
        .into_tuple::<String>()
        .one(connection)
        .await?;
    match other {
        Some(other) => Err(Error::Upstream(format!(
            "account {account} is already listed by the source {other:?}; nothing was changed. To give that source a \
             new name, run: drift-inbox sources rename {other:?} {source:?}"
        ))),
        None => Ok(()),
    }
}

fn refused(source: &str, account: Option<&str>, stored: Option<&str>) -> Error {
    let this = match account {
        Some(account) => format!("the token belongs to account {account}"),
        None => "the inventory file names no account".to_owned(),
    };
    let that = match stored {
        Some(stored) => format!("belongs to account {stored}"),
        None => "came from a file without an account".to_owned(),
    };
    Error::Upstream(format!(
        "{this}, but the stored inventory {that}; nothing was changed. Use another database, or, to \
         replace the stored inventory, run: drift-inbox sync --source {source:?} --allow-other-account"
    ))
}

/// Sets the account of all kinds that the source stored to that of the listing, even of kinds that the listing lacks.
pub(super) async fn take_over_in_txn(
    txn: &DatabaseTransaction,
    source: &str,
    listing: &Listing,
) -> Result<()> {
    kinds::Entity::update_many()
        .set(kinds::ActiveModel {
            account: Set(listing.account.clone()),
            ..Default::default()
        })
        .filter(kinds::Column::Provider.eq(&listing.provider))
        .filter(kinds::Column::Source.eq(source))
        .exec(txn)
        .await?;
    Ok(())
}
