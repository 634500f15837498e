//! `serve`: the HTTP server and the schedules, until a signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, Outcome, ServeArgs, connect, inventory, say};
use crate::app::App;
use crate::clock::Clock;
use crate::http::{Edge, router, server};
use crate::scheduler::{Scheduler, Schedules};

/// How long jobs and requests may take to end after a signal. The process is gone within 10 seconds.
const DRAIN: Duration = Duration::from_secs(8);

pub(super) async fn run(args: &ServeArgs) -> Outcome {
    let now = Clock::System.now();
    let (database, listen) = (args.database.resolve()?, args.http.listen()?);
    let (verifier, mut schedules) = (args.token.resolve()?.verifier()?, args.schedule.resolve(now)?);
    let (bounds, introspection) = (args.http.bounds()?, args.http.introspection()?);
    let inventory = inventory(&args.inventory);
    if inventory.is_none() && schedules.sync.take().is_some() {
        tracing::warn!("DRIFT_INVENTORY_FILE is not set: the inventory is not synced");
    }
    let app = App::new(connect(&database).await?, Clock::System, inventory);
    let edge = Edge::new(app.clone(), verifier, bounds, introspection);
    let listener = bind(listen).await?;
    // Before the line that tells others that the server is up.
    let signals = Signals::listen()?;
    say(format_args!("listening on http://{}", listener.local_addr()?))?;
    until_signal(app, edge, listener, &schedules, signals).await
}

/// SIGINT and SIGTERM. Before there is one of these, they end the process on the spot.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await;
    listener.map_err(|why| Failure::Failed(format!("DRIFT_LISTEN: cannot listen on {listen}: {why}")))
}

/// Serves until a signal, then ends what is under way, within bounds.
pub(super) async fn until_signal(
    app: App,
    edge: Edge,
    listener: TcpListener,
    schedules: &Schedules,
    mut signals: Signals,
) -> Outcome {
    let stop = CancellationToken::new();
    let scheduler = Scheduler::start(&app, schedules)
        .await
        .map_err(|why| Failure::Failed(why.to_string()))?;
    let limits = server::Limits {
        drain: DRAIN,
        ..server::Limits::default()
    };
    let http = tokio::spawn(server::serve(listener, router(edge), stop.clone(), limits));
    signals.any().await;
    tracing::info!("stopping");
    stop.cancel();
    if let Err(error) = scheduler.stop().await {
        tracing::warn!(%error, "the scheduler did not stop");
    }
    let (drained, _) = tokio::join!(app.drain(DRAIN), http);
    drained?;
    Ok(ExitCode::SUCCESS)
}
