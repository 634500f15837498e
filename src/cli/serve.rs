//! `serve`: the HTTP server and the schedules, until a signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, Outcome, ServeArgs, connect, inventory};
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
    let inventory = inventory(&args.inventory)?;
    if inventory.is_none() && schedules.sync.take().is_some() {
        tracing::warn!(
            "neither DIGITALOCEAN_TOKEN nor DRIFT_INVENTORY_FILE is set: the inventory is not synced"
        );
    }
    let app = App::new(connect(&database).await?, Clock::System, inventory);
    let edge = Edge::new(app.clone(), verifier, bounds, introspection);
    let listener = bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    until_signal(app, edge, listener, &schedules).await
}

pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await;
    listener.map_err(|why| Failure::Failed(format!("DRIFT_LISTEN: cannot listen on {listen}: {why}")))
}

/// Serves until SIGINT or SIGTERM, then ends what is under way, within bounds.
pub(super) async fn until_signal(
    app: App,
    edge: Edge,
    listener: TcpListener,
    schedules: &Schedules,
) -> Outcome {
    let stop = CancellationToken::new();
    let scheduler = Scheduler::start(&app, schedules)
        .await
        .map_err(|why| Failure::Failed(why.to_string()))?;
    let http = tokio::spawn(server::serve(listener, router(edge), stop.clone(), DRAIN));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    if let Err(error) = scheduler.stop().await {
        tracing::warn!(%error, "the scheduler did not stop");
    }
    let (drained, _) = tokio::join!(app.drain(DRAIN), http);
    drained?;
    Ok(ExitCode::SUCCESS)
}
