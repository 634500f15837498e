//! Reads typed fields from JSON objects that rows store. Rows of other releases may lack a member or have another type
//! there: then the field is null.

use serde_json::Value;

use super::MAX_SHOWN;

/// Returns a number that fits into `Int`; larger ones are the largest `Int`.
pub(super) fn number(of: &Value, name: &str) -> Option<i32> {
    let number = of[name].as_u64()?;
    Some(i32::try_from(number).unwrap_or(i32::MAX))
}

pub(super) fn text(of: &Value, name: &str) -> Option<String> {
    of[name].as_str().map(str::to_owned)
}

/// Returns the texts of a list, at most as many as a list without pages shows.
pub(super) fn texts(of: &Value, name: &str) -> Vec<String> {
    let listed = of[name].as_array().into_iter().flatten();
    let listed = listed.filter_map(|text| text.as_str().map(str::to_owned));
    listed.take(MAX_SHOWN).collect()
}
