//! `healthcheck`: asks the server of this machine whether it answers. Images without a shell have no other program that
//! could ask.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Response, redirect};

use super::{Failure, Outcome, plain, print_line};
use crate::config::{BadSetting, ListenArgs};

/// Maximum time of the whole check. The readiness check of the server answers within 2 seconds.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum number of bytes of an answer that are shown.
const SHOWN: usize = 1024;

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct HealthcheckArgs {
    /// Ask whether the server can do its work, database included, and not only whether it answers
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    listen: ListenArgs,
}

pub(super) async fn run(args: &HealthcheckArgs) -> Outcome {
    let Some(address) = args.listen.reachable() else {
        let why = "port 0 is no port that can be asked: set the port on which the server listens";
        return Err(BadSetting::new("DRIFT_LISTEN", why).into());
    };
    let path = if args.ready { "readyz" } else { "healthz" };
    let url = format!("http://{address}/{path}");
    match tokio::time::timeout(TIMEOUT, asked(&url)).await {
        Ok(Ok(answer)) => {
            print_line(answer)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(why)) => Err(Failure::Failed(format!("{url}: {why}"))),
        Err(_) => Err(Failure::Failed(format!("{url}: no answer within {TIMEOUT:?}"))),
    }
}

/// Requests the address and returns the text of the answer.
///
/// # Errors
/// The server cannot be reached, or its status is not 200.
async fn asked(url: &str) -> Result<String, String> {
    // The address has no TLS and is on this machine: no certificates are loaded, and no proxy or redirect is followed.
    let client = Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .map_err(shown)?;
    let answer = client.get(url).send().await.map_err(shown)?;
    let status = answer.status();
    let text = beginning(answer).await?;
    if status.as_u16() == 200 {
        Ok(text)
    } else {
        Err(format!("status {status}: {text}"))
    }
}

/// Reads the beginning of an answer, because another program may listen there.
async fn beginning(mut answer: Response) -> Result<String, String> {
    let mut read = Vec::new();
    while read.len() < SHOWN
        && let Some(chunk) = answer.chunk().await.map_err(shown)?
    {
        read.extend_from_slice(&chunk);
    }
    read.truncate(SHOWN);
    Ok(plain(&String::from_utf8_lossy(&read)))
}

/// Describes an error with its causes. The address is not repeated.
fn shown(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
