//! Converts stored JSON text to its normal form without building a value in memory.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Returns what parsing the text and serializing the value would return: no white space, keys sorted, and the last of
/// duplicate keys.
///
/// # Errors
///
/// The text is not JSON, or the parser would not accept it as a value.
pub(crate) fn rewritten(text: &str) -> serde_json::Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut parser = serde_json::Deserializer::from_str(text);
    Rewrite(&mut out).deserialize(&mut parser)?;
    parser.end()?;
    String::from_utf8(out).map_err(serde_json::Error::custom)
}

/// Appends a text as a JSON string.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail.
    _ = serde_json::to_writer(out, text);
}

/// A visitor that appends each value that it visits as JSON text.
struct Rewrite<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Rewrite<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rewrite<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        push_string(self.0, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let mut first = true;
        loop {
            let end = self.0.len();
            if !first {
                self.0.push(b',');
            }
            if items.next_element_seed(Rewrite(self.0))?.is_none() {
                self.0.truncate(end);
                self.0.push(b']');
                return Ok(());
            }
            first = false;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let start = self.0.len();
        let mut entries: Vec<(Key<'de>, Range<usize>)> = Vec::new();
        let mut in_order = true;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if let Some((before, _)) = entries.last() {
                in_order &= before.0 < key.0;
                self.0.push(b',');
            }
            let begin = self.0.len();
            push_string(self.0, &key.0);
            self.0.push(b':');
            map.next_value_seed(Rewrite(self.0))?;
            entries.push((key, begin..self.0.len()));
        }
        if !in_order {
            put_in_order(self.0, start, entries);
        }
        self.0.push(b'}');
        Ok(())
    }
}

/// Sorts the entries of the object whose text begins at `start` by key, and keeps the last of duplicate keys.
fn put_in_order(out: &mut Vec<u8>, start: usize, mut entries: Vec<(Key<'_>, Range<usize>)>) {
    entries.sort_by(|a, b| a.0.0.cmp(&b.0.0));
    let mut ordered = Vec::with_capacity(out.len() - start);
    for (place, (key, range)) in entries.iter().enumerate() {
        if entries.get(place + 1).is_some_and(|(next, _)| next.0 == key.0) {
            continue;
        }
        if !ordered.is_empty() {
            ordered.push(b',');
        }
        ordered.extend_from_slice(out.get(range.clone()).unwrap_or_default());
    }
    out.truncate(start);
    out.extend_from_slice(&ordered);
}

/// A key of an object, borrowed from the text if it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The text parsed and serialized with serde_json; None if it does not parse.
    fn through_a_value(text: &str) -> Option<String> {
        let value: Value = serde_json::from_str(text).ok()?;
        serde_json::to_string(&value).ok()
    }

    #[test]
    fn texts_are_rewritten_as_values_are() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let texts = [
            " { \"b\" : [ 1 , 2.50 , -0 , 1e2, 1E-7 ] , \"a\" : { } } ",
            r#"{"a":1,"a":{"z":1,"b":2},"":null}"#,
            r#"{"b":1,"a":2,"b":3}"#,
            r#"{"\u0061":1,"\u00e9\n":"\ud83d\ude00\/\u0001","Ab":[]}"#,
            "18446744073709551615",
            "-9223372036854775808",
            "99999999999999999999999",
            "0.1000000000000000055511151231257827",
            "1e400",
            "\"\\ud800\"",
            "{",
            "[1,]",
            "nul",
            "",
            "1 2",
            &deep(127),
            &deep(128),
            &deep(200),
        ];
        for text in texts {
            assert_eq!(rewritten(text).ok(), through_a_value(text), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|b| b.map_or("null".to_owned(), |b| b.to_string())),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| format!("{n:e}")),
            any::<String>().prop_map(|s| Value::from(s).to_string()),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6)
                    .prop_map(|items| format!("[{} ]", items.join(" , "))),
                prop::collection::vec(("[a-c\"\u{e9}]{0,3}", inner), 0..6).prop_map(|entries| {
                    let entry = |(key, value): (String, String)| format!("{}: {value}", Value::from(key));
                    format!(
                        "{{ {}}}",
                        entries.into_iter().map(entry).collect::<Vec<_>>().join(",\t")
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_is_rewritten_as_a_value_is(text in json()) {
            prop_assert_eq!(rewritten(&text).ok(), through_a_value(&text));
        }
    }
}
