//! The values of an attribute on both sides, and the field that is made of them.

use serde_json::Value;

use super::instance::{Constant, Field, Sides};
use super::keyed::Digest;
use super::previous::Known;
use super::sensitive::Scrubber;
use super::values::{Shape, projected};

/// Both values of an attribute as they are compared.
pub(super) struct Values {
    pub(super) applied: Value,
    pub(super) live: Value,
    pub(super) applied_digest: Digest,
    pub(super) live_digest: Digest,
    pub(super) secret: bool,
}

impl Values {
    /// Returns whether they are not loosely equal.
    pub(super) fn differ(&self) -> bool {
        self.applied_digest != self.live_digest
    }

    /// Makes the live value the one in force.
    pub(super) fn healed(mut self) -> Self {
        if self.differ() {
            self.applied = self.live.clone();
            self.applied_digest = self.live_digest;
        }
        self
    }

    /// Makes a value of an earlier import the one in force.
    pub(super) fn with_desired(
        mut self,
        known: &Known,
        digest: Digest,
        scrubber: &Scrubber,
        shape: &Shape,
    ) -> Self {
        if digest == self.live_digest {
            return self.healed();
        }
        self.applied_digest = digest;
        match known {
            Known::Value(value) => {
                self.applied = projected(value, shape);
                self.secret |= scrubber.finds_in(&self.applied);
            }
            // Its value is not known, so it cannot be shown.
            Known::Digest(_) => self.secret = true,
        }
        self
    }
}

/// Returns the field with its values, or with their digests if they are secret.
pub(super) fn finished(name: &str, values: Values, constant: Option<Constant>, swallowed: bool) -> Field {
    let sides = match values.secret {
        true => Sides::Redacted {
            equal: !values.differ(),
            desired: values.applied_digest,
            live: values.live_digest,
        },
        false => Sides::Shown {
            desired: values.applied,
            live: values.live,
        },
    };
    Field {
        name: name.to_owned(),
        sides,
        constant,
        swallowed,
        followed: false,
        verdict: None,
    }
}
