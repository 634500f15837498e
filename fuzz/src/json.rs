//! JSON values: what they mean, written without the code that is tested, and other texts of the same value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What a value means. Two values are loosely equal if and only if they mean the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// null, an empty text, list or map, or a map of such values.
    Unset,
    /// A scalar.
    Text(String),
    /// A list, which is a set.
    Set(BTreeSet<Meaning>),
    /// The members of a map that are set.
    Map(BTreeMap<String, Meaning>),
}

/// Returns what a value means.
pub fn meaning(value: &Value) -> Meaning {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(_) => without_exponent(&number.to_string()),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let members: BTreeSet<Meaning> = items.iter().map(meaning).collect();
            return match members.is_empty() {
                true => Meaning::Unset,
                false => Meaning::Set(members),
            };
        }
        Value::Object(map) => {
            let members = map.iter().map(|(key, member)| (key.clone(), meaning(member)));
            let set: BTreeMap<String, Meaning> =
                members.filter(|(_, member)| *member != Meaning::Unset).collect();
            return match set.is_empty() {
                true => Meaning::Unset,
                false => Meaning::Map(set),
            };
        }
    };
    match text.is_empty() {
        true => Meaning::Unset,
        false => Meaning::Text(text),
    }
}

/// Returns the text of a float without exponent, without needless zeros and without the sign of a zero.
///
/// The digits are those of the JSON text. The formatter of `f64` does not always find the same ones: two shortest texts
/// can be equally close, as for 1844674407370440.25.
fn without_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().expect("an exponent is an integer");
    let (whole, fraction) = mantissa
        .trim_start_matches('-')
        .split_once('.')
        .unwrap_or((mantissa.trim_start_matches('-'), ""));
    // The digit of each power of ten.
    let mut digits: BTreeMap<i64, char> = BTreeMap::new();
    for (power, digit) in (exponent..).zip(whole.chars().rev()) {
        digits.insert(power, digit);
    }
    for (place, digit) in (1..).zip(fraction.chars()) {
        digits.insert(exponent - place, digit);
    }
    digits.retain(|_, digit| *digit != '0');
    let (Some((&lowest, _)), Some((&highest, _))) = (digits.first_key_value(), digits.last_key_value())
    else {
        return "0".to_owned();
    };
    let mut plain = String::new();
    if mantissa.starts_with('-') {
        plain.push('-');
    }
    for power in (lowest.min(0)..=highest.max(0)).rev() {
        if power == -1 {
            plain.push('.');
        }
        plain.push(digits.get(&power).copied().unwrap_or('0'));
    }
    plain
}

/// Returns the plainest value with this meaning.
pub fn plainest(meaning: &Meaning) -> Value {
    match meaning {
        Meaning::Unset => Value::Null,
        Meaning::Text(text) => Value::String(text.clone()),
        Meaning::Set(members) => members.iter().map(plainest).collect(),
        Meaning::Map(members) => {
            let members = members
                .iter()
                .map(|(key, member)| (key.clone(), plainest(member)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// Returns the value of a text.
pub fn parsed(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

/// Numbers that depend on an input only, so that a finding can be repeated.
pub struct Dice(u64);

impl Dice {
    /// Creates the numbers of an input.
    pub fn of(input: &[u8]) -> Self {
        let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// Returns a number below `sides`.
    pub fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// How a value is written in another way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// With another order of keys, white space, escapes and notation of floats: the text has the same value.
    SameValue,
    /// An integer may become a float of the same size as well, and a float an integer: the text means the same.
    SameMeaning,
}

/// Returns another text of a value.
pub fn spelled(value: &Value, spelling: Spelling, dice: &mut Dice) -> String {
    let mut text = String::new();
    spell(value, spelling, dice, &mut text);
    text
}

fn spell(value: &Value, spelling: Spelling, dice: &mut Dice, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => text.push_str(&value.to_string()),
        Value::Number(_) => text.push_str(&number(value, spelling, dice)),
        Value::String(string) => quote(string, dice, text),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                space(dice, text);
                spell(item, spelling, dice, text);
                space(dice, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            let by = dice.throw(members.len());
            members.rotate_left(by);
            if dice.throw(2) == 0 {
                members.reverse();
            }
            text.push('{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                space(dice, text);
                quote(key, dice, text);
                space(dice, text);
                text.push(':');
                space(dice, text);
                spell(member, spelling, dice, text);
            }
            text.push('}');
        }
    }
}

fn number(value: &Value, spelling: Spelling, dice: &mut Dice) -> String {
    /// Floats have all integers up to here.
    const EXACT: i64 = 1 << 53;
    let usual = value.to_string();
    let float = value.as_f64().filter(|_| value.is_f64());
    let whole = match float {
        Some(float) if float.fract() == 0.0 && float.abs() <= EXACT as f64 => Some(float as i64),
        Some(_) => None,
        None => value.as_i64().filter(|whole| (-EXACT..=EXACT).contains(whole)),
    };
    match (float, whole, spelling) {
        (_, Some(whole), Spelling::SameMeaning) => match dice.throw(4) {
            0 => format!("{whole}"),
            1 => format!("{whole}.00"),
            2 => format!("{whole}e0"),
            _ => usual,
        },
        (Some(float), ..) => match dice.throw(3) {
            0 => format!("{float:e}"),
            1 => format!("{float:E}").replace('E', "E+").replace("E+-", "E-"),
            _ => usual,
        },
        _ => usual,
    }
}

fn quote(string: &str, dice: &mut Dice, text: &mut String) {
    text.push('"');
    for letter in string.chars() {
        let must = matches!(letter, '"' | '\\' | '\0'..='\u{1f}');
        if must || dice.throw(8) == 0 {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(letter);
        }
    }
    text.push('"');
}

fn space(dice: &mut Dice, text: &mut String) {
    text.push_str(["", "", "", " ", "\n", "\t\r"][dice.throw(6)]);
}

/// Returns a text in UTF-16 with a byte order mark.
pub fn utf16(text: &str) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// Returns whether a text or a key in a value has the character U+0000, which PostgreSQL cannot store.
pub fn has_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_zero),
        Value::Object(map) => map
            .iter()
            .any(|(key, member)| key.contains('\0') || has_zero(member)),
        _ => false,
    }
}
