//! `demo`: a sample account with a month of history, in a database that is deleted at the end.

mod account;
mod history;
mod live;
mod next_steps;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::account::{Account, Changes, Suggested};
use self::next_steps::NextSteps;
use super::args::DemoArgs;
use super::serve::{self, Signals};
use super::{Failure, Outcome, connect, table};
use crate::app::App;
use crate::auth::{NewToken, issue};
use crate::clock::Clock;
use crate::config::{DatabaseConfig, TokenConfig};
use crate::db::WaitLimits;
use crate::error::Error;
use crate::jobs::JobRequest;
use crate::provider::{InventoryProvider, file::InventoryFile};
use crate::services::inbox::{self, DriftFilter};
use crate::services::inventory::SyncOptions;
use crate::services::resources::{self, ResourceFilter};

/// The user of the demo.
const OPERATOR: &str = "you@example.com";
/// How long the printed token is valid.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);

pub(super) async fn run(args: &DemoArgs) -> Outcome {
    // From here on, a signal does not end the process, so that the temporary files are deleted.
    let mut signals = Signals::new()?.or_hangup()?;
    let listener = bind(args).await?;
    let folder = tempfile::Builder::new().prefix("drift-inbox-demo-").tempdir()?;
    let changes = Changes::read()?;
    let mut account = Account::create(folder.path())?;
    let app = prepare(folder.path(), &mut account, &changes).await?;
    let config = token_config();
    let token = token(&config, &app)?;
    introduce(&app, &listener, &changes.suggested, &token).await?;
    let state = serve::http_state(&app, config.verifier()?, &args.http);
    let live = args
        .live
        .map(|every| tokio::spawn(live::run(app.clone(), account, changes.live, every)));
    let stop = async {
        signals.received().await;
        if let Some(live) = live {
            live.abort();
            _ = live.await;
        }
    };
    let ended = serve::until(stop, app.clone(), state, listener).await;
    app.db().clone().close().await?;
    folder.close()?;
    ended
}

/// Binds the configured address. If none is configured, binds the default port, or a free port if that is in use.
async fn bind(args: &DemoArgs) -> Result<TcpListener, Failure> {
    let address = args.http.listen();
    if !args.any_port {
        return serve::bind(address).await;
    }
    match TcpListener::bind(address).await {
        Err(why) if why.kind() == ErrorKind::AddrInUse => {
            eprintln!("port {} is in use: using another one", address.port());
            serve::bind((address.ip(), 0).into()).await
        }
        Ok(listener) => Ok(listener),
        Err(_) => serve::bind(address).await,
    }
}

/// Creates the database with the history of the account up to now.
async fn prepare(folder: &Path, account: &mut Account, changes: &Changes) -> Result<App, Failure> {
    let url = format!("sqlite://{}?mode=rwc", folder.join("demo.db").display());
    let db = connect(&DatabaseConfig::migrated(url.into())).await?;
    let inventory: Arc<dyn InventoryProvider> = Arc::new(InventoryFile::new(account.file()));
    history::play(&db, Arc::clone(&inventory), account, &changes.history).await?;
    let app = App::new(
        db.with_wait_limits(WaitLimits::REQUEST),
        Clock::System,
        Some(inventory),
    );
    history::run(&app, JobRequest::Sync(SyncOptions::default())).await?;
    history::run(&app, JobRequest::detect_all()).await?;
    Ok(app)
}

async fn introduce(
    app: &App,
    listener: &TcpListener,
    suggested: &Suggested,
    token: &str,
) -> Result<(), Failure> {
    let (mut out, reader, address) = (anstream::stdout(), app.db().reader(), listener.local_addr()?);
    let all = resources::count(reader, &present(None)).await?;
    let managed = resources::count(reader, &present(Some(true))).await?;
    let open = inbox::count(reader, &DriftFilter::default()).await?;
    writeln!(
        out,
        "Sample account: {all} resources, {managed} with a spec, {open} open drifts:\n"
    )?;
    table::print_open(&mut out, app.db(), app.clock().now()).await?;
    writeln!(out, "\nlistening on http://{address}\n")?;
    let drift = history::open_drift(app.db(), &suggested.target, &suggested.field).await?;
    let resource = resources::by_ids(reader, &[drift.resource_id]).await?;
    let steps = NextSteps {
        address,
        operator: OPERATOR,
        token,
        drift: &drift,
        resource: resource.first().ok_or(Error::NotFound("resource"))?,
    };
    steps.write(&mut out)?;
    writeln!(out, "Press Ctrl-C to end the demo and delete its files.")?;
    Ok(out.flush()?)
}

fn present(managed: Option<bool>) -> ResourceFilter {
    ResourceFilter {
        gone: Some(false),
        managed,
        ..ResourceFilter::default()
    }
}

/// Creates the configuration of tokens, with a random secret that is used by this process only.
fn token_config() -> TokenConfig {
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    TokenConfig::with_secret(SecretString::from(secret))
}

fn token(config: &TokenConfig, app: &App) -> Result<String, Failure> {
    let new = NewToken {
        subject: OPERATOR.to_owned(),
        email: Some(OPERATOR.to_owned()),
        roles: vec!["platform_admin".to_owned()],
        ttl: TOKEN_LIFE,
    };
    let now = app.clock().now();
    let token = issue(
        &config.secret,
        &config.issuer,
        &config.audience,
        &config.roles_claim,
        new,
        now,
    );
    token.map_err(|why| Failure::Failed(why.to_string()))
}
