//! Compares what was applied with what the provider reads, attribute by attribute.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::configuration::{Attribute, Declared};
use super::decisions::{Evidence, Verdict};
use super::elements::{ResourceChange, StateResource};
use super::instance::{Constant, Field, Instance};
use super::keyed::{Digest, DigestKey};
use super::normal_plan::{Decision, NormalPlan};
use super::outcome::{Values, finished};
use super::previous::{Known, Previous, PreviousField};
use super::refusal::Refusal;
use super::secret_names::{is_secret_attribute, is_write_only};
use super::secret_texts::looks_secret;
use super::sensitive::{Scrubber, has_mark};
use super::values::{Shape, are_alike, entries, exact_text, is_filled_list_of_blocks, projected, stored};

/// Attributes that contain another one: if that one changed, the change is shown there.
const MIRRORS: [(&str, &str); 3] = [
    ("tags_all", "tags"),
    ("terraform_labels", "labels"),
    ("effective_labels", "labels"),
];

/// An attribute that is not declared, and compared as a whole.
const WHOLE: Attribute = Attribute {
    shape: Shape::Whole,
    constant: None,
};

/// What is known about an instance besides its values.
pub(super) struct Comparison<'c> {
    pub(super) declared: &'c Declared,
    pub(super) region: Option<&'c str>,
    pub(super) scrubber: &'c Scrubber,
    pub(super) key: &'c DigestKey,
    pub(super) previous: Option<&'c Previous>,
    pub(super) normal: Option<&'c NormalPlan>,
}

/// The values of one side, and their marks.
#[derive(Default)]
struct Side {
    values: Map<String, Value>,
    marks: Map<String, Value>,
}

impl Side {
    fn new(values: Value, marks: Value) -> Self {
        Self {
            values: entries(values),
            marks: entries(marks),
        }
    }

    fn get(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }
}

/// Both sides of an instance.
struct Pair<'a> {
    kind: &'a str,
    applied: Side,
    live: Side,
    /// What a normal plan decides.
    decision: Option<Decision<'a>>,
}

impl Pair<'_> {
    /// Returns whether an attribute changed outside.
    fn changed(&self, name: &str) -> bool {
        !are_alike(self.applied.values.get(name), self.live.values.get(name))
    }

    fn is_shown_elsewhere(&self, name: &str) -> bool {
        let mut mirrors = MIRRORS.iter();
        mirrors.any(|(mirror, base)| *mirror == name && self.changed(base))
    }
}

