//! The canonical form of a value and the digest of a listed resource. The input is a JSON text, and optionally another one
//! on a second line.

use std::collections::BTreeSet;

use drift_inbox::domain::digest::Digest;
use drift_inbox::domain::equality::{Canonical, canonical};
use drift_inbox::domain::inventory::ListedResource;
use serde_json::{Map, Value, json};

use super::json::{Dice, Meaning, Spelling, meaning, parsed, plainest, spelled};

/// Two values have the same form, and two resources the same digest, if and only if they mean the same.
pub fn check(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let values: Vec<Value> = lines.by_ref().filter_map(parsed).collect();
    for value in &values {
        stays_the_same(value, &mut Dice::of(input));
    }
    if let [a, b] = &values[..] {
        let same = meaning(a) == meaning(b);
        assert_eq!(canonical(a) == canonical(b), same, "{a} and {b}");
        assert_eq!(digest(a) == digest(b), same, "the digests of {a} and {b}");
    }
}

fn stays_the_same(value: &Value, dice: &mut Dice) {
    let form = canonical(value);
    let what = meaning(value);
    assert_eq!(form == Canonical::unset(), what == Meaning::Unset, "{value}");
    assert_eq!(canonical(&plainest(&what)), form, "the plainest form of {value}");
    for spelling in [Spelling::SameValue, Spelling::SameMeaning] {
        let text = spelled(value, spelling, dice);
        // A text may be nested up to a limit of the parser, and a value that was read is.
        let again = parsed(text.as_bytes()).unwrap_or_else(|| panic!("{text} is JSON"));
        if spelling == Spelling::SameValue {
            assert_eq!(again, *value, "{text}");
        }
        assert_eq!(canonical(&again), form, "{text}");
        assert_eq!(digest(&again), digest(value), "{text}");
    }
    let twice = json!([value, value]);
    let once = json!([value]);
    assert_eq!(canonical(&twice), canonical(&once), "a list is a set: {value}");
    assert_eq!(digest(&twice), digest(&once), "a list is a set: {value}");
}

/// Returns the digest of a resource with this attribute.
fn digest(value: &Value) -> Digest {
    let resource = ListedResource {
        provider_id: "1".to_owned(),
        urn: "cloud:machine:1".to_owned(),
        name: "web-1".to_owned(),
        region: None,
        size_slug: None,
        status: None,
        tags: Vec::new(),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: Map::from_iter([("field".to_owned(), value.clone())]),
        settling: false,
        unread_fields: BTreeSet::new(),
    };
    Digest::of(&resource, false)
}
