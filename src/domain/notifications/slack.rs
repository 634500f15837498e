//! Renders messages for incoming webhooks of Slack: a text, and blocks that show the same in more detail.

use serde_json::{Value, json};

/// Maximum number of groups that a message shows.
const MAX_GROUPS: usize = 12;
/// Maximum number of drifts that a group shows.
const MAX_DRIFTS: usize = 3;
/// Maximum length of a section in characters; Slack permits 3,000.
const MAX_SECTION: usize = 2_900;
/// Maximum length of a value in characters.
const MAX_VALUE: usize = 120;

/// Renders a message. `body` is the JSON that a webhook gets.
pub(crate) fn message(body: &Value) -> Value {
    let data = &body["data"];
    let (title, sections) = match body["type"].as_str().unwrap_or_default() {
        "drift.transitions" => (drifts_title(data), drift_sections(data)),
        "source.transitions" => (sources_title(data), source_sections(data)),
        super::DIGEST_OF => (digest_title(data), digest_sections(data)),
        _ => (
            "Drift Inbox can send messages here.".to_owned(),
            vec!["This is a test.".to_owned()],
        ),
    };
    let mut blocks = vec![section(&format!("*{title}*"))];
    blocks.extend(sections.iter().map(|text| section(text)));
    if let Some(link) = data["link"].as_str() {
        blocks.push(section(&format!("<{link}|Open the inbox>")));
    }
    json!({ "text": title, "blocks": blocks })
}

fn section(text: &str) -> Value {
    let text: String = text.chars().take(MAX_SECTION).collect();
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Escapes the three characters that have a meaning in Slack's texts, and removes what could end a code span.
fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('`', "'").replace(['\n', '\r'], " ")
}

fn text_of(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn counted(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

fn drifts_title(data: &Value) -> String {
    let counts = data["transitions"].as_object();
    let parts: Vec<String> = counts
        .into_iter()
        .flatten()
        .filter_map(|(word, count)| {
            let transition = serde_json::from_value::<super::Transition>(word.as_str().into()).ok()?;
            Some(format!(
                "{} {}",
                counted(count.as_u64()?, "drift"),
                transition.text()
            ))
        })
        .collect();
    parts.join(", ")
}

fn drift_sections(data: &Value) -> Vec<String> {
    let groups = data["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sections: Vec<String> = groups.iter().take(MAX_GROUPS).map(group_text).collect();
    let shown: u64 = groups
        .iter()
        .take(MAX_GROUPS)
        .filter_map(|group| group["count"].as_u64())
        .sum();
    let more = data["total"].as_u64().unwrap_or_default().saturating_sub(shown);
    if more > 0 {
        sections.push(format!("and {} more", counted(more, "drift")));
    }
    sections
}

fn group_text(group: &Value) -> String {
    let transition = serde_json::from_value::<super::Transition>(group["transition"].clone());
    let happened = transition.map_or("", super::Transition::text);
    let count = group["count"].as_u64().unwrap_or_default();
    let kind = text_of(&group["resourceKind"]);
    let what = if group["missing"] == true {
        "missing".to_owned()
    } else {
        format!("`{}` {}", text_of(&group["field"]), values_text(group))
    };
    let mut lines = vec![format!("{count} × {kind}: {what} ({happened})")];
    let drifts = group["drifts"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(drifts.iter().take(MAX_DRIFTS).map(drift_text));
    let more = count.saturating_sub(drifts.len().min(MAX_DRIFTS) as u64);
    if more > 0 {
        lines.push(format!("• and {}", counted(more, "more resource")));
    }
    lines.join("\n")
}

fn values_text(group: &Value) -> String {
    if group["redacted"] == true {
        return "has another secret value".to_owned();
    }
    if group["tooLong"] == true {
        return "has another long value".to_owned();
    }
    let value = |name: &str| {
        let text: String = group[name].to_string().chars().take(MAX_VALUE).collect();
        escaped(&text)
    };
    format!("expected `{}`, live `{}`", value("expected"), value("actual"))
}

fn drift_text(drift: &Value) -> String {
    let name = ["address", "resourceName", "providerId"]
        .iter()
        .map(|name| text_of(&drift[*name]))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "a resource that was forgotten".to_owned());
    match drift["link"].as_str() {
        Some(link) => format!("• <{link}|{}>", name.replace('|', "/")),
        None => format!("• {name}"),
    }
}

fn sources_title(data: &Value) -> String {
    let sources = data["sources"].as_array().map_or(0, Vec::len);
    match sources {
        1 => source_sections(data).concat().replace('*', ""),
        _ => format!("{sources} sources changed their state"),
    }
}

fn source_sections(data: &Value) -> Vec<String> {
    let sources = data["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |source: &Value| {
        let transition = serde_json::from_value::<super::Transition>(source["transition"].clone());
        let reason = source["reason"].as_str().map(|why| format!(": {}", escaped(why)));
        format!(
            "Source *{}* {}{}",
            text_of(&source["name"]),
            transition.map_or("", super::Transition::text),
            reason.unwrap_or_default()
        )
    };
    sources.iter().take(MAX_GROUPS).map(text).collect()
}

fn digest_title(data: &Value) -> String {
    let open = data["open"].as_u64().unwrap_or_default();
    let state = if data["upToDate"] == true {
        "and the inventory is up to date"
    } else {
        "but the inventory is not up to date"
    };
    match open {
        0 => format!("No drift is open, {state}"),
        1 => format!("1 drift is open, {state}"),
        open => format!("{open} drifts are open, {state}"),
    }
}

fn digest_sections(data: &Value) -> Vec<String> {
    let mut sections = Vec::new();
    let kinds = data["kinds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kinds: Vec<String> = kinds
        .iter()
        .take(MAX_GROUPS)
        .map(|kind| format!("{} × {}", kind["count"], text_of(&kind["kind"])))
        .collect();
    if !kinds.is_empty() {
        sections.push(kinds.join(", "));
    }
    if let Some(oldest) = data["oldestDetectedAt"].as_str() {
        let oldest = escaped(oldest);
        sections.push(match data["oldestLink"].as_str() {
            Some(link) => format!("The oldest was <{link}|detected at {oldest}>"),
            None => format!("The oldest was detected at {oldest}"),
        });
    }
    if let Some(problem) = data["problem"].as_str() {
        sections.push(escaped(problem));
    }
    sections
}
