//! Settings of the ways to sign in: a shared secret, an OpenID Connect issuer, and a proxy.

use std::net::IpAddr;

use axum::http::HeaderName;
use clap::{ArgAction, Args};
use ipnet::IpNet;

use super::page_sign_in::PageSignInArgs;
use super::parsers::{not_blank, switch};
use super::{BadSetting, Result, TokenArgs, secrets};
use crate::auth::{
    Authenticator, Issuer, IssuerSettings, IssuerUrl, PageClient, ProxySettings, SignatureAlgorithm,
    TrustedProxy,
};

/// Settings of sign-in by OpenID Connect.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sign-in by OpenID Connect")]
pub(crate) struct OidcArgs {
    /// Identifier of the issuer, such as `https://id.example.com/realms/ops`; its tokens are accepted
    #[arg(long, env = "DRIFT_OIDC_ISSUER", value_name = "URL", value_parser = IssuerUrl::parse)]
    oidc_issuer: Option<IssuerUrl>,
    /// Required audience of the issuer's tokens: the name of this server at the issuer
    #[arg(long, env = "DRIFT_OIDC_AUDIENCE", value_name = "NAME", value_parser = not_blank)]
    oidc_audience: Option<String>,
    /// Accepted algorithms of signatures
    #[arg(long, env = "DRIFT_OIDC_ALGORITHMS", value_name = "NAME,...", value_delimiter = ',', value_parser = algorithm)]
    #[arg(default_value = "RS256,ES256,EdDSA")]
    oidc_algorithms: Vec<SignatureAlgorithm>,
}

/// Settings of sign-in by a proxy. The secret is DRIFT_PROXY_SECRET or DRIFT_PROXY_SECRET_FILE.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sign-in by a proxy")]
pub(crate) struct ProxyArgs {
    /// Accept users that a proxy names in headers
    #[arg(
        long,
        env = "DRIFT_PROXY_SIGN_IN",
        value_name = "on|off",
        default_value = "off"
    )]
    #[arg(value_parser = switch(), action = ArgAction::Set, hide_possible_values = true)]
    proxy_sign_in: bool,
    /// Addresses of the proxy, such as 10.0.0.0/8
    #[arg(long, env = "DRIFT_PROXY_NETWORKS", value_name = "CIDR,...", value_delimiter = ',', value_parser = network)]
    proxy_networks: Vec<IpNet>,
    /// Header in which the proxy sends DRIFT_PROXY_SECRET
    #[arg(
        long,
        env = "DRIFT_PROXY_SECRET_HEADER",
        value_name = "HEADER",
        default_value = "X-Proxy-Secret",
        value_parser = header
    )]
    proxy_secret_header: HeaderName,
    /// Header with the id of the user
    #[arg(
        long,
        env = "DRIFT_PROXY_USER_HEADER",
        value_name = "HEADER",
        default_value = "Remote-User",
        value_parser = header
    )]
    proxy_user_header: HeaderName,
    /// Header with the email of the user
    #[arg(
        long,
        env = "DRIFT_PROXY_EMAIL_HEADER",
        value_name = "HEADER",
        default_value = "Remote-Email",
        value_parser = header
    )]
    proxy_email_header: HeaderName,
    /// Header with the roles or groups of the user, separated by commas
    #[arg(
        long,
        env = "DRIFT_PROXY_ROLES_HEADER",
        value_name = "HEADER",
        default_value = "Remote-Groups",
        value_parser = header
    )]
    proxy_roles_header: HeaderName,
}

/// Settings of all ways to sign in.
#[derive(Args, Clone, Debug)]
pub(crate) struct SignInArgs {
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    oidc: OidcArgs,
    #[command(flatten)]
    page: PageSignInArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
}

impl SignInArgs {
    /// Returns whether a proxy signs users in.
    pub(crate) fn is_by_proxy(&self) -> bool {
        self.proxy.proxy_sign_in
    }

