//! The digest of a listed resource. Two listings of a resource have the same digest if and only if applying one
//! after the other changes nothing.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::equality::canonical;
use super::listed::ListedResource;

/// The version of the canonical form that is hashed. It has to rise with every change of the form.
const FORM: u8 = 1;

/// The first 128 bits of the SHA-256 of a listed resource in its canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(u128);

impl Digest {
    /// Returns the digest of a resource. `owned` is whether the traits of its kind make it an owned resource.
    pub fn of(listed: &ListedResource, owned: bool) -> Self {
        let mut head = [0; 16];
        let hash = Sha256::digest(form(listed, owned));
        for (to, from) in head.iter_mut().zip(hash) {
            *to = from;
        }
        Self(u128::from_be_bytes(head))
    }

    /// Returns the digest as bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Returns the digest of these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Returns all values that are compared with a row, in a form in which equal values have equal texts.
fn form(listed: &ListedResource, owned: bool) -> String {
    let mut form = String::with_capacity(1024);
    // Writing to a String cannot fail.
    _ = write!(form, "{FORM};");
    push_text(&mut form, &listed.urn);
    push_text(&mut form, &listed.name);
    for text in [
        &listed.region,
        &listed.size_slug,
        &listed.status,
        &listed.ip,
        &listed.vpc_uuid,
        &listed.project_id,
    ] {
        push_text(&mut form, text.as_deref().unwrap_or_default());
    }
    let mut tags: Vec<&str> = listed.tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    tags.dedup();
    push_list(&mut form, tags.into_iter());
    let mut attrs = 0;
    for (name, value) in &listed.attrs {
        let before = form.len();
        push_text(&mut form, name);
        if push_value(&mut form, value) {
            attrs += 1;
        } else {
            form.truncate(before);
        }
    }
    _ = write!(form, "{attrs};{}{};", u8::from(listed.settling), u8::from(owned));
    push_list(&mut form, listed.unread_fields.iter().copied());
    form
}

fn push_list<'t>(form: &mut String, texts: impl ExactSizeIterator<Item = &'t str>) {
    _ = write!(form, "{};", texts.len());
    for text in texts {
        push_text(form, text);
    }
}

fn push_text(form: &mut String, text: &str) {
    _ = write!(form, "{}:", text.len());
    form.push_str(text);
}

/// Appends the canonical form, and returns whether the value is set.
fn push_value(form: &mut String, value: &Value) -> bool {
    let canonical = canonical(value);
    push_text(form, canonical.as_str());
    !canonical.is_unset()
}

#[cfg(test)]
mod tests;
