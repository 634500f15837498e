//! Who is asking, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// The name under which the server's own jobs act.
const SYSTEM: &str = "system";

/// The name of a caller whose token has no email.
const OPERATOR: &str = "operator";

/// What a caller may do; a later role includes the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May run queries and subscriptions.
    PlatformViewer,
    /// May do everything.
    PlatformAdmin,
}

impl Role {
    /// The canonical spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformViewer => "platform_viewer",
            Self::PlatformAdmin => "platform_admin",
        }
    }

    /// The role of a spelling that needs no alias.
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

/// Which strings in a token stand for which [`Role`].
///
/// The built-in spellings always count; a setting may add others. Matching is exact: neither case
/// nor surrounding spaces are forgiven, since that would let an issuer's unrelated role pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAliases {
    extra: BTreeMap<String, Role>,
}

impl RoleAliases {
    /// Reads a setting such as `ops=platform_admin,audit=platform_viewer`.
    ///
    /// An empty text adds nothing. The alias ends at the last `=` of its part, so it may hold one.
    ///
    /// # Errors
    /// Names the first part that is not `alias=role`, or that gives a known string another role.
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

    /// The role that this string stands for.
    pub fn get(&self, name: &str) -> Option<Role> {
        Role::built_in(name).or_else(|| self.extra.get(name).copied())
    }
}

/// A part of the role aliases that cannot be used.
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

/// Where in a token's claims the list of roles is.
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
    /// Reads a claim's name (`roles`, `https://example.com/roles`) or a path to it
    /// (`realm_access.roles`).
    ///
    /// # Errors
    /// When the text is empty or has an empty step, which is never what was meant.
    pub fn parse(text: &str) -> Result<Self, BadRolesClaim> {
        let name = text.trim();
        if name.split('.').any(str::is_empty) {
            return Err(BadRolesClaim(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// The text it was read from. A claim of exactly this name is always found, so this is also
    /// where to put the roles of a new token.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The claim itself. A claim that bears the whole text as its name goes before the path, for
    /// names that hold dots; being there, it also decides alone.
    fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        claims.get(&self.name).or_else(|| {
            self.name
                .split('.')
                .try_fold(claims, |value, step| value.get(step))
        })
    }
}

/// A text that names no claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRolesClaim(String);

impl fmt::Display for BadRolesClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a claim or a path to a claim", self.0)
    }
}

impl std::error::Error for BadRolesClaim {}

/// The known roles among a token's claims.
///
/// Only a list of nothing but strings counts. Reading roles out of any other shape would mean to
/// guess what its issuer meant, and a wrong guess grants too much; such a token has no role.
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

/// Someone who acts: the holder of a valid token, or the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    identity: Identity,
    roles: BTreeSet<Role>,
}

/// A variant of its own for the server keeps a token from ever being equal to it, whatever its
/// subject says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    System,
    Token { subject: String, email: Option<String> },
}

impl Actor {
    /// The holder of a valid token. The email `system` is dropped, so that no decision of a
    /// person can look like one of a job.
    pub fn new(subject: impl Into<String>, email: Option<String>, roles: BTreeSet<Role>) -> Self {
        let identity = Identity::Token {
            subject: subject.into(),
            email: email.filter(|email| email != SYSTEM),
        };
        Self { identity, roles }
    }

    /// The server acting on its own, in a job or on the command line.
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            roles: BTreeSet::from([Role::PlatformAdmin]),
        }
    }

    /// The token's subject, or `system`.
    pub fn subject(&self) -> &str {
        match &self.identity {
            Identity::System => SYSTEM,
            Identity::Token { subject, .. } => subject,
        }
    }

    /// The token's email, if it has one.
    pub fn email(&self) -> Option<&str> {
        match &self.identity {
            Identity::System => None,
            Identity::Token { email, .. } => email.as_deref(),
        }
    }

    /// The name to record with what was done: the email, `operator` without one, or `system`.
    pub fn name(&self) -> &str {
        match &self.identity {
            Identity::System => SYSTEM,
            Identity::Token { email, .. } => email.as_deref().unwrap_or(OPERATOR),
        }
    }

    /// The roles held, the lowest first.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// Whether queries and subscriptions are allowed.
    pub(crate) fn may_read(&self) -> bool {
        self.holds(Role::PlatformViewer)
    }

    /// Whether mutations are allowed.
    pub(crate) fn may_write(&self) -> bool {
        self.holds(Role::PlatformAdmin)
    }

    /// Whether the highest role held includes this one.
    fn holds(&self, needed: Role) -> bool {
        self.roles.last().is_some_and(|highest| *highest >= needed)
    }
}

#[cfg(test)]
mod tests;
