//! Compares stored JSON as text, without building values.
//!
//! Only *plain* texts are read: those whose value does not depend on details of a parser. Escaped code points,
//! exponents, long numbers, deep nesting, duplicate names and invalid JSON are not plain. For these, every function
//! here returns None, and the caller parses the text. So both ways have the same result.

use super::equality::{UNSET, push_text, suffixed};

/// Deepest nesting of a plain text. serde_json rejects 128 levels.
const MAX_LEVELS: usize = 64;
/// Most digits of a plain number. Integers of 18 digits fit into 64 bits.
const MAX_DIGITS: usize = 18;

/// The members of an object, in the order of the text.
pub(crate) type Members<'t> = Vec<(&'t str, &'t str)>;

/// Returns the members of a plain object, with the text of each value.
pub(crate) fn members(text: &str) -> Option<Members<'_>> {
    let mut scanner = Scanner::of(text);
    let mut members = Vec::with_capacity(24);
    scanner.object(|scanner, name| {
        members.push((name, scanner.skip(1)?));
        Some(())
    })?;
    (scanner.is_at_end() && are_distinct(&members)).then_some(members)
}

/// Returns whether the whole text is plain JSON.
pub(crate) fn is_plain(text: &str) -> bool {
    let mut scanner = Scanner::of(text);
    scanner.skip(0).is_some() && scanner.is_at_end()
}

/// Returns whether two plain texts mean the same.
pub(crate) fn equal(a: &str, b: &str) -> Option<bool> {
    if a == b {
        return Some(true);
    }
    match (scalar(a)?, scalar(b)?) {
        (Some(a), Some(b)) => Some(a == b),
        // Containers; one of them may be unset like a scalar.
        _ => Some(form(a)? == form(b)?),
    }
}

/// Returns whether a plain text means the same as a string that is not empty.
pub(crate) fn equals_string(text: &str, string: &str) -> Option<bool> {
    Some(scalar(text)? == Some(string))
}

/// Returns whether a plain text counts as missing.
pub(crate) fn is_unset(text: &str) -> Option<bool> {
    match scalar(text)? {
        Some(scalar) => Some(scalar.is_empty()),
        None => Some(form(text)? == UNSET),
    }
}

/// Returns the string that a plain scalar is compared as, empty if it is unset. The inner None is a list or an object.
fn scalar(text: &str) -> Option<Option<&str>> {
    let mut scanner = Scanner::of(text);
    match scanner.peek()? {
        b'[' | b'{' => Some(None),
        _ => scanner.scalar().map(Some),
    }
}

/// Returns the canonical form of a plain text: what `canonical` returns for its value.
pub(crate) fn form(text: &str) -> Option<String> {
    let mut scanner = Scanner::of(text);
    let mut form = String::with_capacity(2 * text.len());
    if !scanner.form_into(&mut form, 0)? {
        form.push_str(UNSET);
    }
    scanner.is_at_end().then_some(form)
}

