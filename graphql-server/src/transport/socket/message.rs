//! The messages of graphql-transport-ws.

use async_graphql::{Request, Response as Outcome};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::transport::{params, reply};

/// A message of a client.
pub(super) enum ClientMessage {
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

/// The members of a message.
#[derive(Deserialize)]
struct MessageMembers<'a> {
    #[serde(rename = "type")]
    kind: Option<Value>,
    id: Option<Value>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Parses a message. The error is the reason to close the socket.
pub(super) fn read(text: &str) -> Result<ClientMessage, String> {
    // serde would accept a list as the members in order.
    let members = Some(text).filter(|text| text.trim_start().starts_with('{'));
    let members: Option<MessageMembers<'_>> = members.and_then(|text| serde_json::from_str(text).ok());
    let members = members.ok_or("a message must be a JSON object")?;
    let Some(Value::String(kind)) = &members.kind else {
        return Err("a message must have a type".to_owned());
    };
    match kind.as_str() {
        "connection_init" => Ok(ClientMessage::Init(members.details()?)),
        "ping" => Ok(ClientMessage::Ping(members.details()?)),
        "pong" => members.details().map(|_| ClientMessage::Pong),
        "complete" => Ok(ClientMessage::Complete { id: members.id()? }),
        "subscribe" => members.subscribe(),
        _ => Err("unknown message type".to_owned()),
    }
}

impl MessageMembers<'_> {
    fn subscribe(self) -> Result<ClientMessage, String> {
        let payload = self.payload.filter(|payload| payload.get().starts_with('{'));
        let payload = payload.ok_or("subscribe needs a payload")?;
        let request = params::from_payload(payload).map_err(|refusal| refusal.message().to_owned())?;
        Ok(ClientMessage::Subscribe {
            id: self.id()?,
            request: Box::new(request),
        })
    }

    fn id(self) -> Result<String, String> {
        match self.id {
            Some(Value::String(id)) if !id.is_empty() => Ok(id),
            _ => Err("the message needs an id".to_owned()),
        }
    }

    fn details(&self) -> Result<Option<Map<String, Value>>, String> {
        let details = self.payload.map(|payload| serde_json::from_str(payload.get()));
        let details = details.transpose();
        details.map_err(|_| "the payload is not a JSON object".to_owned())
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
