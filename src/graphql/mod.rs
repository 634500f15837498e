//! The GraphQL edge: parse, call one service, map. No rules and no SQL here.

pub mod bounds;
pub mod codes;
mod cost;
pub mod edge;
pub mod error;
mod fragments;
mod guard;
mod input;
mod loader;
mod mutation;
mod nulls;
pub mod operation;
mod order;
mod query;
pub mod scan;
mod subscription;
mod typename;
mod types;
mod values;

use std::sync::{Arc, Mutex};

use async_graphql::futures_util::StreamExt as _;
use async_graphql::futures_util::stream::{self, BoxStream};
use async_graphql::{Context, Request, Response, SDLExportOptions, Schema};
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use self::bounds::Bounds;
use crate::app::App;
use crate::domain::actor::Actor;
use crate::error::{Error, Result};

/// The schema of this server.
pub type AppSchema = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// The schema over `app`, held to `bounds`.
pub fn schema(app: App, bounds: &Bounds, introspection: bool) -> AppSchema {
    edge::guarded(builder(), bounds, introspection)
        .data(loader::OfNews::new(app.db().reader().clone()))
        .data(app)
        .data(bounds.clone())
        .finish()
}

/// What the schema says of times, in the place of the library's own words.
const DATE_TIME: &str = "A time in UTC, as RFC 3339 text with at most microseconds: `2026-11-25T10:00:00.123456Z`. \
                         Other offsets are read as well.";

/// The printed schema: what `schema.graphql` holds. Needs no database.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    builder().finish().sdl_with_options(options)
}

fn builder() -> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, subscription::Subscription> {
    Schema::build(query::Query, mutation::Mutation, subscription::Subscription)
        .register_output_type::<types::Node>()
        .override_output_type_description::<DateTime<Utc>>(DATE_TIME)
}

/// Executes a request of this caller, or of nobody.
pub async fn execute(schema: &AppSchema, app: &App, caller: Option<Actor>, request: Request) -> Response {
    let (loaders, driver) = loader::of_request(app.db().reader().clone());
    let request = request.data(loader::Current::new(loaders));
    let request = match caller {
        Some(actor) => request.data(actor),
        None => request,
    };
    driver.drive(schema.execute(request)).await
}

/// Starts a subscription of this caller, or of nobody. It has begun, or failed, when this returns: what is
/// committed from then on is in the stream.
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
        // Without a word it has ended, and the stream says how.
        _ = has_begun => answers,
    }
}

/// Hears when a subscription has begun.
struct Begun(Mutex<Option<oneshot::Sender<()>>>);

fn app<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    ctx.data::<App>().map_err(|error| Error::Internal(error.message))
}

fn max_page(ctx: &Context<'_>) -> Result<u64> {
    ctx.data::<Bounds>()
        .map(|bounds| bounds.max_page)
        .map_err(|error| Error::Internal(error.message))
}

fn loaders(ctx: &Context<'_>) -> Result<Arc<loader::Loaders>> {
    ctx.data::<Arc<loader::Current>>()
        .map(|current| current.get())
        .map_err(|error| Error::Internal(error.message))
}