impl Comparison<'_> {
    /// Returns an instance of the state.
    pub(super) fn of_state(
        &self,
        resource: &StateResource<'_>,
        change: Option<&ResourceChange<'_>>,
    ) -> Result<Instance, Refusal> {
        let live = Side::new(resource.values()?, resource.marks()?);
        let applied = match change {
            Some(change) => Side::new(change.before()?, change.marks_before()?),
            None => Side::new(resource.values()?, resource.marks()?),
        };
        let decision = self.normal.and_then(|normal| normal.decision(resource));
        let pair = Pair {
            kind: &resource.kind,
            applied,
            live,
            decision,
        };
        let mut instance = self.instance(&resource.address, &resource.provider_name, &pair, &pair.live);
        instance.previous_address = change.and_then(|change| change.previous_address.clone());
        instance.tainted = resource.tainted;
        Ok(instance)
    }

    /// Returns an instance that is gone.
    pub(super) fn of_gone(&self, change: &ResourceChange<'_>) -> Result<Instance, Refusal> {
        let pair = Pair {
            kind: &change.kind,
            applied: Side::new(change.before()?, change.marks_before()?),
            live: Side::default(),
            decision: None,
        };
        let mut instance = self.instance(&change.address, &change.provider_name, &pair, &pair.applied);
        instance.previous_address.clone_from(&change.previous_address);
        instance.gone = true;
        // What is gone is missing as a whole.
        instance.not_compared.clear();
        instance.undeclared_changes.clear();
        instance
            .fields
            .iter_mut()
            .for_each(|field| field.swallowed = false);
        Ok(instance)
    }

    fn instance(&self, address: &str, provider: &str, pair: &Pair<'_>, shown: &Side) -> Instance {
        let declared = self.declared.attributes.iter();
        let mut fields: Vec<Field> = declared
            .filter_map(|(name, attribute)| self.field(name, attribute, pair))
            .collect();
        let (mut not_compared, mut undeclared_changes) = (Vec::new(), Vec::new());
        for name in self.undeclared(pair) {
            let changed = pair.changed(name);
            let has_blocks = [&pair.applied, &pair.live].map(|side| is_filled_list_of_blocks(side.get(name)));
            let undone = changed.then(|| self.undone_undeclared(name, pair)).flatten();
            match (undone, &pair.decision) {
                (Some(verdict), _) => {
                    let sides = self.sides(name, pair, |value| projected(value, &Shape::Whole));
                    let mut field = self.decided(name, &WHOLE, pair, sides, None);
                    field.verdict = Some(verdict);
                    fields.push(field);
                }
                (None, Some(_)) => {}
                (None, None) => {
                    not_compared.extend(has_blocks.contains(&true).then(|| name.to_owned()));
                    undeclared_changes.extend(changed.then(|| name.to_owned()));
                }
            }
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Instance {
            address: address.to_owned(),
            previous_address: None,
            provider: provider.to_owned(),
            kind: pair.kind.to_owned(),
            name: self.name(shown).unwrap_or_else(|| address.to_owned()),
            region: self.region(shown),
            cloud_id: self.text(shown, "id"),
            fields,
            gone: false,
            tainted: false,
            not_compared,
            undeclared_changes,
            decided: pair.decision.is_some(),
        }
    }

    /// Returns the names of the attributes that are not declared.
    fn undeclared<'v>(&self, pair: &'v Pair<'_>) -> BTreeSet<&'v str> {
        let names = pair.applied.values.keys().chain(pair.live.values.keys());
        let undeclared = names
            .map(String::as_str)
            .filter(|name| !self.declared.attributes.contains_key(*name) && !pair.is_shown_elsewhere(name));
        undeclared.collect()
    }

    /// Returns the applied and the live value of an attribute as they are compared.
    fn sides(&self, name: &str, pair: &Pair<'_>, form: impl Fn(&Value) -> Value) -> Values {
        let (raw_applied, raw_live) = (form(pair.applied.get(name)), form(pair.live.get(name)));
        // Digests are those of the stored form, so that they equal the digests of what a later import reads.
        let (applied, live) = (stored(&raw_applied), stored(&raw_live));
        let live_digest = self.key.digest(pair.kind, name, &live);
        let applied_digest = match applied == live {
            true => live_digest,
            false => self.key.digest(pair.kind, name, &applied),
        };
        let is_marked = |side: &Side| has_mark(side.marks.get(name));
        let is_named = |value: &Value, side: &Side| is_secret_attribute(name, value, &side.values);
        let secret = is_marked(&pair.applied)
            || is_marked(&pair.live)
            || is_named(&raw_applied, &pair.applied)
            || is_named(&raw_live, &pair.live)
            || self.scrubber.finds_in(&raw_applied)
            || self.scrubber.finds_in(&raw_live);
        Values {
            applied_digest,
            live_digest,
            applied,
            live,
            secret,
        }
    }

    /// Returns a declared field; None if the state never contains its value.
    fn field(&self, name: &str, attribute: &Attribute, pair: &Pair<'_>) -> Option<Field> {
        let is_known = pair.applied.values.contains_key(name) || pair.live.values.contains_key(name);
        if !is_known || is_write_only(name) {
            return None;
        }
        let values = self.sides(name, pair, |value| projected(value, &attribute.shape));
        if values.secret && self.is_never_read(name, pair.kind, attribute, &values) {
            return None;
        }
        let constant = attribute.constant.map(|digest| Constant {
            digest,
            equals_applied: digest == values.applied_digest,
            equals_live: digest == values.live_digest,
        });
        Some(self.decided(name, attribute, pair, values, constant))
    }

    /// Returns whether the code sets a secret and the state has none: the provider does not store it.
    fn is_never_read(&self, name: &str, kind: &str, attribute: &Attribute, values: &Values) -> bool {
        let unset = self.key.digest(kind, name, &Value::Null);
        let is_set = attribute.constant.is_some_and(|constant| constant != unset);
        is_set && values.applied_digest == unset && values.live_digest == unset
    }

    /// Decides which value is in force.
    fn decided(
        &self,
        name: &str,
        attribute: &Attribute,
        pair: &Pair<'_>,
        mut values: Values,
        constant: Option<Constant>,
    ) -> Field {
        let is_open = values.differ();
        let evidence = self.evidence(name, pair, constant);
        let before = self.previous.and_then(|previous| previous.fields.get(name));
        let digest = |known: &Known| self.known_digest(known, name, attribute, pair.kind);
        let before = before.filter(|before| {
            let is = |known: Option<&Known>| known.map(digest) == Some(values.applied_digest);
            // The state has the live value of an open drift: the expected value was not restored.
            let is_taken_over = is(before.open.as_ref());
            let is_put_back = before.accepted && !is_open && is(before.replaced.as_ref());
            is_taken_over || !is_put_back && is_in_force(before, constant)
        });
        let restored = (!is_open && before.is_none()).then(|| self.restored(name, attribute, pair, &values));
        if let Some(restored) = restored.flatten() {
            let mut field = finished(name, restored, constant, false);
            field.verdict = Some(Verdict::Undone(evidence));
            return field;
        }
        if let Some(before) = before {
            let digest = digest(&before.desired);
            values = values.with_desired(&before.desired, digest, self.scrubber, &attribute.shape);
        }
        let is_caught_up = constant.is_some_and(|constant| constant.equals_live);
        let is_left_alone = match &pair.decision {
            Some(decision) => !decision.undoes(name),
            None => self
                .earlier(name)
                .is_some_and(|earlier| earlier.still_leaves(&evidence)),
        };
        if is_caught_up || is_left_alone {
            let is_noted = is_open || evidence.ignored.is_some();
            let mut field = finished(name, values.healed(), constant, false);
            field.followed = is_caught_up || pair.decision.is_some();
            field.verdict = (is_left_alone && is_noted).then_some(Verdict::Left(evidence));
            return field;
        }
        let swallowed = values.differ() && before.is_some_and(|before| !is_open || !before.accepted);
        finished(name, values, constant, swallowed)
    }

    /// Returns the exact values of an attribute, and the constant that the code does not apply.
    fn evidence(&self, name: &str, pair: &Pair<'_>, constant: Option<Constant>) -> Evidence {
        let exactly = |value: &Value| {
            self.key
                .digest(pair.kind, name, &Value::String(value.to_string()))
        };
        let ignored = constant.filter(|constant| !constant.equals_live);
        Evidence {
            applied: exactly(pair.applied.get(name)),
            live: exactly(pair.live.get(name)),
            ignored: ignored.map(|constant| constant.digest),
        }
    }

    /// Returns what a normal plan of an earlier import decided about an attribute.
    fn earlier(&self, name: &str) -> Option<&Verdict> {
        self.previous?.fields.get(name)?.verdict.as_ref()
    }

    /// Returns the decision that the next apply would change back an attribute that is not declared.
    fn undone_undeclared(&self, name: &str, pair: &Pair<'_>) -> Option<Verdict> {
        let evidence = self.evidence(name, pair, None);
        let is_undone = match &pair.decision {
            Some(decision) => decision.undoes_undeclared(name),
            None => self
                .earlier(name)
                .is_some_and(|earlier| earlier.still_undoes(&evidence)),
        };
        is_undone.then_some(Verdict::Undone(evidence))
    }

    fn known_digest(&self, known: &Known, name: &str, attribute: &Attribute, kind: &str) -> Digest {
        match known {
            Known::Value(value) => self.key.digest(kind, name, &projected(value, &attribute.shape)),
            Known::Digest(digest) => *digest,
        }
    }

    /// Returns the values of an attribute that is loosely equal on both sides if the next apply would put it back all
    /// the same: as a whole if a part that is not declared differs, else as texts, in which order and spacing count.
    /// The order of blocks never counts.
    fn restored(&self, name: &str, attribute: &Attribute, pair: &Pair<'_>, loose: &Values) -> Option<Values> {
        let (applied, live) = (pair.applied.get(name), pair.live.get(name));
        let restores = match &pair.decision {
            Some(decision) => decision.restores(name, applied, live),
            None => {
                let evidence = self.evidence(name, pair, None);
                self.earlier(name)
                    .is_some_and(|earlier| earlier.undoes_exactly(&evidence))
            }
        };
        if applied == live || !restores {
            return None;
        }
        let whole = self.sides(name, pair, |value| projected(value, &Shape::Whole));
        let mut values = match whole.differ() || attribute.shape != Shape::Whole {
            true => whole,
            false => self.sides(name, pair, exact_text),
        };
        values.secret |= loose.secret;
        values.differ().then_some(values)
    }

    /// Returns a text of an attribute that is not secret.
    fn text(&self, side: &Side, name: &str) -> Option<String> {
        let value = side.values.get(name)?;
        if has_mark(side.marks.get(name)) || is_secret_attribute(name, value, &side.values) {
            return None;
        }
        self.shown_text(value)
    }

    fn shown_text(&self, value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!self.scrubber.finds_in_text(&text) && !looks_secret(&text)).then_some(text)
    }

    fn name(&self, side: &Side) -> Option<String> {
        let tag = |key: &str| {
            let unmarked = !has_mark(side.marks.get("tags"));
            let tag = side.values.get("tags")?.get(key)?;
            unmarked.then(|| self.shown_text(tag)).flatten()
        };
        tag("Name")
            .or_else(|| tag("name"))
            .or_else(|| self.text(side, "name"))
            .or_else(|| self.text(side, "display_name"))
            .or_else(|| self.text(side, "id"))
    }

    fn region(&self, side: &Side) -> Option<String> {
        let configured = || self.region.filter(|region| !self.scrubber.finds_in_text(region));
        self.text(side, "region")
            .or_else(|| self.text(side, "location"))
            .or_else(|| configured().map(str::to_owned))
    }
}

/// Returns whether the value that was in force before still is: it was accepted, or the constant of the code is
/// unchanged and was seen equal to the state, so that only another writer can have changed the state.
fn is_in_force(before: &PreviousField, constant: Option<Constant>) -> bool {
    let is_unchanged = constant.is_some_and(|now| before.constant == Some(now.digest) && !now.equals_applied);
    before.accepted || is_unchanged
}
