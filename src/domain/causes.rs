//! Causes: drifts with the same difference have the same cause. A cause is two digests, one of the expected and one of
//! the live value.
//!
//! Values are equal by loose equality, as they are shown: a redacted value has no digest of its own, so that nothing
//! about it can be learned from the groups.

use std::fmt::Write as _;

use entity::cloud_drift::DriftKind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::equality::canonical;
use super::redaction::{hides, shown};

/// Length of a digest, in hexadecimal digits.
pub(crate) const DIGEST: usize = 32;

/// The digests of the two values of a drift, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Digest of the expected value.
    pub(crate) expected: String,
    /// Digest of the live value.
    pub(crate) actual: String,
}

impl Cause {
    /// Returns the cause of a drift with these values.
    pub(crate) fn of(expected: &Value, actual: &Value) -> Self {
        if hides(Some(expected), Some(actual)) {
            let hidden = digest("redacted");
            return Self {
                expected: hidden.clone(),
                actual: hidden,
            };
        }
        let of = |value: &Value| digest(&format!("={}", canonical(&shown(value)).as_str()));
        Self {
            expected: of(expected),
            actual: of(actual),
        }
    }

    /// Returns the cause as it is stored, of a drift of this kind. Missing resources are grouped by their kind, not by
    /// their specs, and need no digest.
    pub(crate) fn stored(kind: DriftKind, expected: &Value, actual: &Value) -> String {
        match kind {
            DriftKind::Missing => String::new(),
            DriftKind::Changed => {
                let cause = Self::of(expected, actual);
                cause.expected + &cause.actual
            }
        }
    }
}

/// Returns the first 128 bits of the SHA-256 of a text.
fn digest(text: &str) -> String {
    let hash = Sha256::digest(text);
    let mut digits = String::with_capacity(DIGEST);
    for byte in hash.iter().take(DIGEST / 2) {
        // Writing to a String cannot fail.
        _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::redaction::redacted;

    #[test]
    fn loosely_equal_values_have_one_digest() {
        let one = Cause::of(&json!({ "a": [1, 2], "b": null }), &json!("25"));
        assert_eq!(one, Cause::of(&json!({ "a": [2, 1, 1] }), &json!(25.0)));
        assert_ne!(one, Cause::of(&json!({ "a": [2] }), &json!(25)));
        assert_eq!(
            Cause::stored(DriftKind::Changed, &json!(1), &json!(2)).len(),
            2 * DIGEST
        );
    }

    #[test]
    fn redacted_values_differ_in_nothing() {
        let hidden = Cause::of(&json!("earlier"), &redacted("00"));
        assert_eq!(hidden, Cause::of(&redacted("01"), &redacted("02")));
        assert_eq!(hidden, Cause::of(&Value::Null, &redacted("03")));
        let inside = |digest| json!([{ "name": "x", "token": redacted(digest) }]);
        assert_eq!(
            Cause::of(&inside("00"), &json!(1)),
            Cause::of(&inside("01"), &json!(1))
        );
        assert_ne!(hidden.expected, Cause::of(&json!("redacted"), &json!(1)).expected);
    }
}
