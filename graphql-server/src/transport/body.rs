//! Reads request bodies up to a limit, within the memory that all bodies share.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_LENGTH, EXPECT},
    },
};
use futures_util::StreamExt;

use super::reply::Refusal;
use crate::bodies::{Bodies, NoMemory, Reserved};
use crate::callers::CallerKey;

/// Limits for discarding the rest of a body that is too large. A client that is disconnected while it sends sees a
/// broken connection instead of the error response.
const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;
const MAX_DISCARD_TIME: Duration = Duration::from_secs(5);
/// Memory in bytes that a body waits for before it is read.
const FIRST_MEMORY: usize = 16 * 1024;

/// Returns the body if it has at most `limit` bytes, with its memory.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bodies: &Bodies,
    caller: &CallerKey,
    limit: usize,
) -> Result<(Vec<u8>, Reserved), Refusal> {
    let mut stream = body.into_data_stream();
    let announced: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut too_big = announced.is_some_and(|length| length > limit);
    if !too_big {
        // A client could announce bodies that it never sends, so the memory grows with what arrives.
        let expected = announced.unwrap_or(FIRST_MEMORY).min(FIRST_MEMORY);
        let mut memory = bodies
            .reserve(caller, expected)
            .await
            .map_err(|NoMemory| Refusal::no_memory())?;
        let mut bytes = Vec::new();
        while !too_big && let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken())?;
            too_big = bytes.len() + chunk.len() > limit;
            if !too_big {
                memory
                    .grow(bytes.len() + chunk.len())
                    .map_err(|NoMemory| Refusal::no_memory())?;
                bytes.extend_from_slice(&chunk);
            }
        }
        if !too_big {
            memory.shrink(bytes.len());
            return Ok((bytes, memory));
        }
    }
    // A client that sends `Expect` has not sent its body yet.
    if !headers.contains_key(EXPECT) {
        // The response is the same whether the rest arrived or the time ran out.
        let _ = tokio::time::timeout(MAX_DISCARD_TIME, discard(stream)).await;
    }
    let message = format!("the body of the request is larger than {limit} bytes");
    Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message))
}

async fn discard(mut stream: BodyDataStream) {
    let mut left = MAX_DISCARDED_BYTES;
    while let Some(Ok(chunk)) = stream.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            break;
        }
    }
}

fn broken() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "the body of the request ended early")
}
