//! Parsers of values that several settings share.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::domain::validation::is_hidden;

/// The value that disables a schedule or a retention.
pub(super) const OFF: &str = "off";

/// Parses `on` or `off`.
pub(super) fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", OFF]).map(|text| text != OFF)
}

/// Parses a name. Spaces around it are removed.
pub(super) fn not_blank(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains(is_hidden) {
        return Err("has control characters or other invisible ones");
    }
    Ok(text.to_owned())
}

/// Parses the path of a file, which need not exist yet.
pub(super) fn file(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if text.trim().is_empty() {
        return Err("is empty");
    }
    if path.is_dir() {
        return Err("is a folder and not a file");
    }
    Ok(path)
}

/// Parses a time such as `30s` or `90d`.
pub(crate) fn time_of_at_least(
    shortest: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let time = humantime::parse_duration(text).map_err(|why| why.to_string())?;
        if time < shortest {
            return Err(format!("shorter than the minimum of {}", shown(shortest)));
        }
        TimeDelta::from_std(time).map_err(|_| "too long".to_owned())?;
        Ok(time)
    }
}

/// Formats a time as [`time_of_at_least`] parses it: in its largest unit without a remainder.
pub(super) fn shown(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = time.as_secs();
    let unit = UNITS
        .iter()
        .find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    match unit {
        Some((size, unit)) if time.subsec_nanos() == 0 => format!("{}{unit}", seconds / size),
        _ => format!("{}ms", time.as_millis()),
    }
}
