//! Compiles a selection of drifts: the columns to read, and the fields to write for each row.

use async_graphql::context::QueryEnvInner;
use async_graphql::{Context, OutputType, Value};
use entity::{cloud_provisioned, cloud_resource_events as event, cloud_resources as resource};

use super::fields::{self, Form};
use super::selection::Selected;
use crate::domain::stored_json::push_string;
use crate::graphql::types::{
    Connection, DEFAULT_PAGE, Drift, Edge, PageInfo, ProvisionedSpec, Resource, ResourceEvent, SpecSource,
    ValueChange,
};
use crate::services::inbox::DRIFT_CELLS;

/// The response key of a field as JSON text, with quotes and colon.
pub(super) type Key = Vec<u8>;

/// The compiled fields of an object.
pub(super) type Object = Vec<(Key, Part)>;

/// A compiled field of a row.
pub(super) enum Part {
    /// The name of the type.
    TypeName(String),
    /// The cell with this index.
    Cell(usize, Form),
    /// The cell with this index of a drift: its expected or its live value. Null if the drift is redacted.
    Side(usize),
    /// Whether the drift is redacted.
    Redacted,
    /// The address, which is the last cell of a drift.
    Address,
    /// The commands of Terraform for a missing resource.
    TerraformLines,
    /// An object whose fields are cells of the same row.
    Same(Object),
    /// The spec in force, or null.
    Spec(Object),
    /// The list of events with this index in the plan.
    Events(usize, List),
    /// The list of the changes of the drift.
    Changes(Vec<(Key, ChangePart)>),
    /// Whether the drift has more changes than are listed.
    ChangesTruncated,
}

/// A compiled field of a change.
pub(super) enum ChangePart {
    TypeName(String),
    Path,
    Line,
    Kind,
    Before,
    After,
}

/// The compiled fields of a page.
pub(super) type List = Vec<(Key, ListPart)>;

/// A compiled field of a page.
pub(super) enum ListPart {
    TypeName(String),
    Edges(Vec<(Key, EdgePart)>),
    Nodes(Object),
    PageInfo(Vec<(Key, PagePart)>),
    Total,
}

/// A compiled field of an edge.
pub(super) enum EdgePart {
    TypeName(String),
    Cursor,
    Node(Object),
}

/// A compiled field of `pageInfo`.
pub(super) enum PagePart {
    TypeName(String),
    HasNext,
    HasPrevious,
    Start,
    End,
}

/// A list of events for each resource.
pub(super) struct EventList {
    pub(super) limit: u64,
    /// The columns to read. The first two are the time and the id.
    pub(super) columns: Vec<event::Column>,
}

/// A compiled selection.
pub(super) struct Plan {
    pub(super) list: List,
    reads: Reads,
}

/// The columns and lists that the selection needs.
#[derive(Default)]
struct Reads {
    /// Columns of the resource. The first is the id. Empty if the resource is not selected.
    resource: Vec<resource::Column>,
    /// Columns of the spec. The first is the id of its resource. None if no spec is selected.
    spec: Option<Vec<cloud_provisioned::Column>>,
    events: Vec<EventList>,
    counts: bool,
    changes: bool,
    /// Whether the address is read.
    address: bool,
}

/// The columns of the spec that the changes of a drift depend on.
pub(super) struct SpecOfChanges {
    /// All columns to read.
    pub(super) columns: Vec<cloud_provisioned::Column>,
    /// Position of the version.
    pub(super) version: usize,
    /// Position of the parts that are not compared.
    pub(super) not_compared: usize,
}

impl Plan {
    /// Compiles the selection of the field that is being resolved. Returns None if the selection contains a field that
    /// cannot be compiled.
    pub(super) fn of(ctx: &Context<'_>, max_page: u64) -> Option<Self> {
        let mut compiler = Compiler {
            env: ctx.query_env,
            max_page,
            reads: Reads::default(),
        };
        let selected = Selected::at_root(ctx.query_env, &ctx.schema_env.registry.query_type, &ctx.item.node)?;
        let list = compiler.list::<Drift>(&selected, true, Compiler::drift)?;
        Some(Self {
            list,
            reads: compiler.reads,
        })
    }

