//! Inventory as JSON lines. The input is the lines.

use drift_inbox::provider::lines::LineReader;
use serde_json::Value;

use super::json::{Dice, Spelling, parsed, spelled};
use super::listing::{Kinds, kinds, now};

/// The pieces in which lines arrive do not matter, and a kind is complete only if a line says so.
pub fn check(input: &[u8]) {
    let Some((provider, all)) = read(input) else {
        return;
    };
    let mut dice = Dice::of(input);
    for size in [1, 2 + dice.throw(40)] {
        let mut reader = LineReader::default();
        input.chunks(size).for_each(|piece| reader.push(piece));
        let listing = now(&reader.finish()).expect("the same lines in pieces");
        assert_eq!(kinds(&listing), (provider.clone(), all.clone()));
    }
    only_what_a_line_completes(input, &all);
    cut_off(input, &all, &mut dice);
    written_otherwise(input, (provider, all), &mut dice);
}

fn read(lines: &[u8]) -> Option<(String, Kinds)> {
    let listing = now(&LineReader::read(lines).finish())?;
    assert!(!listing.exhaustive, "other kinds are left as they are");
    Some(kinds(&listing))
}

fn lines(input: &[u8]) -> impl Iterator<Item = Value> {
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let lines = input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).filter_map(parsed)
}

fn only_what_a_line_completes(input: &[u8], all: &Kinds) {
    let completed: Vec<String> = lines(input)
        .skip(1)
        .filter_map(|line| Some(line.get("complete")?.as_str()?.to_owned()))
        .collect();
    for (kind, listed) in all {
        assert_eq!(listed.is_some(), completed.contains(kind), "{kind}");
    }
}

/// If the lines end early, a kind that is complete all the same has all its resources.
fn cut_off(input: &[u8], all: &Kinds, dice: &mut Dice) {
    let at = dice.throw(input.len());
    let Some((_, cut)) = read(&input[..at]) else {
        return;
    };
    for (kind, listed) in cut {
        if listed.is_some() {
            assert_eq!(Some(&listed), all.get(&kind), "{kind} of the first {at} bytes");
        }
    }
}

fn written_otherwise(input: &[u8], expected: (String, Kinds), dice: &mut Dice) {
    let each =
        lines(input).map(|line| spelled(&line, Spelling::SameMeaning, dice).replace(['\n', '\r'], " "));
    let text = each.collect::<Vec<_>>().join("\r\n");
    assert_eq!(read(text.as_bytes()), Some(expected), "{text}");
}
