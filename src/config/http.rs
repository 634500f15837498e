//! Settings of the HTTP server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::{ArgAction, Args};
use graphql_server::transport::{origin::Origin, socket_settings::SocketSettings};

use super::limits::{CallerLimitArgs, LimitArgs};
use super::parsers::switch;
use crate::graphql::api_limits::ApiLimits;

/// The address of the HTTP server.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "HTTP server")]
pub(crate) struct ListenArgs {
    /// Address and port to listen on; port 0 selects a free one
    #[arg(
        long,
        env = "DRIFT_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8080"
    )]
    #[arg(value_parser = address)]
    pub(crate) listen: SocketAddr,
}

impl ListenArgs {
    /// Returns the address at which a process of the same machine reaches the server: a server that listens on all
    /// addresses is asked on the loopback address. `None` for port 0, because the port is not known then.
    pub(crate) fn reachable(&self) -> Option<SocketAddr> {
        let ip = match self.listen.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        (self.listen.port() != 0).then(|| SocketAddr::new(ip, self.listen.port()))
    }
}

/// Settings of the HTTP server and its API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP server")]
pub(crate) struct HttpArgs {
    #[command(flatten)]
    listen: ListenArgs,
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
    /// Returns the address to listen on.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen.listen
    }

    /// Returns the limits of requests and callers.
    pub(crate) fn limits(&self) -> ApiLimits {
        ApiLimits {
            callers: self.callers.limits(),
            ..self.limits.limits()
        }
    }

    /// Returns whether only this machine can reach the server.
    pub(crate) fn is_local(&self) -> bool {
        self.listen().ip().to_canonical().is_loopback()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_reached_on_the_loopback_address() {
        let reached = |listen: &str| {
            ListenArgs {
                listen: listen.parse().unwrap(),
            }
            .reachable()
        };
        for (listen, expected) in [
            ("0.0.0.0:8080", Some("127.0.0.1:8080")),
            ("[::]:9000", Some("[::1]:9000")),
            ("192.0.2.7:80", Some("192.0.2.7:80")),
            ("127.0.0.1:0", None),
        ] {
            assert_eq!(
                reached(listen),
                expected.map(|text| text.parse().unwrap()),
                "{listen}"
            );
        }
    }
}
