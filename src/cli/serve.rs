//! `serve`: runs the HTTP server and the schedules until a signal arrives.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future;
use graphql_server::transport::server;
use sea_orm::DbBackend;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::args::ServeArgs;
use super::{Failure, Outcome, configured, connect, print_line};
use crate::app::App;
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::HttpArgs;
use crate::db::Db;
use crate::http::{HttpState, metrics_router, router};
use crate::scheduler::Scheduler;
use crate::traces;

/// Maximum time for jobs and requests to end after a signal. The process ends within 10 seconds.
const DRAIN: Duration = Duration::from_secs(8);
/// Maximum number of connections to the metrics.
const METRICS_CONNECTIONS: usize = 32;

/// Warning of a server that other machines reach without encryption.
pub(super) const EXPOSED: &str = "DRIFT_LISTEN is not a loopback address, and the server speaks HTTP without TLS: tokens \
    can be read on the network. Put a proxy with TLS in front, and set DRIFT_PUBLIC_URL to its https address";

/// Runs the server. If it `is_traced`, its statements are sent as parts of traces.
pub(super) async fn run(args: &ServeArgs, is_traced: bool) -> Outcome {
    let mut signals = Signals::new()?;
    let (database, authenticator) = (args.database.resolve()?, args.sign_in.resolve()?);
    let page_client = args.sign_in.page_client()?;
    let mut schedules = args.schedule.schedules(args.retention.retention());
    let sources = configured(&args.inventory)?;
    args.inventory.check_all_selected()?;
    if sources.listed.is_empty() && schedules.sync.take().is_some() && sources.sent.is_empty() {
        tracing::warn!(
            "no source is configured, so the server does not sync: set DIGITALOCEAN_TOKEN, \
             DRIFT_INVENTORY_FILE or DRIFT_SOURCES"
        );
    }
    let max_age = args.max_age.max_age(&args.schedule.sync);
    let db = connect(&database).await?.with_wait_limits(database.wait_limits);
    let db = if is_traced { with_traced_statements(db) } else { db };
    let app = App::with_sources(db, Clock::System, sources.listed, schedules, max_age)
        .with_outgoing(args.notify.outgoing());
    app.register_sources(&sources.sent).await?;
    if let Some(issuer) = authenticator.issuer().cloned() {
        tokio::spawn(async move { issuer.keep_current().await });
    }
    if !args.http.is_local() && !args.is_behind_a_proxy() {
        tracing::warn!("{EXPOSED}");
    }
    let state = http_state(&app, authenticator, &args.http).with_page_client(page_client);
    let listener = bind(args.http.listen()).await?;
    let metrics = match args.http.metrics_listen {
        Some(listen) => Some(serve_metrics(listen, state.clone()).await?),
        None => None,
    };
    print_line(format_args!("listening on http://{}", listener.local_addr()?))?;
    let ended = until(signals.received(), app, state, listener).await;
    drop(metrics);
    ended
}

/// Adds each statement of the database to the trace of the current span.
fn with_traced_statements(db: Db) -> Db {
    let system = match db.backend() {
        DbBackend::Postgres => "postgresql",
        _ => "sqlite",
    };
    db.observed(move |info| {
        traces::add_statement(system, &info.statement.sql, info.elapsed, info.failed);
    })
}

/// Serves the metrics until the returned guard is dropped.
async fn serve_metrics(listen: SocketAddr, state: HttpState) -> Result<DropGuard, Failure> {
    let listener = TcpListener::bind(listen).await;
    let listener = listener
        .map_err(|why| Failure::Failed(format!("DRIFT_METRICS_LISTEN: cannot listen on {listen}: {why}")))?;
    print_line(format_args!(
        "metrics on http://{}/metrics",
        listener.local_addr()?
    ))?;
    let stop = CancellationToken::new();
    let limits = server::ConnectionLimits {
        connections: METRICS_CONNECTIONS,
        anonymous: METRICS_CONNECTIONS / 2,
        ..server::ConnectionLimits::default()
    };
    tokio::spawn(server::serve(
        listener,
        metrics_router(state),
        stop.clone(),
        limits,
    ));
    Ok(stop.drop_guard())
}

/// Builds the state of the HTTP server.
pub(super) fn http_state(app: &App, authenticator: impl Into<Authenticator>, http: &HttpArgs) -> HttpState {
    HttpState::new(app.clone(), authenticator, http.limits(), http.introspection).with_sockets(http.sockets())
}

pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await;
    listener.map_err(|why| Failure::Failed(format!("DRIFT_LISTEN: cannot listen on {listen}: {why}")))
}

/// The signals that stop a server. Their handlers are installed at the start, because a signal without a handler ends
/// the process at once.
pub(super) struct Signals {
    any: Vec<Signal>,
}

impl Signals {
    /// Installs handlers for SIGINT and SIGTERM.
    pub(super) fn new() -> Result<Self, Failure> {
        let any = vec![signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        Ok(Self { any })
    }

    /// Also installs a handler for SIGHUP, which is sent when the terminal closes.
    pub(super) fn or_hangup(mut self) -> Result<Self, Failure> {
        self.any.push(signal(SignalKind::hangup())?);
        Ok(self)
    }

    /// Waits for one of the signals.
    pub(super) async fn received(&mut self) {
        let waiting = self.any.iter_mut().map(|signal| signal.recv().boxed());
        future::select_all(waiting).await;
    }
}

/// Serves until `stop`, then waits for active jobs and requests within the time limits.
pub(super) async fn until(
    stop: impl Future<Output = ()>,
    app: App,
    state: HttpState,
    listener: TcpListener,
) -> Outcome {
    let stopping = CancellationToken::new();
    let scheduler = Scheduler::start(&app)
        .await
        .map_err(|why| Failure::Failed(why.to_string()))?;
    let timeouts = server::ConnectionLimits {
        drain: DRAIN,
        ..server::ConnectionLimits::default()
    };
    let http = tokio::spawn(server::serve(listener, router(state), stopping.clone(), timeouts));
    stop.await;
    tracing::info!("stopping");
    stopping.cancel();
    if let Err(error) = scheduler.stop().await {
        tracing::warn!(%error, "the scheduler did not stop");
    }
    let (drained, _) = tokio::join!(app.jobs().drain(DRAIN), http);
    drained?;
    Ok(ExitCode::SUCCESS)
}
