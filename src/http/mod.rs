//! The HTTP server and its routes.

mod admission;
mod assets;
mod auth;
mod export;
mod graphiql;
mod health;
mod inventory;
mod metrics;
mod outage;
mod plans;
mod rest;
mod sign_in;
mod uploads;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request as GraphqlRequest, Response};
use axum::Router;
use axum::extract::MatchedPath;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};
use futures_util::stream::BoxStream;
use graphql_server::bodies::{Bodies, BodyBudgets};
use graphql_server::callers::{CallerKey, Callers};
use graphql_server::codes::code_of;
use graphql_server::kept::KeptAnswers;
use graphql_server::limits::RequestLimits;
use graphql_server::transport::graphql_api::{GraphqlApi, Unauthenticated};
use graphql_server::transport::socket_settings::SocketSettings;
use graphql_server::transport::{self, reply};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::classify::ServerErrorsFailureClass;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Authenticator, PageClient, Session};
use crate::graphql::AppSchema;
use crate::graphql::api_limits::ApiLimits;
use crate::traces;

/// The header with the id of a request. Responses and the log contain the id too.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The state that the handlers share.
#[derive(Clone)]
pub struct HttpState {
    app: App,
    schema: AppSchema,
    limits: Arc<RequestLimits>,
    sockets: Arc<SocketSettings>,
    authenticator: Arc<Authenticator>,
    page_client: Option<Arc<PageClient>>,
    kept: Arc<KeptAnswers>,
    uploads: Arc<uploads::Uploads>,
    callers: Arc<Callers>,
    bodies: Bodies,
    outage: Arc<outage::Outage>,
}

impl HttpState {
    /// Creates the state that serves `app` to callers whose credentials `authenticator` accepts.
    pub fn new(
        app: App,
        authenticator: impl Into<Authenticator>,
        limits: ApiLimits,
        introspection: bool,
    ) -> Self {
        let schema = crate::graphql::schema(app.clone(), &limits, introspection);
        Self {
            app,
            schema,
            uploads: Arc::new(uploads::Uploads::new(limits.max_uploads, limits.upload_timeout)),
            callers: Arc::new(Callers::new(limits.callers)),
            bodies: Bodies::new(BodyBudgets::with_room_for(limits.request.max_body_bytes)),
            limits: Arc::new(limits.request),
            sockets: Arc::default(),
            authenticator: Arc::new(authenticator.into()),
            page_client: None,
            kept: Arc::default(),
            outage: Arc::default(),
        }
    }

    /// Lets the page sign users in at the issuer.
    #[must_use]
    pub fn with_page_client(self, client: Option<PageClient>) -> Self {
        Self {
            page_client: client.map(Arc::new),
            ..self
        }
    }

    /// Replaces the settings of sockets.
    #[must_use]
    pub(crate) fn with_sockets(self, sockets: SocketSettings) -> Self {
        Self {
            sockets: Arc::new(sockets),
            ..self
        }
    }
}

impl GraphqlApi for HttpState {
    type Caller = Option<Session>;

    async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Self::Caller, Unauthenticated> {
        let caller = self.caller(headers, peer).await;
        caller.map_err(|_| Unauthenticated)
    }

    fn key(&self, caller: &Self::Caller, peer: Option<IpAddr>) -> CallerKey {
        match caller {
            Some(session) => CallerKey::User(session.actor.subject().to_owned()),
            None => CallerKey::of_address(peer),
        }
    }

    fn callers(&self) -> &Callers {
        &self.callers
    }

    fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    async fn execute(&self, caller: Self::Caller, mut request: GraphqlRequest) -> Response {
        let actor = caller.map(|session| session.actor);
        // Clients without a token could make up any number of names.
        let operation = match actor {
            Some(_) => operation_name(&mut request),
            None => Some("anonymous".to_owned()),
        };
        let span = traces::of_operation(operation.as_deref().unwrap_or("unnamed"));
        let answer = crate::graphql::execute(&self.schema, &self.app, actor, request);
        let answer = answer.instrument(span.clone()).await;
        let code = answer
            .errors
            .first()
            .map(|error| code_of(error).unwrap_or("none"));
        if let Some(code) = code {
            traces::refused(&span, code);
        }
        match code {
            Some(why @ ("DATABASE_BUSY" | "DATABASE_READ_ONLY")) => self.outage.failed(why, Instant::now()),
            _ => self.outage.worked(Instant::now()),
        }
        let operation = operation.as_deref().unwrap_or("unnamed");
        self.app.metrics().executed(operation, code.unwrap_or("OK"));
        answer
    }

