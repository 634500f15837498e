//! Addresses of instances, such as `module.site["eu.west"].aws_instance.web[0]`.
//!
//! A key may contain dots, brackets and escaped quotes, so an address is scanned, not split.

use std::iter::Peekable;
use std::str::Chars;

/// The key of an instance that `count` or `for_each` made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The index of `count`.
    Number(u64),
    /// The key of `for_each`, without quotes and escapes.
    Text(String),
}

/// A module of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the call.
    pub name: String,
    /// Key of the instance of the module.
    pub key: Option<Key>,
}

/// The parts of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Modules from the root to the resource.
    pub modules: Vec<Step>,
    /// Whether it is a data source.
    pub data: bool,
    /// Terraform type.
    pub kind: String,
    /// Name in the configuration.
    pub name: String,
    /// Key of the instance.
    pub key: Option<Key>,
}

impl Address {
    /// Returns the parts of an address, or None if the text is not an address.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner(text.chars().peekable());
        let mut modules = Vec::new();
        let mut data = false;
        loop {
            let word = scanner.name()?;
            match word.as_str() {
                "module" if !data => {
                    scanner.expect('.')?;
                    let name = scanner.name()?;
                    let key = scanner.key()?;
                    modules.push(Step { name, key });
                    scanner.expect('.')?;
                }
                "data" if !data => {
                    data = true;
                    scanner.expect('.')?;
                }
                _ => {
                    scanner.expect('.')?;
                    let name = scanner.name()?;
                    let key = scanner.key()?;
                    return scanner.0.next().is_none().then_some(Self {
                        modules,
                        data,
                        kind: word,
                        name,
                        key,
                    });
                }
            }
        }
    }
}

struct Scanner<'t>(Peekable<Chars<'t>>);

impl Scanner<'_> {
    fn expect(&mut self, wanted: char) -> Option<()> {
        self.0.next_if_eq(&wanted).map(drop)
    }

    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-');
        while let Some(c) = self.0.next_if(is_part) {
            name.push(c);
        }
        (!name.is_empty()).then_some(name)
    }

    /// Returns the key in brackets, or `Some(None)` if there are no brackets.
    fn key(&mut self) -> Option<Option<Key>> {
        if self.expect('[').is_none() {
            return Some(None);
        }
        let key = match self.expect('"') {
            Some(()) => Key::Text(self.quoted()?),
            None => Key::Number(self.name()?.parse().ok()?),
        };
        self.expect(']')?;
        Some(Some(key))
    }

    /// Returns the text up to the closing quote, without the escapes that Terraform writes.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.0.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                // `$${` is written for `${`, and `%%{` for `%{`.
                mark @ ('$' | '%') => {
                    text.push(mark);
                    let mut ahead = self.0.clone();
                    if ahead.next() == Some(mark) && ahead.next() == Some('{') {
                        self.0.next();
                    }
                }
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        match self.0.next()? {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => self.code_point(4),
            'U' => self.code_point(8),
            other => Some(other),
        }
    }

    fn code_point(&mut self, digits: usize) -> Option<char> {
        let mut code = 0u32;
        for _ in 0..digits {
            code = code.checked_mul(16)?.checked_add(self.0.next()?.to_digit(16)?)?;
        }
        char::from_u32(code)
    }
}

#[cfg(test)]
mod tests;
