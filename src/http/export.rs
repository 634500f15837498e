//! The export of the history of drifts as CSV or JSON, streamed in batches, so that memory does not grow with the history.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use entity::cloud_drift::CloseReason;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::HttpState;
use super::rest::{Admin, RestError, in_time, query};
use crate::domain::redaction::{hides, shown_sides};
use crate::error::{Error, Result, status_word};
use crate::services::inbox::{DriftPages, DriftWithResource};
use crate::services::resources::source_of;

/// Number of drifts that are read at a time.
const BATCH: u64 = 500;

/// The columns, in the order of the CSV file. The JSON file has the same names.
const COLUMNS: [&str; 25] = [
    "id",
    "resource_id",
    "resource_name",
    "resource_kind",
    "provider_id",
    "region",
    "source",
    "address",
    "kind",
    "field",
    "expected",
    "actual",
    "redacted",
    "severity",
    "status",
    "revision",
    "detected_at",
    "resolved_at",
    "resolved_by",
    "resolution_note",
    "close_reason",
    "spec_version",
    "undone_at",
    "undone_by",
    "split_from",
];

/// `GET /export/drifts.json`: the drifts as `{"drifts": [...], "count": N}`, newest first.
pub(super) async fn json(state: State<HttpState>, admin: Admin, uri: Uri) -> Result<Response, RestError> {
    export(state, admin, uri, Format::Json).await
}

/// `GET /export/drifts.csv`: the drifts as CSV (RFC 4180), newest first.
pub(super) async fn csv(state: State<HttpState>, admin: Admin, uri: Uri) -> Result<Response, RestError> {
    export(state, admin, uri, Format::Csv).await
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

async fn export(
    State(state): State<HttpState>,
    _: Admin,
    uri: Uri,
    format: Format,
) -> Result<Response, RestError> {
    let mut pages = DriftPages::new(query::export_filter(&uri)?, BATCH);
    // The first page is read before the status is sent, so that an unavailable database results in status 500.
    let first = in_time(&state, pages.next(state.app.db().reader())).await?;
    let rows = stream::try_unfold(Some((pages, first, 0_usize)), move |next| {
        let state = state.clone();
        async move {
            let Some((mut pages, ready, count)) = next else {
                return Ok::<_, Error>(None);
            };
            let page = match ready {
                Some(first) => Some(first),
                None => in_time(&state, pages.next(state.app.db().reader())).await?,
            };
            let Some(page) = page else {
                return Ok(Some((Bytes::from(format.tail(count)), None)));
            };
            let text = format.rows(&page, count == 0);
            Ok(Some((Bytes::from(text), Some((pages, None, count + page.len())))))
        }
    });
    let head = stream::iter([Ok(Bytes::from(format.head()))]);
    let headers = [
        (CONTENT_TYPE, format.media_type()),
        (CONTENT_DISPOSITION, format.disposition()),
    ];
    Ok((headers, Body::from_stream(head.chain(rows))).into_response())
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        }
    }

    fn disposition(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"drifts.csv\"",
            Self::Json => "attachment; filename=\"drifts.json\"",
        }
    }

    fn head(self) -> String {
        match self {
            Self::Csv => COLUMNS.join(",") + "\r\n",
            Self::Json => r#"{"drifts":["#.to_owned(),
        }
    }

    fn tail(self, count: usize) -> String {
        match self {
            Self::Csv => String::new(),
            Self::Json => format!(r#"],"count":{count}}}"#),
        }
    }

    fn rows(self, page: &[DriftWithResource], is_first: bool) -> String {
        let mut text = String::new();
        for (number, row) in page.iter().enumerate() {
            let values = values(row);
            match self {
                Self::Csv => {
                    let cells = COLUMNS.map(|column| cell(&values[column]));
                    text.push_str(&cells.join(","));
                    text.push_str("\r\n");
                }
                Self::Json => {
                    if number > 0 || !is_first {
                        text.push(',');
                    }
                    text.push_str(&Value::Object(values).to_string());
                }
            }
        }
        text
    }
}

fn values(row: &DriftWithResource) -> Map<String, Value> {
    let DriftWithResource {
        drift,
        resource,
        address,
        split_from,
    } = row;
    let (expected, actual) = shown_sides(drift);
    let of_resource = resource.as_ref();
    let values = [
        json!(drift.id),
        json!(drift.resource_id),
        json!(of_resource.map(|resource| &resource.name)),
        json!(of_resource.map(|resource| &resource.kind)),
        json!(of_resource.map(|resource| &resource.provider_id)),
        json!(of_resource.map(|resource| &resource.region)),
        json!(of_resource.and_then(source_of)),
        json!(address),
        json!(drift.kind.word()),
        json!(drift.field),
        json!(expected),
        json!(actual),
        json!(hides(drift.expected.as_ref(), drift.actual.as_ref())),
        json!(drift.severity.word()),
        json!(status_word(drift.status)),
        json!(drift.revision),
        json!(time(Some(drift.detected_at))),
        json!(time(drift.resolved_at)),
        json!(drift.resolved_by),
        json!(drift.resolution_note),
        json!(drift.close_reason.map(CloseReason::word)),
        json!(drift.spec_version),
        json!(time(drift.undone_at)),
        json!(drift.undone_by),
        json!(split_from),
    ];
    COLUMNS.map(str::to_owned).into_iter().zip(values).collect()
}

fn time(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// Returns a cell of CSV. A text is itself, and any other value is JSON. Spreadsheets execute what begins like a formula,
/// even in quotes; an apostrophe makes it a text.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // Some spreadsheets skip spaces before a formula.
    let begins_formula = text
        .trim_start_matches(' ')
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if begins_formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one record of RFC 4180.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = line.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(std::mem::take(&mut cell)),
                other => cell.push(other),
            }
        }
        cells.push(cell);
        cells
    }

    proptest! {
        #[test]
        fn cells_are_read_back_and_no_cell_begins_a_formula(texts in prop::collection::vec("[-=+@\t\r\n\", a＝]{0,6}", 1..5)) {
            let line: Vec<String> = texts.iter().map(|text| cell(&json!(text))).collect();
            let found = read(&line.join(","));
            prop_assert_eq!(found.len(), texts.len());
            for (found, text) in found.iter().zip(&texts) {
                prop_assert!(found == text || *found == format!("'{text}"), "{found:?} {text:?}");
                prop_assert!(!found.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r']), "{found:?}");
            }
        }
    }

    #[test]
    fn values_that_are_not_texts_are_json() {
        let cells = [
            json!(null),
            json!(true),
            json!(1.5),
            json!(-3),
            json!({ "a": [1, "x"] }),
        ]
        .map(|value| cell(&value));
        assert_eq!(cells, ["", "true", "1.5", "'-3", "\"{\"\"a\"\":[1,\"\"x\"\"]}\""]);
    }
}
