//! `demo`: a sample account with drift in it, on a database that is gone when it ends.

use std::sync::Arc;

use entity::cloud_resources as resources;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Failure, Outcome, connect, say, serve, table};
use crate::app::{App, JobRequest};
use crate::auth::{NewToken, issue};
use crate::clock::Clock;
use crate::config::{DatabaseConfig, HttpArgs, TokenArgs, TokenConfig};
use crate::error::Error;
use crate::http::Edge;
use crate::provider::file::InventoryFile;
use crate::scheduler::Schedules;
use crate::services::inventory::SyncOptions;
use crate::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};

/// What the sample account has.
const INVENTORY: &str = include_str!("sample/inventory.json");
/// What somebody asked for.
const SPECS: &str = include_str!("sample/specs.json");
/// Who asked.
const OPERATOR: &str = "demo@example.com";
/// How long the printed token is good for.
const TOKEN_LIFE: std::time::Duration = std::time::Duration::from_secs(12 * 3600);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SampleSpec {
    kind: String,
    provider_id: String,
    spec: Value,
}

pub(super) async fn run(args: &HttpArgs) -> Outcome {
    let listener = serve::bind(args.listen()?).await?;
    // Before there is a folder to remove.
    let signals = serve::Signals::listen()?;
    let folder = tempfile::tempdir()?;
    let inventory = folder.path().join("inventory.json");
    std::fs::write(&inventory, INVENTORY)?;
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("demo.db").display());
    let db = connect(&DatabaseConfig {
        url: url.into(),
        migrate: true,
    })
    .await?;
    let app = App::new(db, Clock::System, Some(Arc::new(InventoryFile::new(&inventory))));
    app.run(JobRequest::Sync(SyncOptions::default())).await?;
    record_specs(&app).await?;
    app.run(JobRequest::detect_all()).await?;
    table::print_open(app.db(), app.clock().now()).await?;
    let config = token_config()?;
    let address = listener.local_addr()?;
    let token = token(&config, &app)?;
    say(format_args!("\nlistening on http://{address}"))?;
    say(format_args!(
        "GraphiQL, signed in as {OPERATOR}:\n  http://{address}/graphiql#token={token}"
    ))?;
    say("Ctrl-C ends the demo and removes its database.")?;
    let edge = Edge::new(
        app.clone(),
        config.verifier()?,
        args.bounds()?,
        args.introspection()?,
    );
    serve::until_signal(app, edge, listener, &Schedules::default(), signals).await
}

async fn record_specs(app: &App) -> Result<(), Failure> {
    let specs: Vec<SampleSpec> =
        serde_json::from_str(SPECS).map_err(|why| Failure::Failed(format!("sample specs: {why}")))?;
    for sample in specs {
        let resource = resources::Entity::find()
            .filter(resources::Column::Kind.eq(sample.kind))
            .filter(resources::Column::ProviderId.eq(sample.provider_id))
            .one(app.db().reader())
            .await
            .map_err(Error::from)?
            .ok_or(Error::NotFound("resource"))?;
        let record = RecordSpec {
            resource_id: resource.id,
            spec: sample.spec,
            source: SOURCE_API.to_owned(),
            expected_version: None,
        };
        record_provisioned(app.db(), OPERATOR, &record, app.clock().now()).await?;
    }
    Ok(())
}

/// Signed with a secret that nobody else ever has.
fn token_config() -> Result<TokenConfig, Failure> {
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    Ok(TokenArgs::default().with_secret(SecretString::from(secret))?)
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