/// Whether all names are different. The names of a stored object are usually sorted, by text or by length and text.
fn are_distinct(members: &Members<'_>) -> bool {
    let by_text = members.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let by_length = |pair: &[(&str, &str)]| (pair[0].0.len(), pair[0].0) < (pair[1].0.len(), pair[1].0);
    if by_text || members.windows(2).all(by_length) {
        return true;
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

/// Reads a text from its beginning.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Reads the members of a list or an object.
    fn container(
        &mut self,
        [open, close]: [u8; 2],
        mut member: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.expect(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            member(self)?;
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                end if end == close => return Some(()),
                _ => return None,
            }
        }
    }

    fn list(&mut self, member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.container(*b"[]", member)
    }

    /// Reads the members of an object. A name with an escape is not plain.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'t str) -> Option<()>) -> Option<()> {
        self.container(*b"{}", |scanner| {
            scanner.peek()?;
            let name = scanner.string().filter(|name| !name.contains('\\'))?;
            scanner.expect(b':')?;
            member(scanner, name)
        })
    }

    /// Reads one value and returns its text.
    fn skip(&mut self, levels: usize) -> Option<&'t str> {
        let first = self.peek()?;
        let from = self.at;
        match first {
            b'[' | b'{' if levels >= MAX_LEVELS => return None,
            b'[' => self.list(|scanner| scanner.skip(levels + 1).map(drop))?,
            b'{' => self.container(*b"{}", |scanner| {
                scanner.peek()?;
                scanner.string()?;
                scanner.expect(b':')?;
                scanner.skip(levels + 1).map(drop)
            })?,
            b'"' => self.string().map(drop)?,
            b'-' | b'0'..=b'9' => self.number().map(drop)?,
            _ => self.word().map(drop)?,
        }
        self.text.get(from..self.at)
    }

    /// Reads a string, and returns what is between its quotes.
    fn string(&mut self) -> Option<&'t str> {
        if self.byte()? != b'"' {
            return None;
        }
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        let mut at = from;
        loop {
            match *bytes.get(at)? {
                b'"' => break,
                b'\\' => match bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.text.get(from..at)
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - from
    }

    /// Reads a number without an exponent, and returns it.
    fn number(&mut self) -> Option<&'t str> {
        let from = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.byte() == Some(b'0');
        let mut digits = self.digits();
        if digits == 0 || (leading_zero && digits > 1) {
            return None;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            let fraction = self.digits();
            if fraction == 0 {
                return None;
            }
            digits += fraction;
        }
        let has_exponent = matches!(self.byte(), Some(b'e' | b'E'));
        (digits <= MAX_DIGITS && !has_exponent).then(|| self.text.get(from..self.at))?
    }

    /// Reads `true`, `false` or `null`.
    fn word(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?;
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| rest.starts_with(word))?;
        self.at += word.len();
        rest.get(..word.len())
    }

    /// Reads a scalar, and returns its string, empty if it is unset. A string with escapes is not plain here, and
    /// neither is a number whose text differs from that of its value.
    fn scalar(&mut self) -> Option<&'t str> {
        match self.peek()? {
            b'"' => self.string().filter(|text| !text.contains('\\')),
            b'-' | b'0'..=b'9' => self.number().filter(|text| *text != "-0" && !text.contains('.')),
            _ => self.word().map(|word| if word == "null" { "" } else { word }),
        }
    }

    /// Reads one value and appends its canonical form. Returns false, and appends nothing, if it is unset.
    fn form_into(&mut self, out: &mut String, levels: usize) -> Option<bool> {
        let from = out.len();
        match self.peek()? {
            b'[' | b'{' if levels >= MAX_LEVELS => None,
            b'[' => {
                let mut forms = Vec::new();
                self.list(|scanner| {
                    let start = out.len();
                    if !scanner.form_into(out, levels + 1)? {
                        out.push_str(UNSET);
                    }
                    forms.push(start..out.len());
                    Some(())
                })?;
                if forms.is_empty() {
                    return Some(false);
                }
                if !forms
                    .windows(2)
                    .all(|pair| out[pair[0].clone()] < out[pair[1].clone()])
                {
                    forms.sort_unstable_by(|a, b| out[a.clone()].cmp(&out[b.clone()]));
                    forms.dedup_by(|a, b| out[a.clone()] == out[b.clone()]);
                    rearrange(out, from, forms.iter().cloned());
                }
                suffixed(out, '[', forms.len());
                Some(true)
            }
            b'{' => {
                let mut entries = Vec::new();
                self.object(|scanner, name| {
                    let start = out.len();
                    if scanner.form_into(out, levels + 1)? {
                        push_text(out, 'k', name);
                    }
                    entries.push((name, start..out.len()));
                    Some(())
                })?;
                let sorted = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
                if !sorted {
                    entries.sort_unstable_by_key(|(name, _)| *name);
                    if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                        return None;
                    }
                    rearrange(out, from, entries.iter().map(|(_, form)| form.clone()));
                }
                let set = entries.iter().filter(|(_, form)| !form.is_empty()).count();
                if set == 0 {
                    return Some(false);
                }
                suffixed(out, '{', set);
                Some(true)
            }
            _ => {
                let text = self.scalar()?;
                if text.is_empty() {
                    return Some(false);
                }
                push_text(out, 's', text);
                Some(true)
            }
        }
    }
}

/// Replaces the text after `from` by these parts of it.
fn rearrange(out: &mut String, from: usize, parts: impl Iterator<Item = std::ops::Range<usize>>) {
    let arranged: String = parts.map(|part| &out[part]).collect();
    out.truncate(from);
    out.push_str(&arranged);
}

#[cfg(test)]
mod tests;
