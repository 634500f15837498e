//! The keys that an issuer publishes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Maximum number of keys that are read of an issuer. Large issuers publish about ten.
const MAX_KEYS: usize = 50;

/// Sizes of RSA keys that are accepted, in bytes of the modulus: 2,048 to 8,192 bits. Smaller keys are too weak
/// (NIST SP 800-131A), and larger ones take long to check.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// An algorithm of signatures that an issuer may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with the curve P-256 and SHA-256.
    Es256,
    /// EdDSA with the curve Ed25519.
    EdDsa,
}

impl SignatureAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Returns the name in the header of a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Returns the algorithm with this name. Upper and lower case differ, as in a token.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) const fn of_library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    /// Returns the only algorithm that this key is used with.
    fn of_key(key: &Jwk) -> Option<Self> {
        let algorithm = match &key.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
                let length = modulus.iter().skip_while(|byte| **byte == 0).count();
                RSA_BYTES.contains(&length).then_some(Self::Rs256)
            }
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                Some(Self::Es256)
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Some(Self::EdDsa)
            }
            _ => None,
        }?;
        let declared = match key.common.key_algorithm {
            None => return Some(algorithm),
            Some(KeyAlgorithm::RS256) => Self::Rs256,
            Some(KeyAlgorithm::ES256) => Self::Es256,
            Some(KeyAlgorithm::EdDSA) => Self::EdDsa,
            Some(_) => return None,
        };
        (declared == algorithm).then_some(algorithm)
    }
}

/// A key that checks signatures of exactly one algorithm.
#[derive(Debug, Clone)]
struct SigningKey {
    id: Option<String>,
    algorithm: SignatureAlgorithm,
    key: DecodingKey,
}

impl SigningKey {
    /// Reads a key. `None` if it is not for signatures or not of a supported kind.
    fn read(value: &Value) -> Option<Self> {
        let key = Jwk::deserialize(value).ok()?;
        let signs = !matches!(&key.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature);
        let verifies = key
            .common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        Some(Self {
            id: key.common.key_id.clone(),
            algorithm: SignatureAlgorithm::of_key(&key)?,
            key: DecodingKey::from_jwk(&key).ok()?,
        })
    }
}

/// The keys of an issuer that check signatures.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet {
    keys: Vec<SigningKey>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys for encryption and of other kinds are left out, because an issuer may publish
    /// keys for other clients.
    ///
    /// # Errors
    /// The document is not a key set, or none of its keys can be used.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|why| format!("not a key set: {why}"))?;
        let keys: Vec<_> = document
            .keys
            .iter()
            .take(MAX_KEYS)
            .filter_map(SigningKey::read)
            .collect();
        if keys.is_empty() {
            return Err("no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(Self { keys })
    }

    /// Returns the keys with this id and algorithm. A token without a key id may be signed by any key of its
    /// algorithm.
    pub(super) fn matching(
        &self,
        id: Option<&str>,
        algorithm: SignatureAlgorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id))
            .map(|key| &key.key)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
