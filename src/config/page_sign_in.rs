//! Settings of the page's sign-in by OpenID Connect.

use clap::Args;

use super::{BadSetting, Result};
use crate::auth::{ExtraParameters, PageClient, PageToken};

/// Settings of the page's sign-in by OpenID Connect.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sign-in on the page")]
pub(crate) struct PageSignInArgs {
    /// Id of the page at the issuer, where it is a public client; the page then signs users in at the issuer
    #[arg(long, env = "DRIFT_OIDC_CLIENT_ID", value_name = "ID", value_parser = client_id)]
    oidc_client_id: Option<String>,
    /// Scopes that the page requests, separated by spaces
    #[arg(long, env = "DRIFT_OIDC_SCOPES", value_name = "SCOPE ...", value_parser = scopes)]
    #[arg(default_value = "openid profile email")]
    oidc_scopes: String,
    /// Token of the issuer that the page sends to the API: access or id
    #[arg(long, env = "DRIFT_OIDC_TOKEN", value_name = "access|id", value_parser = PageToken::parse)]
    #[arg(default_value = "access")]
    oidc_token: PageToken,
    /// Further parameters of the page's request to the issuer, such as audience=drift-inbox
    #[arg(long, env = "DRIFT_OIDC_PARAMETERS", value_name = "NAME=VALUE&...", value_parser = ExtraParameters::parse)]
    oidc_parameters: Option<ExtraParameters>,
}

impl PageSignInArgs {
    /// Returns the page as a client of the issuer; `None` if users sign in otherwise.
    ///
    /// # Errors
    /// A setting needs another one that is not set.
    pub(super) fn resolve(&self, has_issuer: bool) -> Result<Option<PageClient>> {
        let Some(id) = self.oidc_client_id.clone() else {
            return match self.oidc_parameters {
                Some(_) => Err(BadSetting::new(
                    "DRIFT_OIDC_PARAMETERS",
                    "needs DRIFT_OIDC_CLIENT_ID",
                )),
                None => Ok(None),
            };
        };
        if !has_issuer {
            return Err(BadSetting::new("DRIFT_OIDC_CLIENT_ID", "needs DRIFT_OIDC_ISSUER"));
        }
        Ok(Some(PageClient {
            id,
            scopes: self.oidc_scopes.clone(),
            token: self.oidc_token,
            parameters: self.oidc_parameters.clone().unwrap_or_default(),
        }))
    }
}

fn client_id(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err("is empty or has control characters");
    }
    Ok(text.to_owned())
}

/// Parses scopes. Without `openid` the issuer gives no ID token, so the page could not check who signed in.
fn scopes(text: &str) -> Result<String, &'static str> {
    let scopes: Vec<&str> = text.split_whitespace().collect();
    if !scopes.contains(&"openid") {
        return Err("must contain the scope openid");
    }
    Ok(scopes.join(" "))
}
