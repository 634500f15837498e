//! Addresses of instances in Terraform states, such as `module.net["eu.west"].aws_vpc.main[0]`.

/// Maximum length of an address that is stored with a spec, in bytes. PostgreSQL cannot index texts of 2,700 bytes.
const MAX_STORED_BYTES: usize = 2_048;

/// Returns the address as it is stored with a spec, or None if it cannot be stored.
pub fn storable(address: &str) -> Option<&str> {
    let fits = !address.is_empty() && address.len() <= MAX_STORED_BYTES && !address.contains('\0');
    fits.then_some(address)
}

/// Returns whether an address is the wanted one, or is below it if the wanted one names a module.
pub fn is_at(address: &str, wanted: &str) -> bool {
    address == wanted
        || module_prefixes(wanted)
            .iter()
            .any(|prefix| address.starts_with(prefix))
}

/// Returns the texts one of which every address below a module begins with. Returns none if the wanted address is not
/// that of a module. A module without a key includes all instances that `count` or `for_each` made of it.
pub(crate) fn module_prefixes(wanted: &str) -> Vec<String> {
    match module_has_key(wanted) {
        None => Vec::new(),
        Some(true) => vec![format!("{wanted}.")],
        Some(false) => vec![format!("{wanted}."), format!("{wanted}[")],
    }
}

/// Returns whether the last module of the address of a module has a key, or None if it is not the address of a module.
fn module_has_key(text: &str) -> Option<bool> {
    let mut rest = text;
    loop {
        rest = rest.strip_prefix("module.")?;
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        rest = &rest[end..];
        let has_key = rest.starts_with('[');
        if has_key {
            rest = after_key(&rest[1..])?;
        }
        if rest.is_empty() {
            return Some(has_key);
        }
        rest = rest.strip_prefix('.')?;
    }
}

/// Returns what follows a key and its bracket. A key may contain dots, brackets and escaped quotes.
fn after_key(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.split_once(']').map(|(_, rest)| rest);
    };
    let mut is_escaped = false;
    for (at, letter) in quoted.char_indices() {
        match letter {
            '"' if !is_escaped => return quoted[at + 1..].strip_prefix(']'),
            _ => is_escaped = letter == '\\' && !is_escaped,
        }
    }
    None
}

/// Returns a text as one word of a POSIX shell.
pub(crate) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_module_includes_everything_below_it() {
        for (address, wanted) in [
            ("aws_vpc.main", "aws_vpc.main"),
            ("module.net.aws_vpc.main", "module.net"),
            ("module.net[0].aws_vpc.main", "module.net"),
            ("module.net[0].aws_vpc.main", "module.net[0]"),
            (
                r#"module.net["a.b]\"c"].aws_vpc.main"#,
                r#"module.net["a.b]\"c"]"#,
            ),
            ("module.a.module.b.aws_vpc.main", "module.a"),
            ("module.a.module.b.aws_vpc.main", "module.a.module.b"),
        ] {
            assert!(is_at(address, wanted), "{address} {wanted}");
        }
    }

    #[test]
    fn other_addresses_are_compared_as_a_whole() {
        for (address, wanted) in [
            ("aws_vpc.main[0]", "aws_vpc.main"),
            ("aws_vpc.main2", "aws_vpc.main"),
            ("module.network.aws_vpc.main", "module.net"),
            ("module.net.aws_vpc.main", "module.net[0]"),
            ("module.net[10].aws_vpc.main", "module.net[1]"),
            (r#"module.net["a"].aws_vpc.main"#, r#"module.net["a"#),
            ("module.net.aws_vpc.main", "module.net.aws_vpc"),
            ("module.net.aws_vpc.main", "module.net."),
            ("module.net.aws_vpc.main", "module."),
            ("module.net.aws_vpc.main", ""),
        ] {
            assert!(!is_at(address, wanted), "{address} {wanted}");
        }
    }

    #[test]
    fn only_addresses_that_both_databases_store_and_index_are_storable() {
        assert_eq!(storable("a.b"), Some("a.b"));
        for address in [String::new(), "a\0b".to_owned(), "a".repeat(MAX_STORED_BYTES + 1)] {
            assert_eq!(storable(&address), None);
        }
    }

    #[test]
    fn a_shell_word_contains_the_text_unchanged() {
        assert_eq!(
            shell_word(r#"a.b["$${x} `y` \"z\""]"#),
            r#"'a.b["$${x} `y` \"z\""]'"#
        );
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
