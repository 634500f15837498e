//! Writes rows as JSON text.

use entity::cloud_drift::{self, DriftKind, DriftStatus};
use serde_json::{Value, to_writer};
use uuid::Uuid;

use super::below::{Below, id_at, resource_of};
use super::changes::{is_missing, is_open};
use super::fields::Form;
use super::plan::{ChangePart, EdgePart, Key as FieldKey, List, ListPart, Object, PagePart, Part, Plan};
use crate::domain::changes::{ChangeKind, Changes, ValueChange};
use crate::domain::imports::state_name;
use crate::domain::redaction::{is_redacted_text, shown_text};
use crate::domain::stored_json::push_string;
use crate::error::{Error, Result};
use crate::graphql::types::cursor;
use crate::services::addresses::lines_of;
use crate::services::cells::{Cell, Cells};
use crate::services::page::{Key, Page};

/// Name of the order of events in cursors.
const EVENT_ORDER: &str = "e";

/// Writes one page.
pub(super) struct Writer<'p> {
    below: &'p Below,
    out: Vec<u8>,
}

impl<'p> Writer<'p> {
    pub(super) fn new(below: &'p Below) -> Self {
        Self {
            below,
            out: Vec::new(),
        }
    }

    /// Returns the text of a page of drifts.
    ///
    /// # Errors
    ///
    /// The text is not UTF-8. This cannot happen, because texts of the database are.
    pub(super) fn written(mut self, plan: &Plan, page: &Page<Cells>, order: &str) -> Result<String> {
        self.list(&plan.list, page, order);
        String::from_utf8(self.out).map_err(|error| Error::Internal(error.to_string()))
    }

