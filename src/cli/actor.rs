//! The actor of changes made on the command line.

use crate::domain::validation::{check_text, is_hidden};

/// Maximum length of an actor in bytes.
const MAX_BYTES: usize = 256;
/// The actor of the server's own jobs.
const SYSTEM: &str = "system";

/// Parses the actor given with `--as`.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let name = text.trim();
    let problem = match name {
        "" => "is blank: set it to an email address or another name",
        SYSTEM => "is reserved for the jobs of the server: use another name",
        _ if name.chars().any(is_hidden) => "contains a control character or another invisible one",
        _ => {
            check_text("the name", name, MAX_BYTES).map_err(|why| why.to_string())?;
            return Ok(name.to_owned());
        }
    };
    Err(problem.to_owned())
}

/// Returns the user and the host, such as `ada@laptop`. Reads the environment and `/proc`, to avoid a dependency for
/// each platform's API.
pub(super) fn user_and_host() -> String {
    let of_environment = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
        values.find(|value| !value.trim().is_empty())
    };
    let user = of_environment(&["USER", "LOGNAME", "USERNAME"]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| of_environment(&["HOSTNAME", "COMPUTERNAME"]));
    let named = |name: Option<String>| {
        let name = name.map(|name| name.trim().to_owned());
        name.filter(|name| !name.is_empty())
            .unwrap_or_else(|| "unknown".to_owned())
    };
    let name = format!("{}@{}", named(user), named(host));
    name.chars()
        .filter(|letter| !is_hidden(*letter))
        .take(MAX_BYTES / 4)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actor_is_a_name_or_user_and_host() {
        assert_eq!(parse(" ada@example.com ").unwrap(), "ada@example.com");
        let (user, host) = user_and_host()
            .split_once('@')
            .map(|(a, b)| (a.len(), b.len()))
            .unwrap();
        assert!(user > 0 && host > 0);
        for bad in ["", " ", "system", "a\nb", "a\u{202e}b", &"x".repeat(300)] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
