//! Which texts contain secrets whatever their attribute is called.

use super::secret_names::is_password_like;

/// Beginnings of tokens that services issue. What follows has at least [`MIN_TOKEN`] letters, digits, `_`, `-` or `.`.
const TOKENS: [&str; 24] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xapp-",
    "sk_live_",
    "rk_live_",
    "dop_v1_",
    "doo_v1_",
    "hvs.",
    "SG.",
    "AIza",
    "npm_",
    "pypi-",
    "AGE-SECRET-KEY-",
    // The head of a JSON Web Token: `{"` in Base64.
    "eyJ",
];
/// Shortest rest of a token.
const MIN_TOKEN: usize = 20;

/// Returns whether a text contains a private key, a token of a known service, an address with a password, or an
/// assignment to a name of a secret.
pub(super) fn looks_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
        || has_token(text)
        || has_address_with_password(text)
        || has_assignment(text)
}

fn has_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut words = text.split(|c| !is_part(c)).filter(|word| word.len() > MIN_TOKEN);
    words.any(|word| {
        let mut rests = TOKENS
            .iter()
            .filter_map(|begin| Some((begin, word.strip_prefix(begin)?)));
        // The parts of a JSON Web Token are separated by dots.
        rests.any(|(begin, rest)| rest.len() >= MIN_TOKEN && (*begin != "eyJ" || rest.contains('.')))
    })
}

/// Finds `scheme://user:password@host`.
fn has_address_with_password(text: &str) -> bool {
    let mut addresses = text.split("://").skip(1);
    addresses.any(|rest| {
        let end = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let authority = rest.split(end).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':'));
        password.is_some_and(|(_, password)| !password.is_empty())
    })
}

/// Finds `password=x` and `password: x`. Without a space, a colon separates the parts of an identifier.
fn has_assignment(text: &str) -> bool {
    let mut signs = text.match_indices(['=', ':']);
    signs.any(|(at, sign)| {
        let (name, value) = (
            text.get(..at).unwrap_or_default(),
            text.get(at + 1..).unwrap_or_default(),
        );
        let begins = value.chars().next();
        let is_assignment = match sign {
            "=" => begins.is_some_and(|c| !c.is_whitespace() && c != '='),
            _ => begins == Some(' ') && !value.trim().is_empty(),
        };
        is_assignment && is_password_like(last_word(name))
    })
}

fn last_word(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let text = text.trim_end_matches(['"', '\'', ' ']);
    text.rsplit(|c| !is_part(c)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_secrets_are_recognized() {
        for text in [
            "postgres://app:p@ss@db/x",
            "see https://u:p@host/ for more",
            "Server=db;Password=x;",
            "DefaultEndpointsProtocol=https;AccountKey=abc==",
            "https://host/?token=abc",
            "user: app\npassword: x\n",
            "{\"password\": \"x\" ",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            "deploy with ghp_abcdefghijklmnopqrstuvwxyz012345",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ] {
            assert!(looks_secret(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        for text in [
            "",
            "https://host:8080/a@b:c",
            "ssh://git@host/x",
            "arn:aws:secretsmanager:eu:1:secret:name",
            "password=",
            "token == 1",
            "password:",
            "a=b",
            "-----BEGIN PUBLIC KEY-----",
            "==::",
            "ghp_short",
            "npm_config_registry",
            "eyJhbGciOiJIUzI1NiJ9aaaaaaaaaaaa",
            "my-ghp_abcdefghijklmnopqrstuvwxyz012345",
        ] {
            assert!(!looks_secret(text), "{text}");
        }
    }
}
