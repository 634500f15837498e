//! Limits the size of an answer while its fields are resolved, before all of it is in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::Value;
use async_graphql::registry::{MetaType, Registry};
use tokio_util::sync::CancellationToken;

/// Bytes of a value besides its text: its key, quotes, commas, and what numbers have on average.
const EACH: usize = 16;

/// The size of the fields of one answer that are resolved so far.
#[derive(Debug)]
pub(crate) struct AnswerSize {
    bytes: AtomicUsize,
    most: usize,
    exceeded: CancellationToken,
}

impl AnswerSize {
    /// Creates the size of an answer that may have `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            most,
            exceeded: CancellationToken::new(),
        }
    }

    /// Adds a resolved field of the type `ty`. If the answer is too large, this never returns: the execution is then dropped.
    pub(crate) async fn add(&self, registry: &Registry, ty: &str, value: &Value) {
        let bytes = EACH + field_bytes(registry, ty, value);
        if self
            .bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes)
            > self.most
        {
            self.exceeded.cancel();
            std::future::pending().await
        }
    }

    /// Waits until the answer is too large.
    pub(crate) async fn exceeded(&self) {
        self.exceeded.cancelled().await;
    }
}

/// Returns the bytes of a text or of JSON. The fields of an object and the items of a list are added on their own.
fn field_bytes(registry: &Registry, ty: &str, value: &Value) -> usize {
    let is_scalar = || {
        let ty = registry.types.get(ty.trim_end_matches('!'));
        matches!(ty, Some(MetaType::Scalar { .. }))
    };
    match value {
        Value::Object(_) | Value::List(_) if !is_scalar() => 0,
        value => json_bytes(value),
    }
}

fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(items) => items.iter().map(|item| EACH + json_bytes(item)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| EACH + name.len() + json_bytes(value))
            .sum(),
        _ => 0,
    }
}
