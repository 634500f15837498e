//! The query of the rules that decide severities.

use async_graphql::Object;

use super::error::ApiResult;
use super::guard::AtLeast;
use super::types::Severity;
use crate::domain::actor::Role;
use crate::domain::severity;
use crate::provider::traits;

/// The query of severity rules.
#[derive(Default)]
pub(super) struct SeverityQuery;

/// The query of severity rules.
#[Object]
impl SeverityQuery {
    /// Lists the rules that decide the severity of drifts, the most severe first; at most 100.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn severity_rules(&self) -> ApiResult<Vec<SeverityRule>> {
        let mut rules = traits::severity_rules();
        rules.truncate(MAX_RULES);
        Ok(rules.into_iter().map(SeverityRule).collect())
    }
}

const MAX_RULES: usize = 100;

/// A rule that decides the severity of drifts.
struct SeverityRule(severity::SeverityRule);

/// A rule that decides the severity of drifts. A drift that no rule names is NORMAL.
#[Object]
impl SeverityRule {
    /// Its name, as in `Drift.severityRule`.
    async fn name(&self) -> &str {
        self.0.name
    }

    /// When it applies.
    async fn description(&self) -> &str {
        self.0.description
    }

    /// The severity that it gives.
    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }
}