    fn fields<P>(&mut self, parts: &[(FieldKey, P)], mut write: impl FnMut(&mut Self, &P)) {
        self.out.push(b'{');
        for (number, (key, part)) in parts.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(key);
            write(self, part);
        }
        self.out.push(b'}');
    }

    fn items<R>(&mut self, rows: &[R], mut write: impl FnMut(&mut Self, &R)) {
        self.out.push(b'[');
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            write(self, row);
        }
        self.out.push(b']');
    }

    fn list(&mut self, list: &List, page: &Page<Cells>, order: &str) {
        self.fields(list, |this, part| match part {
            ListPart::TypeName(name) => push_string(&mut this.out, name),
            ListPart::Edges(edge) => this.items(&page.rows, |this, (key, cells)| {
                this.fields(edge, |this, part| match part {
                    EdgePart::TypeName(name) => push_string(&mut this.out, name),
                    EdgePart::Cursor => this.cursor(Some(*key), order),
                    EdgePart::Node(object) => this.object(object, cells),
                });
            }),
            ListPart::Nodes(object) => this.items(&page.rows, |this, (_, cells)| this.object(object, cells)),
            ListPart::PageInfo(parts) => this.fields(parts, |this, part| match part {
                PagePart::TypeName(name) => push_string(&mut this.out, name),
                PagePart::HasNext => this.bool(page.has_next),
                PagePart::HasPrevious => this.bool(page.has_previous),
                PagePart::Start => this.cursor(page.start, order),
                PagePart::End => this.cursor(page.end, order),
            }),
            ListPart::Total => this.int(i32::try_from(this.below.total).unwrap_or(i32::MAX)),
        });
    }

    fn object(&mut self, object: &Object, cells: &Cells) {
        let below = self.below;
        self.fields(object, |this, part| match part {
            Part::TypeName(name) => push_string(&mut this.out, name),
            Part::Cell(place, form) => this.cell(cells.get(*place).unwrap_or(&Cell::Null), *form),
            Part::Side(place) => match cells.get(*place) {
                Some(cell) if !is_redacted(cells) => this.cell(cell, Form::Plain),
                _ => this.null(),
            },
            Part::Redacted => this.bool(is_redacted(cells)),
            Part::Address => this.cell(cells.last().unwrap_or(&Cell::Null), Form::Plain),
            Part::TerraformLines => {
                let lines = terraform_lines(cells);
                this.items(&lines, |this, line| push_string(&mut this.out, line));
            }
            Part::Same(object) => this.object(object, cells),
            Part::Spec(object) => match resource_of(cells).and_then(|id| below.specs.get(&id)) {
                Some(spec) => this.object(object, spec),
                None => this.null(),
            },
            Part::Events(number, list) => {
                let pages = below.events.get(*number);
                match resource_of(cells).and_then(|id| pages?.get(&id)) {
                    Some(page) => this.list(list, page, EVENT_ORDER),
                    None => this.null(),
                }
            }
            Part::Changes(parts) => {
                let changes = this.changes(cells).map_or(&[][..], |changes| &changes.list);
                this.items(changes, |this, change| this.change(parts, change));
            }
            Part::ChangesTruncated => {
                let truncated = this.changes(cells).is_some_and(|changes| changes.truncated);
                this.bool(truncated);
            }
        });
    }

    fn changes(&self, drift: &Cells) -> Option<&'p Changes> {
        let id = id_at(drift, cloud_drift::Column::Id)?;
        self.below.changes.get(&id)
    }

    fn change(&mut self, parts: &[(FieldKey, ChangePart)], change: &ValueChange) {
        self.fields(parts, |this, part| match part {
            ChangePart::TypeName(name) => push_string(&mut this.out, name),
            ChangePart::Path => push_string(&mut this.out, &change.path),
            ChangePart::Line => match change.line.and_then(|line| i32::try_from(line).ok()) {
                Some(line) => this.int(line),
                None => this.null(),
            },
            ChangePart::Kind => push_string(
                &mut this.out,
                match change.kind {
                    ChangeKind::Added => "ADDED",
                    ChangeKind::Removed => "REMOVED",
                    ChangeKind::Changed => "CHANGED",
                },
            ),
            ChangePart::Before => this.json(&change.before),
            ChangePart::After => this.json(&change.after),
        });
    }

    fn json(&mut self, value: &Value) {
        // Writing to memory does not fail.
        _ = to_writer(&mut self.out, value);
    }

    fn cell(&mut self, cell: &Cell, form: Form) {
        match (cell, form) {
            (Cell::Text(text), Form::Choice) => push_string(&mut self.out, &text.to_ascii_uppercase()),
            (Cell::Text(text), Form::NullIfEmpty) if text.is_empty() => self.null(),
            (Cell::Text(text), Form::StateName) => match state_name(text) {
                Some(name) => push_string(&mut self.out, name),
                None => self.null(),
            },
            (Cell::Json(text), Form::Texts) => self.texts(text),
            (Cell::Text(text), _) => push_string(&mut self.out, text),
            (Cell::Json(text), _) => self.out.extend_from_slice(shown_text(text).as_bytes()),
            (Cell::Time(time), _) => push_string(&mut self.out, &time.to_rfc3339()),
            (Cell::Uuid(id), _) => self.uuid(*id),
            (Cell::Int(number), _) => self.int(*number),
            (Cell::Bool(value), _) => self.bool(*value),
            (Cell::Null, _) => self.null(),
        }
    }

    /// Writes the strings of a JSON list and omits all other items.
    fn texts(&mut self, json: &str) {
        let items = match serde_json::from_str(json) {
            Ok(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        self.items(&texts, |this, text| push_string(&mut this.out, text));
    }

    fn uuid(&mut self, id: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut buffer);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn cursor(&mut self, key: Option<Key>, order: &str) {
        match key {
            Some(key) => push_string(&mut self.out, &cursor(key, order)),
            None => self.null(),
        }
    }

    fn int(&mut self, number: i32) {
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    fn bool(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }
}

/// Returns the commands of Terraform for a drift whose last cell is its address.
fn terraform_lines(drift: &Cells) -> Vec<String> {
    let address = match drift.last() {
        Some(Cell::Text(address)) if is_missing(drift) && is_open(drift) => address,
        _ => return Vec::new(),
    };
    lines_of(DriftKind::Missing, DriftStatus::Open, Some(address))
}

/// Returns whether a value of the drift is redacted.
fn is_redacted(drift: &Cells) -> bool {
    let is_redacted = |column: cloud_drift::Column| match drift.get(column as usize) {
        Some(Cell::Json(text)) => is_redacted_text(text),
        _ => false,
    };
    is_redacted(cloud_drift::Column::Expected) || is_redacted(cloud_drift::Column::Actual)
}
