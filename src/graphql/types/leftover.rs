//! Leftovers and their prices.

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::leftovers as rows;

use super::Resource;
use crate::provider::leftovers::{PROVIDERS, prices, rule};
use crate::services::leftovers::{self, Shown};

/// Whether a resource is known to be a leftover.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rows::LeftoverState")]
pub(in crate::graphql) enum LeftoverState {
    /// It serves nothing.
    Leftover,
    /// It serves nothing that is listed, but something that could use it was not listed completely.
    Unknown,
}

/// Selects leftovers that match every condition. Absent fields do not restrict the selection.
#[derive(Default, InputObject)]
#[graphql(name = "LeftoverFilter")]
pub(in crate::graphql) struct LeftoverFilterInput {
    /// The name of the rule, such as `UNATTACHED_VOLUME`.
    rule: Option<String>,
    /// The kind of the resource.
    kind: Option<String>,
    /// The region slug of the resource.
    region: Option<String>,
    /// The name of the source that lists the resource.
    source: Option<String>,
    /// Whether it is known to be a leftover.
    state: Option<LeftoverState>,
}

impl LeftoverFilterInput {
    /// Converts the filter for the service.
    pub(in crate::graphql) fn parse(self) -> leftovers::LeftoverFilter {
        leftovers::LeftoverFilter {
            rule: self.rule,
            kind: self.kind,
            region: self.region,
            source: self.source,
            state: self.state.map(Into::into),
        }
    }
}

/// An amount of money.
#[derive(SimpleObject)]
pub(in crate::graphql) struct Money {
    /// The amount as a decimal number with two digits after the point, such as `12.00`.
    amount: String,
    /// The code of the currency, such as `USD`.
    currency: String,
}

/// Returns an amount of the price list. Halves of a cent are rounded up.
fn money(micros: i64) -> Money {
    let cents = micros.saturating_add(5_000).div_euclid(10_000);
    Money {
        amount: format!("{}.{:02}", cents / 100, cents % 100),
        currency: prices().1.to_owned(),
    }
}

/// A list price of the provider, which may differ from what an account pays.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ListPrice {
    /// What it is for.
    item: String,
    /// The unit, such as `GiB`.
    unit: String,
    /// The price per month and unit.
    monthly_price: Money,
    /// Where it is published.
    source: String,
    /// The day since which it is in effect, such as `2022-07-01`.
    since: String,
}

/// Returns all list prices.
pub(in crate::graphql) fn list_prices() -> Vec<ListPrice> {
    let (prices, _) = prices();
    prices
        .iter()
        .map(|price| ListPrice {
            item: price.item.to_owned(),
            unit: price.unit.to_owned(),
            monthly_price: money(price.micros),
            source: price.source.to_owned(),
            since: price.since.to_owned(),
        })
        .collect()
}

/// An unmanaged resource that serves nothing, as of the last check.
pub(in crate::graphql) struct Leftover(pub(in crate::graphql) Shown);

/// An unmanaged resource that serves nothing, as of the last check.
#[Object]
impl Leftover {
    /// The id of the leftover. It changes when the resource served something in between.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.row.id.into()
    }

    /// The resource.
    async fn resource(&self) -> Resource {
        Resource(self.0.resource.clone())
    }

    /// The name of the rule that found it, such as `UNATTACHED_VOLUME`.
    async fn rule(&self) -> &str {
        &self.0.row.rule
    }

    /// Why it serves nothing, as a sentence.
    async fn why(&self) -> &str {
        rule(&self.0.row.rule).map_or("It serves nothing.", |rule| rule.why)
    }

    /// Whether it is known to be a leftover.
    async fn state(&self) -> LeftoverState {
        match self.0.unknown_because {
            None => LeftoverState::Leftover,
            Some(_) => LeftoverState::Unknown,
        }
    }

    /// Why it is not known, as a sentence; null if the state is LEFTOVER.
    async fn unknown_because(&self) -> Option<&str> {
        self.0.unknown_because.as_deref()
    }

    /// Since when it serves nothing: since its owner was found to be gone or it was last changed, otherwise since it was first
    /// seen.
    async fn since(&self) -> DateTime<Utc> {
        self.0.row.since
    }

    /// The list price per month; null if it is not known. Taxes and discounts are not included.
    async fn monthly_price(&self) -> Option<Money> {
        self.0.row.monthly_micros.map(money)
    }
}

/// The number and the price of leftovers.
pub(in crate::graphql) struct LeftoverSummary(pub(in crate::graphql) leftovers::Summary);

fn to_int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The number and the price of leftovers.
#[Object]
impl LeftoverSummary {
    /// The number of resources that are known to serve nothing.
    async fn leftovers(&self) -> i32 {
        to_int(self.0.leftovers)
    }

    /// The number of resources of which it is not known whether they serve something.
    async fn unknown(&self) -> i32 {
        to_int(self.0.unknown)
    }

    /// The sum of the known list prices of the known leftovers per month.
    async fn monthly_price(&self) -> Money {
        money(self.0.monthly_micros)
    }

    /// The number of known leftovers whose price is not known.
    async fn unpriced(&self) -> i32 {
        to_int(self.0.unpriced)
    }

    /// When the last check ended; null if there was none yet. A check follows each sync that changes something.
    async fn checked_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_at
    }

    /// The providers that have rules, such as `digitalocean`; at most 10. Resources of other providers are not checked.
    async fn providers(&self) -> [&'static str; PROVIDERS.len()] {
        PROVIDERS
    }
}

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn an_amount_has_two_digits_after_the_point() {
        for (micros, amount) in [
            (0, "0.00"),
            (12_000_000, "12.00"),
            (140_400, "0.14"),
            (5_000, "0.01"),
            (4_999, "0.00"),
        ] {
            assert_eq!(money(micros).amount, amount);
        }
    }
}
