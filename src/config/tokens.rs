//! Settings of tokens.

use clap::Args;
use secrecy::SecretString;

use super::parsers::not_blank;
use super::{BadSetting, Result, secrets};
use crate::auth::TokenVerifier;
use crate::domain::actor::{RoleAliases, RolesClaim};

/// Default issuer of tokens, and their default audience.
const DEFAULT_ISSUER: &str = "drift-inbox";

/// How tokens are signed. The secret itself is DRIFT_JWT_SECRET or DRIFT_JWT_SECRET_FILE.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub(crate) struct TokenArgs {
    /// Value of the claim iss
    #[arg(long, env = "DRIFT_JWT_ISSUER", value_name = "NAME", default_value = DEFAULT_ISSUER, value_parser = not_blank)]
    jwt_issuer: String,
    /// Value of the claim aud
    #[arg(long, env = "DRIFT_JWT_AUDIENCE", value_name = "NAME", default_value = DEFAULT_ISSUER, value_parser = not_blank)]
    jwt_audience: String,
    /// Claim with the list of roles, or a path such as realm_access.roles
    #[arg(long, env = "DRIFT_ROLES_CLAIM", value_name = "CLAIM")]
    #[arg(default_value = RolesClaim::default().as_str().to_owned(), value_parser = RolesClaim::parse)]
    roles_claim: RolesClaim,
    /// Further names of the roles, such as ops=platform_admin,staff=platform_viewer
    #[arg(long, env = "DRIFT_ROLE_ALIASES", value_name = "ALIAS=ROLE,...", value_parser = RoleAliases::parse)]
    role_aliases: Option<RoleAliases>,
}

/// The validated settings of tokens.
#[derive(Clone, Debug)]
pub(crate) struct TokenConfig {
    /// Shared secret, at least 32 bytes.
    pub(crate) secret: SecretString,
    /// Value of the claim `iss`.
    pub(crate) issuer: String,
    /// Value of the claim `aud`.
    pub(crate) audience: String,
    /// Claim that contains the roles.
    pub(crate) roles_claim: RolesClaim,
    /// Further names of the roles.
    pub(crate) aliases: RoleAliases,
}

impl TokenArgs {
    /// Reads the secret and returns all token settings.
    ///
    /// # Errors
    /// The secret is not set or too short.
    pub(crate) fn resolve(&self) -> Result<TokenConfig> {
        let why = "is not set; set it to a shared secret of at least 32 bytes";
        self.resolve_optional()?
            .ok_or_else(|| BadSetting::new("DRIFT_JWT_SECRET", why))
    }

    /// Reads the secret and returns all token settings. `None` without a secret.
    ///
    /// # Errors
    /// The secret is too short.
    pub(crate) fn resolve_optional(&self) -> Result<Option<TokenConfig>> {
        let Some(secret) = secrets::DRIFT_JWT_SECRET.read()? else {
            return Ok(None);
        };
        let config = TokenConfig {
            secret,
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            roles_claim: self.roles_claim(),
            aliases: self.aliases(),
        };
        config.verifier()?;
        Ok(Some(config))
    }

    /// Returns the claim that contains the roles.
    pub(super) fn roles_claim(&self) -> RolesClaim {
        self.roles_claim.clone()
    }

    /// Returns the further names of the roles.
    pub(super) fn aliases(&self) -> RoleAliases {
        self.role_aliases.clone().unwrap_or_default()
    }
}

impl TokenConfig {
    /// Returns the default settings with this secret.
    pub(crate) fn with_secret(secret: SecretString) -> Self {
        Self {
            secret,
            issuer: DEFAULT_ISSUER.to_owned(),
            audience: DEFAULT_ISSUER.to_owned(),
            roles_claim: RolesClaim::default(),
            aliases: RoleAliases::default(),
        }
    }

    /// Returns the verifier of tokens.
    ///
    /// # Errors
    /// The secret is too short.
    pub(crate) fn verifier(&self) -> Result<TokenVerifier> {
        let (claim, aliases) = (self.roles_claim.clone(), self.aliases.clone());
        TokenVerifier::hs256(
            &self.secret,
            self.issuer.clone(),
            self.audience.clone(),
            claim,
            aliases,
        )
        .map_err(|why| BadSetting::new("DRIFT_JWT_SECRET", why))
    }
}
