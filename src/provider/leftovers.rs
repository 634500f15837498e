//! The rules that find leftovers, by provider.

use super::digitalocean::leftovers::{CURRENCY, PRICES, Price, RULES};
use super::traits::DIGITALOCEAN;
use crate::domain::leftovers::LeftoverRule;

/// The providers with rules.
pub(crate) const PROVIDERS: [&str; 1] = [DIGITALOCEAN];

/// Returns the rules of a provider.
pub(crate) fn rules(provider: &str) -> &'static [LeftoverRule] {
    match provider {
        DIGITALOCEAN => &RULES,
        _ => &[],
    }
}

/// Returns the rule with this name.
pub(crate) fn rule(name: &str) -> Option<&'static LeftoverRule> {
    PROVIDERS
        .iter()
        .flat_map(|provider| rules(provider))
        .find(|rule| rule.name == name)
}

/// Returns the list prices, and their currency.
pub(crate) fn prices() -> (&'static [Price], &'static str) {
    (&PRICES, CURRENCY)
}
