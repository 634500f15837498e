//! Settings of notifications.

use clap::Args;
use reqwest::Url;

use crate::outgoing::{Outgoing, OutgoingSettings, PrivateTargets};

/// Settings of notifications. The targets are in the database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Notifications")]
pub(crate) struct NotifyArgs {
    /// Targets that may have a private address or use http: refuse for none, allow for all, or a list of hosts
    #[arg(
        long,
        env = "DRIFT_NOTIFY_PRIVATE",
        value_name = "refuse|allow|HOST,...",
        default_value = "refuse"
    )]
    #[arg(value_parser = PrivateTargets::parse)]
    notify_private: PrivateTargets,
    /// Address of the page, such as `https://drift.example.com`, for links in notifications; without it they have none
    #[arg(long, env = "DRIFT_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
}

impl NotifyArgs {
    /// Returns whether the page is reached by https, which only a proxy in front of the server can offer.
    pub(crate) fn is_public_by_https(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }

    /// Creates the sender of requests.
    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing::new(OutgoingSettings {
            private: self.notify_private.clone(),
            public_url: self.public_url.clone(),
        })
    }
}

fn public_url(text: &str) -> Result<String, &'static str> {
    const WHY: &str = "not the address of a page, such as https://drift.example.com";
    let url = Url::parse(text.trim()).map_err(|_| WHY)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "https" | "http") || !is_plain || url.fragment().is_some() {
        return Err(WHY);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
