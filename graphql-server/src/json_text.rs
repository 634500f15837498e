//! Parts of a response that a schema has already written as JSON text.

use async_graphql::Value;
use axum::body::Bytes;
use serde::ser::Error as _;

/// Returns a value of a response that is this JSON text. It is written unchanged, so it must be valid JSON. The library
/// has no scalar with a binary value, so every binary value of a response is such a text.
pub fn json_text(text: String) -> Value {
    Value::Binary(Bytes::from(text))
}

/// Appends a value as JSON.
///
/// # Errors
///
/// The value cannot be written.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) -> serde_json::Result<()> {
    match value {
        Value::Binary(text) => {
            std::str::from_utf8(text).map_err(serde_json::Error::custom)?;
            out.extend_from_slice(text);
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (number, (name, value)) in fields.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name.as_str())?;
                out.push(b':');
                write_value(out, value)?;
            }
            out.push(b'}');
        }
        Value::List(items) => {
            out.push(b'[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write_value(out, item)?;
            }
            out.push(b']');
        }
        other => serde_json::to_writer(out, other)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        assert!(write_value(&mut out, value).is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_value_is_written_as_the_library_writes_it() {
        let value =
            value!({ "a": [1, 2.5, null, true, "\u{e9}\n\""], "b\"": {}, "c": [], "d": { "e": [[-1]] } });
        assert_eq!(written(&value), serde_json::to_string(&value).unwrap_or_default());
    }

    #[test]
    fn a_text_is_written_as_it_is() {
        let mut value = value!({ "a": [1] });
        if let Value::Object(fields) = &mut value {
            fields.insert(async_graphql::Name::new("b"), json_text("[2,{}]".to_owned()));
        }
        assert_eq!(written(&value), r#"{"a":[1],"b":[2,{}]}"#);
    }
}
