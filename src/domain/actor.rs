//! Callers of the server, and their roles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// The name of the server as an actor.
const SYSTEM: &str = "system";

/// The name of a caller whose token has no email.
const OPERATOR: &str = "operator";

/// Role of a caller. Each role includes the roles before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Permits queries and subscriptions.
    PlatformViewer,
    /// Permits all operations.
    PlatformAdmin,
}

impl Role {
    /// Returns the canonical spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformViewer => "platform_viewer",
            Self::PlatformAdmin => "platform_admin",
        }
    }

    /// Returns the role for a built-in spelling.
    fn built_in(name: &str) -> Option<Self> {
        match name {
            "platform_viewer" | "platform-viewer" => Some(Self::PlatformViewer),
            "platform_admin" | "platform-admin" => Some(Self::PlatformAdmin),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The strings in a token that stand for each [`Role`].
///
/// The built-in spellings are valid, and a setting can add others. Matching is exact, including case and spaces, so that
/// an unrelated role of the issuer does not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAliases {
    extra: BTreeMap<String, Role>,
    /// Whether the built-in spellings are not valid.
    without_built_in: bool,
}

impl RoleAliases {
    /// Parses a setting such as `ops=platform_admin,audit=platform_viewer`.
    ///
    /// An empty text adds no alias. Each part is split at its last `=`, so an alias may contain `=`.
    ///
    /// # Errors
    /// The first part that is not `alias=role` with a known role, or that gives a second role to an alias.
    pub fn parse(text: &str) -> Result<Self, BadRoleAlias> {
        let mut aliases = Self::default();
        if text.trim().is_empty() {
            return Ok(aliases);
        }
        for part in text.split(',') {
            let bad = |problem| BadRoleAlias {
                part: part.trim().to_owned(),
                problem,
            };
            let (alias, role) = part
                .rsplit_once('=')
                .ok_or_else(|| bad("is not of the form alias=role"))?;
            let alias = alias.trim();
            if alias.is_empty() {
                return Err(bad("has no alias before ="));
            }
            let role = Role::built_in(role.trim())
                .ok_or_else(|| bad("has an unknown role: use platform_admin or platform_viewer"))?;
            if aliases.get(alias).is_some_and(|known| known != role) {
                return Err(bad("gives a second role to the same alias"));
            }
            aliases.extra.insert(alias.to_owned(), role);
        }
        Ok(aliases)
    }

    /// Returns the role that this string stands for.
    pub fn get(&self, name: &str) -> Option<Role> {
        let extra = self.extra.get(name).copied();
        extra.or_else(|| Role::built_in(name).filter(|_| !self.without_built_in))
    }

    /// Returns the strings for roles that another system assigns, such as an issuer: only the aliases, if there are any. A
    /// role or group of that system may have a built-in spelling by chance.
    #[must_use]
    pub fn of_another_system(self) -> Self {
        Self {
            without_built_in: !self.extra.is_empty(),
            ..self
        }
    }
}

/// An invalid part of the role aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRoleAlias {
    part: String,
    problem: &'static str,
}

impl fmt::Display for BadRoleAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role alias `{}` {}", self.part, self.problem)
    }
}

impl std::error::Error for BadRoleAlias {}

/// The location of the list of roles in a token's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesClaim {
    name: String,
}

impl Default for RolesClaim {
    fn default() -> Self {
        Self {
            name: "roles".to_owned(),
        }
    }
}

impl RolesClaim {
    /// Parses the name of a claim (`roles`, `https://example.com/roles`) or a path to it (`realm_access.roles`).
    ///
    /// # Errors
    /// The text is empty, or has an empty step, such as `a..b`.
    pub fn parse(text: &str) -> Result<Self, BadRolesClaim> {
        let name = text.trim();
        if name.split('.').any(str::is_empty) {
            return Err(BadRolesClaim(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// Returns the parsed text. A claim with exactly this name is always found, so new tokens use it as the name of
    /// their roles claim.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the claim. If a claim has the whole text as its name, the path is not used, because a name may contain
    /// dots.
    fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        claims.get(&self.name).or_else(|| {
            self.name
                .split('.')
                .try_fold(claims, |value, step| value.get(step))
        })
    }
}

/// A text that is not the name of a claim or a path to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRolesClaim(String);

impl fmt::Display for BadRolesClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a claim or a path to a claim", self.0)
    }
}

impl std::error::Error for BadRolesClaim {}

/// Returns the known roles in a token's claims.
///
/// The claim must be a list of strings. With any other shape the token has no role, because a wrong interpretation
/// could grant too much.
pub(crate) fn roles_from_claims(claims: &Value, claim: &RolesClaim, aliases: &RoleAliases) -> BTreeSet<Role> {
    let names: Option<Vec<&str>> = claim
        .find(claims)
        .and_then(Value::as_array)
        .and_then(|list| list.iter().map(Value::as_str).collect());
    names
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| aliases.get(name))
        .collect()
}

/// The caller of an operation: the holder of a valid token, or the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    identity: Identity,
    roles: BTreeSet<Role>,
}

/// Identity of an actor. The server has a separate variant, so that the holder of a token never counts as the server,
/// even if the subject of the token is `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    System,
    Token { subject: String, email: Option<String> },
}

impl Actor {
    /// Creates the actor for a valid token. The email `system` is dropped, so that no decision of a person looks
    /// like an action of the server.
    pub fn new(subject: impl Into<String>, email: Option<String>, roles: BTreeSet<Role>) -> Self {
        let identity = Identity::Token {
            subject: subject.into(),
            email: email.filter(|email| email != SYSTEM),
        };
        Self { identity, roles }
    }

    /// Creates the actor for the server itself.
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            roles: BTreeSet::from([Role::PlatformAdmin]),
        }
    }

    /// Returns the token's subject, or `system`.
    pub fn subject(&self) -> &str {
        match &self.identity {
            Identity::System => SYSTEM,
            Identity::Token { subject, .. } => subject,
        }
    }

    /// Returns the token's email, if it has one.
    pub fn email(&self) -> Option<&str> {
        match &self.identity {
            Identity::System => None,
            Identity::Token { email, .. } => email.as_deref(),
        }
    }

    /// Returns the name to record with an action: the email, `operator` if there is none, or `system`.
    pub fn name(&self) -> &str {
        match &self.identity {
            Identity::System => SYSTEM,
            Identity::Token { email, .. } => email.as_deref().unwrap_or(OPERATOR),
        }
    }

    /// Returns whether this name, which an action recorded, stands for any caller without an email.
    pub(crate) fn is_shared_name(name: &str) -> bool {
        name == OPERATOR
    }

    /// Returns the roles, lowest first.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// Returns whether queries and subscriptions are permitted.
    pub(crate) fn may_read(&self) -> bool {
        self.holds(Role::PlatformViewer)
    }

    /// Returns whether mutations are permitted.
    pub(crate) fn may_write(&self) -> bool {
        self.holds(Role::PlatformAdmin)
    }

    /// Returns whether the highest role includes `needed`.
    fn holds(&self, needed: Role) -> bool {
        self.roles.last().is_some_and(|highest| *highest >= needed)
    }
}

#[cfg(test)]
mod tests;
