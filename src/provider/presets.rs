//! Ignore rules for what a provider itself changes.

use crate::domain::ignore_rules::{FileRule, parse_file};

/// A file of rules, each with its source. They are off until a user applies them.
pub const IGNORE_RULES: &str = include_str!("ignore_rules.toml");

/// What the comment with the source of a rule begins with.
const SOURCE: &str = "# https://";

/// A rule of the file.
pub(crate) struct Preset {
    /// The rule.
    pub(crate) rule: FileRule,
    /// Address of the page that documents what the provider changes.
    pub(crate) source: String,
}

/// Returns the rules of the file.
///
/// # Errors
///
/// The file is not valid, which a test excludes.
pub(crate) fn ignore_rules() -> Result<Vec<Preset>, String> {
    let sources = IGNORE_RULES.lines().filter(|line| line.starts_with(SOURCE));
    let presets = parse_file(IGNORE_RULES)?.into_iter().zip(sources);
    Ok(presets
        .map(|(rule, source)| Preset {
            rule,
            source: source.trim_start_matches("# ").to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::traits::KINDS;

    #[test]
    fn each_preset_is_a_valid_rule_of_a_known_kind_with_its_source() {
        let presets = ignore_rules().unwrap();
        assert_eq!(presets.len(), IGNORE_RULES.matches("[[rule]]").count());
        for Preset { rule, source } in presets {
            let kind = rule.definition.kind;
            let is_known = kind
                .as_deref()
                .is_none_or(|kind| KINDS.iter().any(|known| known.name == kind));
            assert!(is_known, "{kind:?}");
            assert!(source.starts_with("https://docs.digitalocean.com/"), "{source}");
            // The source of a rule is in the comment above it.
            let (before, _) = IGNORE_RULES
                .split_once(&format!("title = {:?}", rule.title))
                .unwrap();
            assert!(
                before.ends_with(&format!("# {source}\n[[rule]]\n")),
                "{}",
                rule.title
            );
        }
    }
}
