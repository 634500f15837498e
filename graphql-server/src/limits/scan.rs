//! Checks the text of a document before it is parsed.
//!
//! The parser recurses once per open bracket in argument values and types, without a limit: 2,500 of them (5 KB)
//! overflow a thread's stack and end the process. So brackets are counted first.
//!
//! The count must not miss any bracket. Therefore the text is split into strings, block strings and comments by the
//! lexical rules of the GraphQL specification, and an unterminated string is rejected: the parser reads an
//! unterminated `"""` as an empty string and continues after it.

use async_graphql::ServerError;

use super::RequestLimits;
use crate::codes::{self, GRAPHQL_PARSE_FAILED, QUERY_TOO_COSTLY};

/// Why a text is not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// More bytes than allowed.
    TooLong,
    /// Brackets nested deeper than allowed.
    TooDeep,
    /// More directives than allowed.
    TooManyDirectives,
    /// An unterminated string or block string.
    UnfinishedString,
}

impl ScanError {
    /// Returns the error for the client.
    pub(crate) fn into_server_error(self, limits: &RequestLimits) -> ServerError {
        let (what, most) = match self {
            Self::TooLong => ("bytes", limits.max_query_bytes),
            Self::TooDeep => ("levels of brackets", limits.max_query_nesting),
            Self::TooManyDirectives => ("directives", limits.max_query_directives),
            Self::UnfinishedString => {
                return codes::error(GRAPHQL_PARSE_FAILED, "unterminated string", None);
            }
        };
        let message = format!("the document has more than {most} {what}");
        codes::error(QUERY_TOO_COSTLY, message, None)
    }
}

/// Rejects a text that exceeds the limits or has an unterminated string.
///
/// # Errors
///
/// The first limit that the text exceeds.
pub(crate) fn scan(query: &str, limits: &RequestLimits) -> Result<(), ScanError> {
    if query.len() > limits.max_query_bytes {
        return Err(ScanError::TooLong);
    }
    let mut rest = query.as_bytes();
    let mut depth = 0_usize;
    let mut directives = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'#' => after_comment(tail),
            b'"' => after_string(rest).ok_or(ScanError::UnfinishedString)?,
            _ => tail,
        };
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            // Mismatched brackets end the parse, so the kind of bracket does not matter.
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'@' => directives += 1,
            _ => {}
        }
        if depth > limits.max_query_nesting {
            return Err(ScanError::TooDeep);
        }
        if directives > limits.max_query_directives {
            return Err(ScanError::TooManyDirectives);
        }
    }
    Ok(())
}

/// Returns the text after a comment and its line terminator.
fn after_comment(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(&[], |end| &text[end..])
}

/// Returns the text after the string or block string at the start of `text`.
fn after_string(text: &[u8]) -> Option<&[u8]> {
    match text.strip_prefix(b"\"\"\"") {
        Some(content) => after_block_string(content),
        None => after_line_string(&text[1..]),
    }
}

fn after_line_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [] | [b'\n' | b'\r', ..] | [b'\\', b'\n' | b'\r', ..] | [b'\\'] => return None,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

fn after_block_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'\\', b'"', b'"', b'"', rest @ ..] => rest,
            [b'"', b'"', b'"', rest @ ..] => return Some(rest),
            [_, rest @ ..] => rest,
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nesting_of_three(query: &str) -> Result<(), ScanError> {
        let limits = RequestLimits {
            max_query_nesting: 3,
            max_query_directives: 2,
            ..RequestLimits::default()
        };
        scan(query, &limits)
    }

    #[test]
    fn brackets_that_the_parser_sees_are_counted() {
        let deep = [
            "{a(b:[{c:1}])}",
            "{{[(",
            "\"\" {{{{",
            "\"\"\"\"\"\"{{{{",
            "\"a\\\"\"{{{{",
            "\"\\\\\"{{{{",
            "\"\\u0041\"{{{{",
            "\"\"\"\\\"\"\"\"\"\"{{{{",
            "\"\"\"\\\\\"\"\"\"\"\"{{{{",
            "# comment\n{{{{",
            "# \"\r{{{{",
            "# \"\"\"\r\n{{{{",
            "\"#\"{{{{",
            "\"\"\"#\"\"\"{{{{",
            "\"é\\é\"{{{{",
            ")]}{{{{",
            "}{}{{{{",
        ];
        for query in deep {
            assert_eq!(nesting_of_three(query), Err(ScanError::TooDeep), "{query}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_are_not_counted() {
        let flat = [
            "{a(b:\"{{{{[[[[((((\")}",
            "{a(b:\"\"\"{{{{\n\"{{{{\" \\\"\"\" {{{{\"\"\")}",
            "{a # {{{{ \" \"\"\"\n}",
            "{a(b:\"\\\"{{{{\")}",
            "# {{{{",
            "{a{b}} {a{b}} {a{b}}",
            "",
        ];
        for query in flat {
            assert_eq!(nesting_of_three(query), Ok(()), "{query}");
        }
    }

    #[test]
    fn a_string_without_an_end_is_refused() {
        let open = [
            "\"",
            "\"a\n\"",
            "\"a\r\"",
            "\"\\",
            "\"\\\n\"",
            "\"\\\"",
            "\"\"\"",
            "\"\"\"\\\"\"\"",
            "\"\"\"\"\"",
            "{a(b:\"\"\" {{{{)}",
        ];
        for query in open {
            assert_eq!(
                nesting_of_three(query),
                Err(ScanError::UnfinishedString),
                "{query}"
            );
        }
    }

    #[test]
    fn directives_are_counted_outside_strings() {
        assert_eq!(nesting_of_three("{a @b @c}"), Ok(()));
        assert_eq!(nesting_of_three("{a @b @c d(e:\"@@@\") #@\n}"), Ok(()));
        assert_eq!(
            nesting_of_three("{a @b @c @d}"),
            Err(ScanError::TooManyDirectives)
        );
    }

    #[test]
    fn the_length_is_bounded() {
        let limits = RequestLimits::default();
        assert_eq!(scan(&" ".repeat(limits.max_query_bytes), &limits), Ok(()));
        assert_eq!(
            scan(&" ".repeat(limits.max_query_bytes + 1), &limits),
            Err(ScanError::TooLong)
        );
    }
}