    async fn subscribe(&self, caller: Self::Caller, request: GraphqlRequest) -> BoxStream<'static, Response> {
        let actor = caller.map(|session| session.actor);
        crate::graphql::subscribe(&self.schema, &self.app, actor, request).await
    }

    fn expired(&self, caller: &Self::Caller) -> impl Future<Output = ()> + Send + 'static {
        let clock = self.app.clock().clone();
        let ends = caller.as_ref().map(|session| session.ends);
        async move {
            match ends {
                Some(ends) => clock.wait_until(ends).await,
                None => std::future::pending().await,
            }
        }
    }

    fn kept(&self) -> Option<&KeptAnswers> {
        Some(&self.kept)
    }

    /// Callers with the same roles get the same answers. Callers without a token get none.
    fn scope(&self, caller: &Self::Caller) -> Option<String> {
        let roles = caller.as_ref()?.actor.roles();
        Some(
            roles
                .iter()
                .map(|role| role.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    async fn version(&self) -> Option<String> {
        let version = self.app.db().content_version().await;
        let message = "the version of the contents cannot be read";
        match version {
            Ok(version) => version,
            // Each request would have a line, and fails next.
            Err(error) if error.is_outage() => {
                tracing::debug!(%error, message);
                None
            }
            Err(error) => {
                tracing::warn!(%error, message);
                None
            }
        }
    }

    fn limits(&self) -> &RequestLimits {
        &self.limits
    }

    fn sockets(&self) -> &SocketSettings {
        &self.sockets
    }
}

/// Returns the name of the operation that a request executes.
fn operation_name(request: &mut GraphqlRequest) -> Option<String> {
    if let Some(name) = &request.operation_name {
        return Some(name.clone());
    }
    // The transport has parsed the document already.
    let document = request.parsed_query().ok()?;
    let (name, _) = document.operations.iter().next()?;
    name.map(ToString::to_string)
}

pub use self::metrics::router as metrics_router;

/// Returns all routes.
pub fn router(state: HttpState) -> Router {
    // Requests to these routes are counted for their callers.
    let counted = Router::new()
        .route("/api/v1/drift", get(rest::list_drift))
        .route("/api/v1/drift/{id}/accept", post(rest::accept_drift))
        .route("/export/drifts.csv", get(export::csv))
        .route("/export/drifts.json", get(export::json))
        .route("/api/v1/plans/{state}", post(plans::import))
        .route("/api/v1/inventory/{source}", post(inventory::store))
        .method_not_allowed_fallback(rest::method_not_allowed)
        // It answers every method itself.
        .route("/graphql", transport::route(state.clone()))
        .layer(from_fn_with_state(state.clone(), admission::admit));
    let routes = Router::new()
        .route("/", get(assets::page))
        .route("/sign-in.json", get(sign_in::show))
        .route("/web/{*name}", get(assets::asset))
        .route("/operations/{name}", get(assets::operation))
        .route("/graphiql", get(graphiql::page))
        .route("/graphiql/{part}", get(graphiql::part))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(rest::method_not_allowed)
        .merge(counted)
        .fallback(rest::not_found)
        .layer(from_fn_with_state(state.clone(), metrics::count))
        .with_state(state);
    with_layers(routes)
}

/// Adds the layers for all routes. The last layer is the outermost, so it also applies to the responses of the others.
fn with_layers(routes: Router) -> Router {
    routes
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(reply::panicked))
        .layer(map_response(nosniff))
        // Within the span of the log, so that statements belong to the span of the trace.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(traced)
                .on_request(())
                .on_body_chunk(())
                .on_eos(())
                .on_failure(())
                .on_response(
                    |response: &axum::response::Response, _latency: Duration, span: &tracing::Span| {
                        traces::answered(span, response);
                    },
                ),
        )
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(DefaultOnResponse::new().level(tracing::Level::INFO))
                .on_failure(response_failed),
        )
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}

