//! Files of ignore rules, in TOML: a list of tables with the name `rule`. The keys of a table are those of a definition,
//! and `reason`, `owner`, `expires` and the unique `title`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Definition;
use crate::domain::validation::InvalidInput;

/// A rule of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRule {
    /// Its unique name.
    pub title: String,
    /// What it covers.
    pub definition: Definition,
    /// Why the difference is expected.
    pub reason: String,
    /// Person or team that answers for it.
    pub owner: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rule: Vec<Map<String, Value>>,
}

/// Parses a file of rules.
///
/// # Errors
///
/// The text is not TOML, a key is unknown, a required one is missing, or two rules have the same title. The message names the
/// rule.
pub fn parse(text: &str) -> Result<Vec<FileRule>, String> {
    let document: Document = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut titles = BTreeSet::new();
    let mut rules = Vec::new();
    for (number, table) in (1..).zip(document.rule) {
        let rule = rule(table).map_err(|why| format!("rule {number}: {why}"))?;
        if !titles.insert(rule.title.clone()) {
            return Err(format!(
                "rule {number}: another rule has the title {:?}",
                rule.title
            ));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(mut table: Map<String, Value>) -> Result<FileRule, String> {
    let mut text = |key: &str| match table.remove(key) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key} must be a text in quotation marks")),
        None => Ok(None),
    };
    let title = text("title")?
        .filter(|title| !title.is_empty())
        .ok_or("title is missing")?;
    let reason = text("reason")?.ok_or("reason is missing")?;
    let owner = text("owner")?;
    let expires_at = text("expires")?
        .map(|time| DateTime::parse_from_rfc3339(&time))
        .transpose()
        .map_err(|_| "expires must be a time such as \"2027-01-31T00:00:00Z\"")?;
    let definition: Definition =
        serde_json::from_value(Value::Object(table)).map_err(|error| error.to_string())?;
    definition.check().map_err(|why: InvalidInput| why.to_string())?;
    Ok(FileRule {
        title,
        definition,
        reason,
        owner,
        expires_at: expires_at.map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "[[rule]]\n\
        title = \"autoscaled pools\"\nreason = \"the autoscaler decides\"\nowner = \"platform\"\n\
        expires = \"2027-01-31T00:00:00Z\"\nkind = \"kubernetes_node_pool\"\nfield = \"count\"\n\
        where = { field = \"auto_scale\", value = true }\nbetween = { min = \"min_nodes\", max = \"max_nodes\" }\n\
        [[rule]]\ntitle = \"tags of the cluster\"\nreason = \"set by the cloud\"\nfield = \"tags\"\npointer = \"/k8s:*\"\n";

    #[test]
    fn a_file_has_the_conditions_of_its_rules() {
        let rules = parse(FILE).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].owner.as_deref(), Some("platform"));
        let definition = json!({ "kind": "kubernetes_node_pool", "field": "count",
            "where": { "field": "auto_scale", "value": true }, "between": { "min": "min_nodes", "max": "max_nodes" } });
        assert_eq!(serde_json::to_value(&rules[0].definition).unwrap(), definition);
        assert_eq!(
            rules[0].expires_at.unwrap().to_rfc3339(),
            "2027-01-31T00:00:00+00:00"
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_mistake_is_named_with_its_rule() {
        for (mistake, message) in [
            (FILE.replace("owner =", "onwer ="), "unknown field `onwer`"),
            (
                FILE.replace("reason = \"set by the cloud\"\n", ""),
                "rule 2: reason is missing",
            ),
            (
                FILE.replace("tags of the cluster", "autoscaled pools"),
                "rule 2: another rule has the title",
            ),
            (
                FILE.replace("\"/k8s:*\"", "\"k8s\""),
                "rule 2: pointer must begin with /",
            ),
            (
                FILE.replace("2027-01-31T00:00:00Z", "soon"),
                "rule 1: expires must be a time",
            ),
            (FILE.replace("[[rule]]", "[[rules]]"), "rules"),
            ("rule = 1".to_owned(), "rule"),
        ] {
            let why = parse(&mistake).unwrap_err();
            assert!(why.contains(message), "{why}");
        }
    }
}
