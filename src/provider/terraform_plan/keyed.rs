//! Digests of values, made with a secret key: they show whether a secret changed, and without the key the secret cannot
//! be guessed from them.

use std::fmt;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::equality::canonical;

/// The digest of the value of an attribute: 128 bits of an HMAC-SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

/// 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Digest {
    /// Parses 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hexadecimal = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = is_hexadecimal.then(|| u128::from_str_radix(text, 16).ok())?;
        number.map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of an installation.
#[derive(Clone)]
pub struct DigestKey(Hmac<Sha256>);

impl DigestKey {
    /// Creates the key from secret bytes of any length.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new(&Key::<Hmac<Sha256>>::from({
            // A key of the length of a block is used as it is.
            let mut block = [0; 64];
            block
                .iter_mut()
                .zip(Sha256::digest(secret))
                .for_each(|(to, from)| *to = from);
            block
        })))
    }

    /// Returns the digest of a value of an attribute. Loosely equal values of one attribute have equal digests; equal
    /// values of two attributes do not, so that a digest does not tell where a secret is used again.
    pub fn digest(&self, kind: &str, attribute: &str, value: &Value) -> Digest {
        let mut mac = self.0.clone();
        for part in [kind, attribute] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(canonical(value).as_str().as_bytes());
        let mut head = [0; 16];
        head.iter_mut()
            .zip(mac.finalize().into_bytes())
            .for_each(|(to, from)| *to = from);
        Digest(head)
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}
