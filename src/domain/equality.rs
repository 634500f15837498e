//! Loose equality: whether an expected and a live value have the same meaning.
//!
//! Each JSON value has one canonical form, and two values are loosely equal if and only if their forms are equal.
//! So loose equality is an equivalence relation: it is symmetric and transitive.
//!
//! - null, `""`, `[]`, `{}` and a missing field are all *unset*. Unset keys of a map are ignored.
//! - A scalar is compared as text. A number has one text, without exponent: `25`, `25.0` and `"25"` are equal,
//!   `"25.0"` differs from them, because a string is never parsed as a number.
//! - A list is compared as a set. All set keys of a map are compared.

use serde_json::{Number, Value};

/// The canonical form of a JSON value.
///
/// It is one flat string in postfix notation: members precede the list or map that contains them, each with its
/// length or count. So comparing, sorting and dropping a form never recurses, however deep the value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical(String);

/// The canonical form of an unset value.
pub(super) const UNSET: &str = "-";

impl Canonical {
    /// Returns the form of an unset value.
    pub fn unset() -> Self {
        Self(UNSET.to_owned())
    }

    /// Returns the form as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is set.
    pub(crate) fn is_unset(&self) -> bool {
        self.0 == UNSET
    }
}

/// Returns the canonical form of `value`. It works without recursion.
pub fn canonical(value: &Value) -> Canonical {
    let mut open: Vec<Container> = Vec::new();
    let mut next = Some(value);
    loop {
        let done = match next.take() {
            Some(Value::Array(items)) => {
                open.push(Container::List {
                    items: items.iter(),
                    forms: Vec::with_capacity(items.len()),
                });
                None
            }
            Some(Value::Object(map)) => {
                open.push(Container::Map {
                    entries: map.iter(),
                    key: "",
                    forms: Vec::new(),
                });
                None
            }
            Some(scalar) => Some(scalar_form(scalar)),
            None => None,
        };
        if let Some(form) = done {
            match open.last_mut() {
                Some(container) => container.receive(form),
                None => return Canonical(form),
            }
        }
        // Continue with the next member of the innermost container. A container without one is complete.
        while let Some(container) = open.last_mut() {
            next = container.next_member();
            if next.is_some() {
                break;
            }
            let Some(form) = open.pop().map(Container::close) else {
                break;
            };
            match open.last_mut() {
                Some(parent) => parent.receive(form),
                None => return Canonical(form),
            }
        }
    }
}

/// Returns whether two values are loosely equal.
pub(crate) fn loosely_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Most fields are strings and booleans. Their forms are equal if and only if the values are equal.
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Null, Value::Null) => true,
        _ => canonical(a) == canonical(b),
    }
}

/// Returns whether a value is unset.
pub(crate) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() || canonical(value).is_unset(),
    }
}

/// A list or map whose members are being converted to their forms.
enum Container<'v> {
    List {
        items: std::slice::Iter<'v, Value>,
        forms: Vec<String>,
    },
    Map {
        entries: serde_json::map::Iter<'v>,
        key: &'v str,
        forms: Vec<(&'v str, String)>,
    },
}

impl<'v> Container<'v> {
    fn next_member(&mut self) -> Option<&'v Value> {
        match self {
            Self::List { items, .. } => items.next(),
            Self::Map { entries, key, .. } => entries.next().map(|(name, value)| {
                *key = name;
                value
            }),
        }
    }

    fn receive(&mut self, form: String) {
        match self {
            Self::List { forms, .. } => forms.push(form),
            Self::Map { key, forms, .. } => {
                if form != UNSET {
                    forms.push((key, form));
                }
            }
        }
    }

    /// Returns the form of the container. It extends the string of the first member, because a copy at each level would
    /// take quadratic time for deep values.
    fn close(self) -> String {
        match self {
            Self::List { mut forms, .. } => {
                forms.sort_unstable();
                forms.dedup();
                let count = forms.len();
                match concatenated(forms.into_iter()) {
                    Some(mut form) => {
                        suffixed(&mut form, '[', count);
                        form
                    }
                    None => UNSET.to_owned(),
                }
            }
            Self::Map { mut forms, .. } => {
                // The keys are already sorted, unless a crate enables the feature `preserve_order` of serde_json.
                forms.sort_unstable_by_key(|(key, _)| *key);
                let count = forms.len();
                let members = forms.into_iter().map(|(key, mut form)| {
                    push_text(&mut form, 'k', key);
                    form
                });
                match concatenated(members) {
                    Some(mut form) => {
                        suffixed(&mut form, '{', count);
                        form
                    }
                    None => UNSET.to_owned(),
                }
            }
        }
    }
}

fn concatenated(mut forms: impl Iterator<Item = String>) -> Option<String> {
    let mut all = forms.next()?;
    for form in forms {
        all.push_str(&form);
    }
    Some(all)
}

/// Appends the end of a list or map with this many members.
pub(super) fn suffixed(form: &mut String, mark: char, count: usize) {
    form.push(mark);
    push_number(form, count);
    form.push(';');
}

/// Appends a number in decimal notation. The formatter of the standard library takes several times as long.
fn push_number(form: &mut String, number: usize) {
    if number >= 10 {
        push_number(form, number / 10);
    }
    form.push(char::from(b'0' + (number % 10) as u8));
}

/// Appends the form of a text or the name of a key.
pub(super) fn push_text(form: &mut String, mark: char, text: &str) {
    form.push(mark);
    push_number(form, text.len());
    form.push(':');
    form.push_str(text);
}

fn scalar_form(scalar: &Value) -> String {
    let mut form = String::new();
    match scalar {
        Value::Bool(true) => push_text(&mut form, 's', "true"),
        Value::Bool(false) => push_text(&mut form, 's', "false"),
        Value::Number(number) => push_text(&mut form, 's', &number_text(number)),
        Value::String(text) if !text.is_empty() => push_text(&mut form, 's', text),
        _ => form.push_str(UNSET),
    }
    form
}

/// Returns the text of a number in decimal notation without exponent.
pub(crate) fn number_text(number: &Number) -> String {
    // i64 and u64 are printed exactly. A float is printed with the shortest digits that parse to the same float,
    // as in the responses of the API.
    let text = number.to_string();
    if number.is_f64() {
        plain_decimal(&text)
    } else {
        text
    }
}

/// Expands the exponent of a number and removes redundant zeros: `1e3` is `1000`, `25.0` is `25`, `-0.0` is `0`.
fn plain_decimal(text: &str) -> String {
    let (sign, unsigned) = text
        .strip_prefix('-')
        .map_or(("", text), |unsigned| ("-", unsigned));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift: isize = exponent.parse().unwrap_or_default();
    // Leading zeros let the decimal point move left. Trailing zeros are added below.
    let left = "0".repeat(usize::try_from(-shift).unwrap_or_default());
    let point = (left.len() + whole.len()).saturating_add_signed(shift);
    let mut digits = [left.as_str(), whole, fraction].concat();
    digits.push_str(&"0".repeat(point.saturating_sub(digits.len())));
    let (whole, fraction) = digits.split_at(point);
    match (whole.trim_start_matches('0'), fraction.trim_end_matches('0')) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests;
