//! The parameters of a GraphQL request, from a JSON body or a query string.

use async_graphql::{Extensions, Request, Variables};
use axum::{
    extract::Query,
    http::{StatusCode, Uri},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::reply::Refusal;

/// The parameters. Unknown keys are ignored, because the specification reserves them for extensions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    extensions: Option<Extensions>,
}

impl Params {
    fn into_request(self) -> Result<Request, NoDocument> {
        let extensions = self.extensions.unwrap_or_default();
        let query = match self.query {
            Some(query) => query,
            None if extensions.contains_key("persistedQuery") => return Err(NoDocument::Persisted),
            None => return Err(NoDocument::Missing),
        };
        let mut request = Request::new(query);
        // Forms and query builders send an empty name if there is none.
        request.operation_name = self.operation_name.filter(|name| !name.is_empty());
        request.variables = self.variables;
        request.extensions = extensions;
        Ok(request)
    }
}

/// Why a request has no document.
#[derive(Clone, Copy)]
enum NoDocument {
    /// It has neither a document nor a hash.
    Missing,
    /// It has only the hash of a document (an automatic persisted query).
    Persisted,
}

impl From<NoDocument> for Refusal {
    fn from(why: NoDocument) -> Self {
        match why {
            NoDocument::Missing => bad("the parameter \"query\" is missing"),
            NoDocument::Persisted => Self::persisted_query(),
        }
    }
}

/// Parses the body of a POST request.
pub(super) fn from_body(body: &[u8]) -> Result<Request, Refusal> {
    // serde would read a list as the fields of a struct in order, so lists are rejected first.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => return Err(bad("batched requests are not supported")),
        Some(_) => return Err(bad("the body of the request is not a JSON object")),
        None => return Err(bad("the request has no body")),
    }
    let params: Params =
        serde_json::from_slice(body).map_err(|error| bad(format!("invalid request body: {error}")))?;
    Ok(params.into_request()?)
}

/// Parses the payload of a socket message.
pub(super) fn from_object(payload: Map<String, Value>) -> Result<Request, Refusal> {
    let params: Params = serde_json::from_value(Value::Object(payload))
        .map_err(|error| bad(format!("invalid payload: {error}")))?;
    Ok(params.into_request()?)
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
    let params = Params {
        query,
        operation_name,
        variables: json("variables", variables)?.unwrap_or_default(),
        extensions: json("extensions", extensions)?,
    };
    Ok(params.into_request()?)
}

/// Parses a JSON parameter of the query string. An empty one counts as absent.
fn json<T: DeserializeOwned>(name: &str, text: Option<String>) -> Result<Option<T>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    serde_json::from_str(&text).map_err(|error| bad(format!("invalid \"{name}\": {error}")))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}
