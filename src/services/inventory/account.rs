//! The account of the stored inventory. Listing another account would make all resources look gone or be stored twice.

use entity::inventory_kinds as kinds;
use sea_orm::sea_query::IntoCondition as _;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QuerySelect,
};

use super::SyncOptions;
use crate::error::{Error, Result};
use crate::provider::Listing;

/// Checks that the stored inventory of a provider is of this account. `account` is None for an inventory file without
/// an account; the stored inventory must then have none either. Fails with UPSTREAM_UNAVAILABLE otherwise.
pub(super) async fn check_account<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    account: Option<&str>,
    options: &SyncOptions,
) -> Result<()> {
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
        Some(stored) => Err(refused(account, stored.as_deref())),
        None => Ok(()),
    }
}

fn refused(account: Option<&str>, stored: Option<&str>) -> Error {
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
         replace the stored inventory, run: drift-inbox sync --allow-other-account"
    ))
}

/// Sets the account of all stored kinds of the provider to that of the listing, even of kinds that the listing lacks.
pub(super) async fn take_over_in_txn(txn: &DatabaseTransaction, listing: &Listing) -> Result<()> {
    kinds::Entity::update_many()
        .set(kinds::ActiveModel {
            account: Set(listing.account.clone()),
            ..Default::default()
        })
        .filter(kinds::Column::Provider.eq(&listing.provider))
        .exec(txn)
        .await?;
    Ok(())
}