    /// Reads the secrets and returns the ways to sign in.
    ///
    /// # Errors
    /// No way to sign in is configured, or one of them is not safe.
    pub(crate) fn resolve(&self) -> Result<Authenticator> {
        self.page_client()?;
        let (issuer, proxy) = (self.issuer()?, self.proxy.resolve(&self.token)?);
        let shared = match self.token.resolve_optional()? {
            None if issuer.is_none() && proxy.is_none() => {
                let why =
                    "is not set; set it to a shared secret of at least 32 bytes, or set DRIFT_OIDC_ISSUER";
                return Err(BadSetting::new("DRIFT_JWT_SECRET", why));
            }
            config => config.map(|config| config.verifier()).transpose()?,
        };
        Ok(Authenticator::new(shared, issuer, proxy))
    }

    /// Returns the page as a client of the issuer; `None` if users sign in otherwise.
    ///
    /// # Errors
    /// A setting needs another one that is not set.
    pub(crate) fn page_client(&self) -> Result<Option<PageClient>> {
        self.page.resolve(self.oidc.oidc_issuer.is_some())
    }

    fn issuer(&self) -> Result<Option<Issuer>> {
        let Some(url) = self.oidc.oidc_issuer.clone() else {
            return match self.oidc.oidc_audience {
                // Otherwise the operator would believe that the issuer's tokens are accepted.
                Some(_) => Err(BadSetting::new("DRIFT_OIDC_AUDIENCE", "needs DRIFT_OIDC_ISSUER")),
                None => Ok(None),
            };
        };
        let why = "is not set; set it to the audience of the issuer's tokens for this server";
        let settings = IssuerSettings {
            url,
            audience: self
                .oidc
                .oidc_audience
                .as_ref()
                .ok_or_else(|| BadSetting::new("DRIFT_OIDC_AUDIENCE", why))?
                .clone(),
            algorithms: self.oidc.oidc_algorithms.clone(),
            roles_claim: self.token.roles_claim(),
            aliases: self.token.aliases(),
            fetch_gap: IssuerSettings::FETCH_GAP,
        };
        Issuer::new(settings)
            .map(Some)
            .map_err(|why| BadSetting::new("DRIFT_OIDC_ISSUER", why))
    }
}

impl ProxyArgs {
    fn resolve(&self, token: &TokenArgs) -> Result<Option<TrustedProxy>> {
        let secret = secrets::DRIFT_PROXY_SECRET.read()?;
        if !self.proxy_sign_in {
            // These settings without the switch are most likely a mistake, and users could not sign in.
            let name = if secret.is_some() {
                "DRIFT_PROXY_SECRET"
            } else if self.proxy_networks.is_empty() {
                return Ok(None);
            } else {
                "DRIFT_PROXY_NETWORKS"
            };
            return Err(BadSetting::new(name, "needs DRIFT_PROXY_SIGN_IN=on"));
        }
        let settings = ProxySettings {
            user_header: self.proxy_user_header.clone(),
            email_header: self.proxy_email_header.clone(),
            roles_header: self.proxy_roles_header.clone(),
            networks: self.proxy_networks.clone(),
            secret: secret.map(|secret| (self.proxy_secret_header.clone(), secret)),
            aliases: token.aliases(),
        };
        TrustedProxy::new(settings).map(Some).map_err(|why| {
            let name = match why {
                crate::auth::UnsafeProxy::Unproven => "DRIFT_PROXY_NETWORKS",
                crate::auth::UnsafeProxy::WeakSecret => "DRIFT_PROXY_SECRET",
            };
            BadSetting::new(name, why)
        })
    }
}

fn algorithm(text: &str) -> Result<SignatureAlgorithm, &'static str> {
    SignatureAlgorithm::of_name(text.trim()).ok_or("not one of RS256, ES256, EdDSA")
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = text
        .parse()
        .or_else(|_| one())
        .map_err(|_| "not a network such as 10.0.0.0/8".to_owned())?;
    // 10.1.2.3/8 is all of 10.0.0.0/8, while its author may have meant one machine.
    if network.trunc() != network {
        return Err(format!(
            "the address is not the first of its network: write {} or {}",
            network.trunc(),
            network.addr()
        ));
    }
    Ok(network)
}

fn header(text: &str) -> Result<HeaderName, &'static str> {
    text.trim()
        .parse()
        .map_err(|_| "not the name of a header, such as Remote-User")
}
