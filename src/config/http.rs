//! Settings of the HTTP server.

use std::net::SocketAddr;

use clap::{ArgAction, Args};
use graphql_server::transport::{origin::Origin, socket_settings::SocketSettings};

use super::limits::{CallerLimitArgs, LimitArgs};
use super::parsers::switch;
use crate::graphql::api_limits::ApiLimits;

/// Settings of the HTTP server and its API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP server")]
pub(crate) struct HttpArgs {
    /// Address and port to listen on; port 0 selects a free one
    #[arg(
        long,
        env = "DRIFT_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8080"
    )]
    #[arg(value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Address and port for Prometheus, which needs no token: keep it from users. Without it, there are no metrics
    #[arg(long, env = "DRIFT_METRICS_LISTEN", value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Allow introspection of the GraphQL schema
    #[arg(
        long,
        env = "DRIFT_INTROSPECTION",
        value_name = "on|off",
        default_value = "on"
    )]
    #[arg(value_parser = switch(), action = ArgAction::Set, hide_possible_values = true)]
    pub(crate) introspection: bool,
    /// Other origins whose pages may open a WebSocket, such as `https://ops.example.com`
    #[arg(
        long,
        env = "DRIFT_ALLOWED_ORIGINS",
        value_name = "ORIGIN,...",
        value_delimiter = ','
    )]
    #[arg(value_parser = |text: &str| Origin::parse(text.trim()))]
    allowed_origins: Vec<Origin>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    callers: CallerLimitArgs,
}

impl HttpArgs {
    /// Returns the limits of requests and callers.
    pub(crate) fn limits(&self) -> ApiLimits {
        ApiLimits {
            callers: self.callers.limits(),
            ..self.limits.limits()
        }
    }

    /// Returns whether only this machine can reach the server.
    pub(crate) fn is_local(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Returns the settings of sockets.
    pub(crate) fn sockets(&self) -> SocketSettings {
        SocketSettings {
            allowed_origins: self.allowed_origins.clone(),
            allowed_origins_setting: "DRIFT_ALLOWED_ORIGINS",
            ..SocketSettings::default()
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "not an IP address with a port, such as 127.0.0.1:8080")
}
