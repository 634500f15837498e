//! Signatures of webhooks, as <https://www.standardwebhooks.com> defines them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Sizes of the key in a secret, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret of the signatures of a webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    key: Vec<u8>,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

impl SigningSecret {
    /// Makes a new secret.
    pub(crate) fn random() -> Self {
        let mut hash = Sha256::new();
        for part in [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()] {
            hash.update(part.as_bytes());
        }
        Self {
            key: hash.finalize().to_vec(),
        }
    }

    /// Parses `whsec_` and 24 to 64 bytes in base64.
    ///
    /// # Errors
    ///
    /// A text that does not repeat the secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = text
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|rest| STANDARD.decode(rest).ok());
        match bytes {
            Some(key) if KEY_BYTES.contains(&key.len()) => Ok(Self { key }),
            _ => Err("the secret must be whsec_ and 24 to 64 bytes in base64"),
        }
    }

    /// Returns the secret as the receiver needs it.
    pub(crate) fn exposed(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.key))
    }

    pub(super) fn sign(&self, content: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(content.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// Returns the id of a message as its receiver sees it.
pub(crate) fn message_id(id: Uuid) -> String {
    format!("msg_{}", id.simple())
}

/// Returns the headers of a message: its id, the time of the attempt, and one signature for each secret.
pub(super) fn headers(
    id: Uuid,
    now: DateTime<Utc>,
    body: &str,
    secrets: &[SigningSecret],
) -> Vec<(&'static str, String)> {
    let (id, time) = (message_id(id), now.timestamp().to_string());
    let content = format!("{id}.{time}.{body}");
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| secret.sign(&content))
        .collect();
    let mut headers = vec![("webhook-id", id), ("webhook-timestamp", time)];
    if !signatures.is_empty() {
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}
