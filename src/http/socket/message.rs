//! The messages of graphql-transport-ws.

use async_graphql::{Request, Response as Outcome};
use serde_json::{Map, Value, json};

use crate::http::{params, reply};

/// A message of a client.
pub(super) enum Said {
    /// `connection_init`, with its payload.
    Init(Option<Map<String, Value>>),
    /// `ping`, with its payload.
    Ping(Option<Map<String, Value>>),
    /// `pong`.
    Pong,
    /// `subscribe`: starts an operation.
    Subscribe {
        /// The client's id of the operation.
        id: String,
        /// The request to execute.
        request: Box<Request>,
    },
    /// `complete`: stops an operation.
    Complete {
        /// The id of the operation.
        id: String,
    },
}

/// Parses a message. The error is the reason to close the socket.
pub(super) fn read(text: &str) -> Result<Said, String> {
    let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
        return Err("a message must be a JSON object".to_owned());
    };
    let Some(Value::String(kind)) = message.remove("type") else {
        return Err("a message must have a type".to_owned());
    };
    match kind.as_str() {
        "connection_init" => Ok(Said::Init(details(&mut message)?)),
        "ping" => Ok(Said::Ping(details(&mut message)?)),
        "pong" => details(&mut message).map(|_| Said::Pong),
        "complete" => Ok(Said::Complete {
            id: id(&mut message)?,
        }),
        "subscribe" => {
            let id = id(&mut message)?;
            let Some(Value::Object(payload)) = message.remove("payload") else {
                return Err("subscribe needs a payload".to_owned());
            };
            let request = params::from_object(payload).map_err(|refusal| refusal.message().to_owned())?;
            Ok(Said::Subscribe {
                id,
                request: Box::new(request),
            })
        }
        _ => Err("unknown message type".to_owned()),
    }
}

fn id(message: &mut Map<String, Value>) -> Result<String, String> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err("the message needs an id".to_owned()),
    }
}

fn details(message: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, String> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err("the payload is not a JSON object".to_owned()),
    }
}

/// Returns `connection_ack`.
pub(super) fn ack() -> String {
    json!({ "type": "connection_ack" }).to_string()
}

/// Returns `pong`.
pub(super) fn pong(payload: Option<Map<String, Value>>) -> String {
    match payload {
        Some(payload) => json!({ "type": "pong", "payload": payload }).to_string(),
        None => json!({ "type": "pong" }).to_string(),
    }
}

/// Returns `next`: a result of an operation.
pub(super) fn next(id: &str, outcome: &Outcome) -> String {
    let payload = reply::to_json(outcome);
    format!(r#"{{"id":{},"type":"next","payload":{payload}}}"#, json!(id))
}

/// Returns `error`: the operation was not executed.
pub(super) fn error(id: &str, outcome: &Outcome) -> String {
    json!({ "id": id, "type": "error", "payload": outcome.errors }).to_string()
}

/// Returns `complete`: the operation has ended.
pub(super) fn complete(id: &str) -> String {
    json!({ "id": id, "type": "complete" }).to_string()
}
