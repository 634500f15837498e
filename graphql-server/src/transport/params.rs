//! Parses the parameters of a GraphQL request, from a JSON body or a query string.

use async_graphql::Request;
use axum::{
    extract::Query,
    http::{StatusCode, Uri},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::reply::Refusal;

/// The parameters in a JSON object, not yet parsed. Unknown keys are dropped, because the specification reserves them
/// for extensions. A null counts as absent, which async-graphql does not allow for `extensions`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestMembers<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    query: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a RawValue>,
}

impl RequestMembers<'_> {
    /// Checks the kind of each parameter, so that the message names the wrong one.
    fn check(&self) -> Result<(), Refusal> {
        let texts = [("query", self.query), ("operationName", self.operation_name)];
        let objects = [("variables", self.variables), ("extensions", self.extensions)];
        let begins =
            |value: Option<&RawValue>, with: char| value.is_none_or(|value| value.get().starts_with(with));
        if let Some((name, _)) = texts.iter().find(|(_, value)| !begins(*value, '"')) {
            return Err(bad(format!("invalid request: \"{name}\" must be a string")));
        }
        if let Some((name, _)) = objects.iter().find(|(_, value)| !begins(*value, '{')) {
            return Err(bad(format!("invalid request: \"{name}\" must be an object")));
        }
        match (self.query, self.extensions) {
            (Some(_), _) => Ok(()),
            (None, extensions) => Err(no_document(extensions.is_some_and(has_hash))),
        }
    }
}

/// Returns whether `extensions` has the hash of a document (an automatic persisted query).
fn has_hash(extensions: &RawValue) -> bool {
    let extensions: Result<async_graphql::Extensions, _> = serde_json::from_str(extensions.get());
    extensions.is_ok_and(|extensions| extensions.contains_key("persistedQuery"))
}

fn no_document(has_hash: bool) -> Refusal {
    if has_hash {
        Refusal::persisted_query()
    } else {
        bad("the parameter \"query\" is missing")
    }
}

/// Checks that a body is one request, and returns it without nulls and unknown keys.
pub(super) fn single_request(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    // serde would accept a list as the fields of a struct in order, so lists are rejected first.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => return Err(bad("batched requests are not supported")),
        Some(_) => return Err(bad("the body of the request is not a JSON object")),
        None => return Err(bad("the request has no body")),
    }
    let invalid = |error: serde_json::Error| bad(format!("invalid request: {error}"));
    let members: RequestMembers<'_> = serde_json::from_slice(body).map_err(invalid)?;
    members.check()?;
    serde_json::to_vec(&members).map_err(invalid)
}

/// Parses the payload of a socket message.
pub(super) fn from_payload(payload: &RawValue) -> Result<Request, Refusal> {
    let single = single_request(payload.get().as_bytes())?;
    let request = serde_json::from_slice(&single);
    request
        .map(without_empty_name)
        .map_err(|error| bad(format!("invalid request: {error}")))
}

/// Parses the query string of a GET request.
pub(super) fn from_uri(uri: &Uri) -> Result<Request, Refusal> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| bad("the query string cannot be decoded"))?;
    let mut query = None;
    let mut operation_name = None;
    let mut variables = None;
    let mut extensions = None;
    for (name, value) in pairs {
        let place = match name.as_str() {
            "query" => &mut query,
            "operationName" => &mut operation_name,
            "variables" => &mut variables,
            "extensions" => &mut extensions,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(bad(format!("\"{name}\" appears twice")));
        }
    }
    let extensions: Option<async_graphql::Extensions> = json("extensions", extensions)?.flatten();
    let extensions = extensions.unwrap_or_default();
    let query = query.ok_or_else(|| no_document(extensions.contains_key("persistedQuery")))?;
    let mut request = Request::new(query);
    request.operation_name = operation_name;
    request.variables = json("variables", variables)?.unwrap_or_default();
    request.extensions = extensions;
    Ok(without_empty_name(request))
}

/// Removes an empty operation name: forms and query builders send one for an anonymous operation.
pub(super) fn without_empty_name(mut request: Request) -> Request {
    request.operation_name = request.operation_name.filter(|name| !name.is_empty());
    request
}

/// Parses a JSON parameter of the query string. An empty parameter counts as absent.
fn json<T: DeserializeOwned>(name: &str, text: Option<String>) -> Result<Option<T>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    serde_json::from_str(&text).map_err(|error| bad(format!("invalid \"{name}\": {error}")))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}
