//! The GraphQL API: resolvers parse their input, call one service and map the result. They contain no rules and no SQL.

pub mod api_limits;
mod arguments;
mod bulks;
mod drifts;
mod error;
mod guard;
mod ignore_rules;
mod imports;
mod jobs;
mod leftovers;
mod loader;
mod members;
mod mutation;
mod notifications;
mod query;
mod resources;
mod revert;
mod reverting;
mod saved_views;
mod severity;
mod sources;
mod specs;
mod subscription;
mod types;
mod undo;
mod written;

use std::sync::{Arc, Mutex};

use async_graphql::futures_util::StreamExt as _;
use async_graphql::futures_util::stream::{self, BoxStream};
use async_graphql::{Context, MergedObject, Request, Response, SDLExportOptions, Schema};
use chrono::{DateTime, Utc};
use graphql_server::extension::{Anonymous, guarded};
use tokio::sync::oneshot;

use self::api_limits::ApiLimits;
use crate::app::App;
use crate::domain::actor::Actor;
use crate::error::{Error, Result};

/// The schema of this server.
pub(crate) type AppSchema = Schema<Query, Mutation, subscription::Subscription>;

/// Read operations. They require the role `platform_viewer` or `platform_admin`.
#[derive(Default, MergedObject)]
pub struct Query(
    query::CoreQuery,
    bulks::BulkQuery,
    drifts::DriftQuery,
    jobs::JobQuery,
    notifications::NotificationQuery,
    resources::ResourceQuery,
    sources::SourceQuery,
    specs::SpecQuery,
    ignore_rules::IgnoreRuleQuery,
    severity::SeverityQuery,
    saved_views::SavedViewQuery,
    revert::RevertQuery,
    leftovers::LeftoverQuery,
);

/// Write operations. They require the role `platform_admin`, except for the saved views of the caller.
#[derive(Default, MergedObject)]
pub struct Mutation(
    bulks::BulkMutation,
    drifts::DriftMutation,
    imports::ImportMutation,
    members::MemberMutation,
    jobs::JobMutation,
    notifications::NotificationMutation,
    resources::ResourceMutation,
    reverting::RevertingMutation,
    sources::SourceMutation,
    specs::SpecMutation,
    ignore_rules::IgnoreRuleMutation,
    undo::UndoMutation,
    saved_views::SavedViewMutation,
);

/// Builds the schema that serves `app` within `limits`.
pub fn schema(app: App, limits: &ApiLimits, introspection: bool) -> AppSchema {
    guarded(builder(), &limits.request, introspection)
        .data(loader::BatchLoaders::new(app.db().reader().clone()))
        .data(app)
        .data(limits.clone())
        .finish()
}

/// The description of the scalar `DateTime`, which replaces that of async-graphql.
const DATE_TIME: &str = "A time in UTC in RFC 3339 format, with a precision of at most microseconds: \
                         `2026-11-25T10:00:00.123456Z`. Input may have any offset.";

/// Returns the schema in SDL, as in `schema.graphql`. It needs no database.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    builder().finish().sdl_with_options(options)
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, subscription::Subscription> {
    Schema::build(Query::default(), Mutation::default(), subscription::Subscription)
        .register_output_type::<types::Node>()
        .override_output_type_description::<DateTime<Utc>>(DATE_TIME)
}

/// Executes a request. `caller` is `None` if the request is not authenticated.
pub async fn execute(schema: &AppSchema, app: &App, caller: Option<Actor>, request: Request) -> Response {
    let (loaders, driver) = loader::of_request(app.db().reader().clone());
    let request = request.data(loader::Current::new(loaders));
    let request = match caller {
        Some(actor) => request.data(actor),
        None => request.data(Anonymous),
    };
    driver.drive(schema.execute(request)).await
}

/// Starts a subscription. `caller` is `None` if the request is not authenticated. When this returns, the subscription
/// has begun or failed, and the stream contains every change that is committed from then on.
pub async fn subscribe(
    schema: &AppSchema,
    app: &App,
    caller: Option<Actor>,
    request: Request,
) -> BoxStream<'static, Response> {
    let (begun, has_begun) = oneshot::channel();
    let (loaders, _) = loader::of_request(app.db().reader().clone());
    let request = request
        .data(loader::Current::new(loaders))
        .data(Begun(Mutex::new(Some(begun))));
    let request = match caller {
        Some(actor) => request.data(actor),
        None => request,
    };
    let mut answers = schema.execute_stream(request);
    tokio::select! {
        biased;
        first = answers.next() => stream::iter(first).chain(answers).boxed(),
        // The sender is also dropped when the subscription ends; the stream then has the reason.
        _ = has_begun => answers,
    }
}

/// The sender of the signal that a subscription has begun.
struct Begun(Mutex<Option<oneshot::Sender<()>>>);

fn app<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    ctx.data::<App>().map_err(|error| Error::Internal(error.message))
}

fn max_page(ctx: &Context<'_>) -> Result<u64> {
    ctx.data::<ApiLimits>()
        .map(|limits| limits.max_page)
        .map_err(|error| Error::Internal(error.message))
}

fn loaders(ctx: &Context<'_>) -> Result<Arc<loader::Loaders>> {
    ctx.data::<Arc<loader::Current>>()
        .map(|current| current.get())
        .map_err(|error| Error::Internal(error.message))
}