/// Logs a failed response. Responses with the status 503 or 504 have reasons that are logged elsewhere, and there may be
/// hundreds of them in a second.
fn response_failed(failure: ServerErrorsFailureClass, latency: Duration, _: &tracing::Span) {
    let is_known = matches!(
        failure,
        ServerErrorsFailureClass::StatusCode(StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
    );
    if is_known {
        tracing::debug!(classification = %failure, ?latency, "response failed");
    } else {
        tracing::error!(classification = %failure, ?latency, "response failed");
    }
}

/// Prevents browsers from guessing a media type other than the declared one.
async fn nosniff(mut response: axum::response::Response) -> axum::response::Response {
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Creates the span of a request for the trace.
fn traced(request: &Request<axum::body::Body>) -> tracing::Span {
    traces::of_request(request.method(), &path_without_text(request), request.headers())
}

/// Returns the path of a request without text of the caller.
fn path_without_text(request: &Request<axum::body::Body>) -> String {
    let route = request.extensions().get::<MatchedPath>();
    route.map_or_else(
        || "(unknown)".to_owned(),
        |route| logged_path(route.as_str(), request.uri().path()),
    )
}

/// Creates the span of a request for the log. It contains the path without the query string, which may contain a document
/// and its values, and without text of the caller, which may be a token in the wrong place.
fn span(request: &Request<axum::body::Body>) -> tracing::Span {
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok());
    tracing::info_span!("http", method = %request.method(), path = path_without_text(request), request_id = id)
}

/// Returns the route of a request, with the ids of the path. Other parts that the caller chooses stay names in braces.
fn logged_path(route: &str, path: &str) -> String {
    let parts = route.split('/').zip(path.split('/')).map(|(part, sent)| {
        let is_id = part.starts_with('{') && Uuid::try_parse(sent).is_ok();
        if is_id { sent } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use axum::body::Body;
    use tower::ServiceExt as _;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    /// The log of the current thread.
    #[derive(Clone, Default)]
    pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// Captures the log until the guard is dropped.
        pub(super) fn start() -> (Self, DefaultGuard) {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish();
            (log, tracing::subscriber::set_default(subscriber))
        }

        pub(super) fn lines(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_logged_path_has_ids_and_no_other_text_of_the_caller() {
        let id = "01899d3c-5e1a-7cc0-8000-0123456789ab";
        let route = "/api/v1/drift/{id}/accept";
        assert_eq!(
            logged_path(route, &format!("/api/v1/drift/{id}/accept")),
            format!("/api/v1/drift/{id}/accept")
        );
        assert_eq!(logged_path(route, "/api/v1/drift/eyJhbGci/accept"), route);
        assert_eq!(logged_path("/web/{*name}", "/web/a/b"), "/web/{*name}");
        assert_eq!(logged_path("/", "/"), "/");
    }

    #[tokio::test]
    async fn only_unexpected_failures_are_errors_in_the_log() {
        let (log, guard) = Log::start();
        let fail = |status: StatusCode| get(async move || status);
        let routes = Router::new()
            .route("/busy", fail(StatusCode::SERVICE_UNAVAILABLE))
            .route("/slow", fail(StatusCode::GATEWAY_TIMEOUT))
            .route("/broken", fail(StatusCode::INTERNAL_SERVER_ERROR));
        for (path, times) in [("/busy", 20), ("/slow", 20), ("/broken", 1)] {
            for _ in 0..times {
                let request = Request::get(path).body(Body::empty()).unwrap();
                with_layers(routes.clone()).oneshot(request).await.unwrap();
            }
        }
        drop(guard);
        let lines = log.lines();
        let errors: Vec<_> = lines
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("WARN"))
            .collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains("/broken") && errors[0].contains("500"),
            "{errors:?}"
        );
    }

    #[tokio::test]
    async fn the_response_after_a_panic_has_every_header() {
        let routes = Router::new().route("/", get(|| async { panic!("on purpose") as () }));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = with_layers(routes).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(response.headers().contains_key("x-request-id"));
    }
}