    pub(super) fn resource_columns(&self) -> &[resource::Column] {
        &self.reads.resource
    }

    pub(super) fn reads_address(&self) -> bool {
        self.reads.address
    }

    pub(super) fn spec_columns(&self) -> Option<&[cloud_provisioned::Column]> {
        self.reads.spec.as_deref()
    }

    pub(super) fn events(&self) -> &[EventList] {
        &self.reads.events
    }

    pub(super) fn counts(&self) -> bool {
        self.reads.counts
    }

    /// Returns what the changes of a drift need of its spec. Returns None if no changes are selected. Columns that are
    /// selected keep their positions.
    pub(super) fn spec_of_changes(&self) -> Option<SpecOfChanges> {
        use cloud_provisioned::Column::{NotCompared, ResourceId, SpecVersion};
        if !self.reads.changes {
            return None;
        }
        let mut columns = self.reads.spec.clone().unwrap_or_else(|| vec![ResourceId]);
        let mut place = |column| place_of(&mut columns, column, |column| column as usize);
        let (version, not_compared) = (place(SpecVersion), place(NotCompared));
        Some(SpecOfChanges {
            columns,
            version,
            not_compared,
        })
    }
}

struct Compiler<'d> {
    env: &'d QueryEnvInner,
    max_page: u64,
    reads: Reads,
}

