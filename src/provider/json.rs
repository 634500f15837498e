//! Reads JSON that other tools wrote: detects the encoding, and accepts only an object where an object is expected.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The byte order mark of a text in UTF-8.
pub(crate) const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the text as UTF-8 without a byte order mark. PowerShell's `>` writes UTF-16.
///
/// # Errors
/// The message explains why text in UTF-16 or UTF-32 cannot be read, and how to solve the problem.
pub(crate) fn as_utf8(text: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    match text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err("the file is in UTF-32: save it as UTF-8"),
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        // JSON begins with an ASCII character. In UTF-16, one of its two bytes is zero.
        [first, 0, ..] if *first != 0 => from_utf16(text, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => from_utf16(text, u16::from_be_bytes),
        _ => Ok(Cow::Borrowed(text.strip_prefix(UTF8_MARK).unwrap_or(text))),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, [u8]>, &'static str> {
    const BROKEN: &str = "the file is in UTF-16, as PowerShell's > writes it, and damaged: write it again with `Out-File \
     -Encoding utf8`, or redirect in `cmd` or a POSIX shell";
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(BROKEN);
    }
    let units = pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(unit);
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.map(|text| Cow::Owned(text.into_bytes())).map_err(|_| BROKEN)
}

/// A value that must be a JSON object. Structs derived with serde also accept an array of their fields' values.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject(PhantomData))
    }
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_of_a_text_is_the_same_text() {
        let text = "{\"name\": \"Müller 🚀\"}";
        let encoded = [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}").into_bytes(),
            utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
        ];
        for bytes in encoded {
            assert_eq!(as_utf8(&bytes).unwrap(), text.as_bytes(), "{bytes:?}");
        }
        assert_eq!(as_utf8(b"").unwrap(), b"".as_slice());
    }

    #[test]
    fn text_that_cannot_be_read_names_its_encoding() {
        let mut half = utf16("\u{feff}{}", u16::to_le_bytes);
        half.pop();
        let surrogate = [0xff, 0xfe, 0x00, 0xd8];
        for bytes in [&half[..], &surrogate[..]] {
            let why = as_utf8(bytes).unwrap_err();
            assert!(why.contains("UTF-16") && why.contains("PowerShell"), "{why}");
        }
        assert!(as_utf8(b"\xff\xfe\0\0{\0\0\0").unwrap_err().contains("UTF-32"));
    }

    #[test]
    fn a_zero_decides_only_beside_a_letter() {
        assert_eq!(as_utf8(b"{\0}\0").unwrap(), b"{}".as_slice());
        assert_eq!(as_utf8(b"\0{\0}").unwrap(), b"{}".as_slice());
        for zeros in [&b"\0"[..], b"\0\0", b"\0\0{}"] {
            assert_eq!(as_utf8(zeros).unwrap(), zeros, "read as it is");
        }
    }

    #[test]
    fn a_list_is_no_object() {
        #[derive(Debug, serde::Deserialize)]
        struct Two {
            _a: Option<u8>,
            _b: Option<u8>,
        }
        assert!(serde_json::from_str::<Two>("[1, 2]").is_ok());
        let why = serde_json::from_str::<Object<Two>>("[1, 2]").unwrap_err();
        assert!(why.to_string().contains("expected an object"), "{why}");
        assert!(serde_json::from_str::<Object<Two>>("{\"_a\": 1}").is_ok());
    }
}
