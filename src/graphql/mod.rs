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
mod query;
pub mod scan;
mod typename;
mod types;
mod values;

use async_graphql::{Context, EmptySubscription, Request, Response, SDLExportOptions, Schema};

use self::bounds::Bounds;
use crate::app::App;
use crate::domain::actor::Actor;
use crate::error::{Error, Result};

/// The schema of this server.
pub type AppSchema = Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// The schema over `app`, held to `bounds`.
pub fn schema(app: App, bounds: &Bounds, introspection: bool) -> AppSchema {
    edge::guarded(builder(), bounds, introspection)
        .data(app)
        .data(bounds.clone())
        .finish()
}

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

fn builder() -> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, EmptySubscription> {
    Schema::build(query::Query, mutation::Mutation, EmptySubscription).register_output_type::<types::Node>()
}

/// Executes a request of this caller, or of nobody.
pub async fn execute(schema: &AppSchema, app: &App, caller: Option<Actor>, request: Request) -> Response {
    let (loaders, driver) = loader::of_request(app.db().reader().clone());
    let request = request.data(loaders);
    let request = match caller {
        Some(actor) => request.data(actor),
        None => request,
    };
    driver.drive(schema.execute(request)).await
}

fn app<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    ctx.data::<App>().map_err(|error| Error::Internal(error.message))
}

fn max_page(ctx: &Context<'_>) -> Result<u64> {
    ctx.data::<Bounds>()
        .map(|bounds| bounds.max_page)
        .map_err(|error| Error::Internal(error.message))
}

fn loaders<'c>(ctx: &Context<'c>) -> Result<&'c loader::Loaders> {
    ctx.data::<loader::Loaders>()
        .map_err(|error| Error::Internal(error.message))
}