impl<'d> Compiler<'d> {
    /// Compiles the fields of an object type. `part` compiles one of them, and returns None for a field that cannot be
    /// compiled.
    fn object<T: OutputType, P>(
        &mut self,
        selected: &Selected<'d>,
        type_name: impl Fn(String) -> P,
        mut part: impl FnMut(&mut Self, &Selected<'d>) -> Option<P>,
    ) -> Option<Vec<(Key, P)>> {
        let ty = T::type_name();
        let below = selected.below(self.env, &ty)?;
        if below.is_empty() {
            // The library returns null for an object whose fields are all skipped.
            return None;
        }
        let parts = below.iter().map(|field| {
            let part = if field.name == "__typename" {
                type_name(ty.to_string())
            } else {
                part(self, field)?
            };
            let mut key = Vec::with_capacity(field.key.len() + 3);
            push_string(&mut key, field.key);
            key.push(b':');
            Some((key, part))
        });
        parts.collect()
    }

    fn list<T: OutputType>(
        &mut self,
        selected: &Selected<'d>,
        counted: bool,
        node: impl Fn(&mut Self, &Selected<'d>) -> Option<Object>,
    ) -> Option<List> {
        self.object::<Connection<T>, _>(selected, ListPart::TypeName, |this, field| {
            Some(match field.name {
                "edges" => ListPart::Edges(this.object::<Edge<T>, _>(
                    field,
                    EdgePart::TypeName,
                    |this, field| match field.name {
                        "cursor" => Some(EdgePart::Cursor),
                        "node" => Some(EdgePart::Node(node(this, field)?)),
                        _ => None,
                    },
                )?),
                "nodes" => ListPart::Nodes(node(this, field)?),
                "pageInfo" => ListPart::PageInfo(this.page_info(field)?),
                "totalCount" if counted => {
                    this.reads.counts = true;
                    ListPart::Total
                }
                _ => return None,
            })
        })
    }

    fn page_info(&mut self, selected: &Selected<'d>) -> Option<Vec<(Key, PagePart)>> {
        self.object::<PageInfo, _>(selected, PagePart::TypeName, |_, field| match field.name {
            "hasNextPage" => Some(PagePart::HasNext),
            "hasPreviousPage" => Some(PagePart::HasPrevious),
            "startCursor" => Some(PagePart::Start),
            "endCursor" => Some(PagePart::End),
            _ => None,
        })
    }

    fn drift(&mut self, selected: &Selected<'d>) -> Option<Object> {
        self.object::<Drift, _>(selected, Part::TypeName, |this, field| {
            Some(match field.name {
                "resource" => Part::Same(this.resource(field)?),
                "changes" => Part::Changes(this.changes(field)?),
                "expected" => Part::Side(entity::cloud_drift::Column::Expected as usize),
                "actual" => Part::Side(entity::cloud_drift::Column::Actual as usize),
                "redacted" => Part::Redacted,
                "address" => {
                    this.reads.address = true;
                    Part::Address
                }
                "terraformLines" => {
                    this.reads.address = true;
                    Part::TerraformLines
                }
                "changesTruncated" => {
                    this.reads.changes = true;
                    Part::ChangesTruncated
                }
                name => {
                    let (column, form) = fields::of_drift(name)?;
                    Part::Cell(column as usize, form)
                }
            })
        })
    }

    fn changes(&mut self, selected: &Selected<'d>) -> Option<Vec<(Key, ChangePart)>> {
        self.reads.changes = true;
        self.object::<ValueChange, _>(selected, ChangePart::TypeName, |_, field| {
            Some(match field.name {
                "path" => ChangePart::Path,
                "line" => ChangePart::Line,
                "kind" => ChangePart::Kind,
                "before" => ChangePart::Before,
                "after" => ChangePart::After,
                _ => return None,
            })
        })
    }

    fn resource(&mut self, selected: &Selected<'d>) -> Option<Object> {
        place_of(&mut self.reads.resource, resource::Column::Id, |column| {
            column as usize
        });
        self.object::<Resource, _>(selected, Part::TypeName, |this, field| match field.name {
            "provisioned" => Some(Part::Spec(this.spec(field)?)),
            "events" => this.events(field),
            name => {
                let (column, form) = fields::of_resource(name)?;
                let place = place_of(&mut this.reads.resource, column, |column| column as usize);
                Some(Part::Cell(DRIFT_CELLS + place, form))
            }
        })
    }

    fn spec(&mut self, selected: &Selected<'d>) -> Option<Object> {
        let key = || vec![cloud_provisioned::Column::ResourceId];
        self.reads.spec.get_or_insert_with(key);
        self.object::<ProvisionedSpec, _>(selected, Part::TypeName, |this, field| match field.name {
            "source" => Some(Part::Same(this.source(field)?)),
            name => this.spec_cell(fields::of_spec(name)?),
        })
    }

    fn source(&mut self, selected: &Selected<'d>) -> Option<Object> {
        self.object::<SpecSource, _>(selected, Part::TypeName, |this, field| {
            this.spec_cell(fields::of_source(field.name)?)
        })
    }

    fn spec_cell(&mut self, (column, form): (cloud_provisioned::Column, Form)) -> Option<Part> {
        let columns = self.reads.spec.as_mut()?;
        let place = place_of(columns, column, |column| column as usize);
        Some(Part::Cell(place, form))
    }

    fn events(&mut self, selected: &Selected<'d>) -> Option<Part> {
        let mut limit = DEFAULT_PAGE.min(self.max_page);
        for (name, value) in selected.arguments(self.env)? {
            match (name, value) {
                (_, Value::Null) => {}
                ("first", Value::Number(first)) => {
                    limit = first.as_u64().filter(|first| *first <= self.max_page)?;
                }
                _ => return None,
            }
        }
        let number = self.reads.events.len();
        self.reads.events.push(EventList {
            limit,
            columns: vec![event::Column::OccurredAt, event::Column::Id],
        });
        let list = self.list::<ResourceEvent>(selected, false, |this, field| this.event(field, number))?;
        Some(Part::Events(number, list))
    }

    fn event(&mut self, selected: &Selected<'d>, list: usize) -> Option<Object> {
        self.object::<ResourceEvent, _>(selected, Part::TypeName, |this, field| {
            let (column, form) = fields::of_event(field.name)?;
            let columns = &mut this.reads.events.get_mut(list)?.columns;
            let place = place_of(columns, column, |column| column as usize);
            Some(Part::Cell(place, form))
        })
    }
}

/// Returns the position of a column in a list. Appends it first if it is missing.
fn place_of<C: Copy>(columns: &mut Vec<C>, column: C, number: impl Fn(C) -> usize) -> usize {
    let same = |other: &C| number(*other) == number(column);
    columns.iter().position(same).unwrap_or_else(|| {
        columns.push(column);
        columns.len() - 1
    })
}
