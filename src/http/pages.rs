//! Pages for people.

use axum::response::Redirect;

/// To where people can work.
pub(super) async fn home() -> Redirect {
    Redirect::temporary("/graphiql")
}
