//! How the page signs users in.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;

use super::HttpState;
use crate::auth::{Authenticator, Issuer, NoEndpoints, PageClient};

/// The ways to sign in. It contains no secret: everybody may read it, because the page needs it before it has a token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignIn {
    /// The time of the server in milliseconds since 1970, because the clock of the browser may be wrong.
    time: i64,
    /// Whether users can enter a token.
    token: bool,
    /// Whether operators of this server can create tokens.
    own_tokens: bool,
    /// Headers of the proxy that signs users in.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyHeaders>,
    /// The issuer at which users sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<IssuerPart>,
}

/// The headers that the proxy sends.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyHeaders {
    /// Header with the id of the user.
    user: String,
    /// Header with the roles of the user.
    roles: String,
}

/// The issuer, and the page as its client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuerPart {
    /// Identifier of the issuer.
    issuer: String,
    /// Required audience of the token that the page sends to the API.
    audience: String,
    client_id: String,
    scopes: String,
    /// `access` or `id`: the token that the page sends to the API.
    token: &'static str,
    /// Further parameters of the request.
    parameters: Vec<(String, String)>,
    /// Addresses of the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<Endpoints>,
    /// Why the page cannot sign users in now: `unreachable` or `unusable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// Addresses of the issuer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoints {
    authorization: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_session: Option<String>,
    /// Algorithms of the signatures of ID tokens.
    algorithms: Vec<String>,
    /// Whether the issuer names itself in its answers.
    names_itself: bool,
}

/// Tells the page how to sign users in.
pub(super) async fn show(State(state): State<HttpState>) -> impl IntoResponse {
    let time = state.app.clock().now().timestamp_millis();
    let found = found(&state.authenticator, state.page_client.as_deref(), time).await;
    ([(CACHE_CONTROL, "no-store")], Json(found))
}

async fn found(authenticator: &Authenticator, client: Option<&PageClient>, time: i64) -> SignIn {
    let proxy = authenticator.proxy().map(|proxy| {
        let (user, roles) = proxy.headers();
        ProxyHeaders {
            user: user.to_string(),
            roles: roles.to_string(),
        }
    });
    let issuer = match (authenticator.issuer(), client) {
        (Some(issuer), Some(client)) => Some(issuer_part(issuer, client).await),
        _ => None,
    };
    SignIn {
        time,
        token: authenticator.has_shared_secret() || authenticator.issuer().is_some(),
        own_tokens: authenticator.has_shared_secret(),
        proxy,
        issuer,
    }
}

async fn issuer_part(issuer: &Issuer, client: &PageClient) -> IssuerPart {
    let (endpoints, problem) = match issuer.endpoints().await {
        Ok(found) => (Some(found), None),
        Err(NoEndpoints::Unreachable) => (None, Some("unreachable")),
        Err(NoEndpoints::Unusable) => (None, Some("unusable")),
    };
    IssuerPart {
        issuer: issuer.url().to_string(),
        audience: issuer.audience().to_owned(),
        client_id: client.id.clone(),
        scopes: client.scopes.clone(),
        token: client.token.name(),
        parameters: client.parameters.pairs().to_vec(),
        endpoints: endpoints.map(|found| Endpoints {
            authorization: found.authorization_endpoint,
            token: found.token_endpoint,
            end_session: found.end_session_endpoint,
            algorithms: found.id_token_signing_alg_values_supported,
            names_itself: found.authorization_response_iss_parameter_supported,
        }),
        problem,
    }
}
