//! Ignore rules for what a provider itself changes.

/// A file of rules, each with its source. They are off until somebody applies them.
pub const IGNORE_RULES: &str = include_str!("ignore_rules.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ignore_rules::parse_file;
    use crate::provider::traits::KINDS;

    #[test]
    fn each_preset_is_a_valid_rule_of_a_known_kind_with_its_source() {
        let rules = parse_file(IGNORE_RULES).unwrap();
        assert_eq!(
            IGNORE_RULES.matches("\n# https://docs.digitalocean.com/").count(),
            rules.len()
        );
        for rule in rules {
            let kind = rule.definition.kind;
            let is_known = kind
                .as_deref()
                .is_none_or(|kind| KINDS.iter().any(|known| known.name == kind));
            assert!(is_known, "{kind:?}");
        }
    }
}
