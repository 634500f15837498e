//! Pages of drifts that are written as JSON text straight from the rows.
//!
//! The executor of the library costs a boxed future and a value for each field of each row. Most queries for drifts
//! select only stored columns of drifts, resources, events and specs, and the changes of drifts. For these, the
//! selection is compiled, only the selected columns are read, and the rows are written as text. Other selections are
//! resolved as usual, with the same answer, except for a row with a column that does not decode: the resolvers always
//! leave it out, a written page only if that column is selected.

mod below;
mod changes;
mod fields;
mod plan;
mod selection;
mod write;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{Context, ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use entity::cloud_drift;
use graphql_server::json_text::json_text;
use graphql_server::kept::depends_on_contents_only;

use self::below::Below;
use self::plan::Plan;
use self::write::Writer;
use super::types::{Connection, Drift};
use crate::error::Result;
use crate::services::inbox::{self, DriftFilter};
use crate::services::page::{Order, PageRequest};

/// A page of drifts.
pub(super) enum DriftList {
    /// Rows for the resolvers.
    Rows(Box<Connection<Drift>>),
    /// The answer as JSON text.
    Written(Value),
}

impl OutputType for DriftList {
    fn type_name() -> std::borrow::Cow<'static, str> {
        Connection::<Drift>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Connection::<Drift>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match self {
            Self::Rows(rows) => rows.resolve(ctx, field).await,
            Self::Written(text) => Ok(text.clone()),
        }
    }
}

/// The arguments of the list.
pub(super) struct Wanted<'w> {
    pub(super) filter: &'w DriftFilter,
    pub(super) order: Order<cloud_drift::Column>,
    /// Name of the order in cursors.
    pub(super) order_name: &'static str,
    pub(super) request: &'w PageRequest,
}

/// Writes a page of drifts. Returns None if the selection must be resolved by the resolvers.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid; the database is unavailable.
pub(super) async fn drifts(ctx: &Context<'_>, wanted: &Wanted<'_>) -> Result<Option<DriftList>> {
    let Some(plan) = Plan::of(ctx, super::max_page(ctx)?) else {
        return Ok(None);
    };
    let reader = super::app(ctx)?.db().reader();
    let columns = (plan.resource_columns(), plan.reads_address());
    let page = inbox::list_cells(reader, wanted.filter, wanted.order, wanted.request, columns).await?;
    let below = match Below::read(reader, &plan, &page, wanted.filter).await {
        Ok(Some(below)) => below,
        Ok(None) => return Ok(None),
        Err(error) => {
            // The error must have the path of the nested field, which only the resolvers add.
            tracing::debug!(%error, "cannot read what belongs to a page of drifts: trying it field by field");
            return Ok(None);
        }
    };
    let text = Writer::new(&below).written(&plan, &page, wanted.order_name)?;
    depends_on_contents_only(ctx);
    Ok(Some(DriftList::Written(json_text(text))))
}
