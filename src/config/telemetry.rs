//! Settings of the log and of traces.

use std::collections::HashMap;
use std::net::IpAddr;

use axum::http::{HeaderName, HeaderValue};
use clap::Args;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};

use super::{BadSetting, LogFormat, Result, secrets};

const HEADING: &str = "Logs and traces";

/// Settings of the log and of traces.
#[derive(Args, Clone, Debug)]
pub(crate) struct TelemetryArgs {
    /// Format of the log
    #[arg(long, global = true, env = "DRIFT_LOG_FORMAT", value_name = "FORMAT", help_heading = HEADING)]
    #[arg(value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// OpenTelemetry collector that gets traces by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(long, global = true, env = "DRIFT_OTLP_ENDPOINT", value_name = "URL", help_heading = HEADING)]
    #[arg(value_parser = Collector::parse)]
    otlp_endpoint: Option<Collector>,
    /// Share of the traces that are sent, from 0 to 1
    #[arg(long, global = true, env = "DRIFT_OTLP_SHARE", value_name = "SHARE", help_heading = HEADING)]
    #[arg(default_value = "1", value_parser = share)]
    otlp_share: f64,
}

/// The address of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collector(reqwest::Url);

impl Collector {
    fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let url =
            reqwest::Url::parse(text.trim()).map_err(|_| "not an address such as http://127.0.0.1:4318")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("not an address such as http://127.0.0.1:4318");
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(
                "must have no user, password, query or fragment; use DRIFT_OTLP_HEADERS for a secret",
            );
        }
        Ok(Self(url))
    }

    /// Returns the address that traces are sent to.
    fn traces(&self) -> String {
        format!("{}/v1/traces", self.0.as_str().trim_end_matches('/'))
    }
}

/// Where and how traces are sent.
#[derive(Clone, Debug)]
pub(crate) struct TraceSettings {
    /// The address of the collector for traces.
    pub(crate) address: String,
    /// Headers of each request to the collector. They may contain secrets.
    pub(crate) headers: TraceHeaders,
    /// Share of the traces that are sent, from 0 to 1.
    pub(crate) share: f64,
}

/// Headers that may contain secrets.
#[derive(Clone, Default)]
pub(crate) struct TraceHeaders(pub(crate) HashMap<String, String>);

impl std::fmt::Debug for TraceHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl TelemetryArgs {
    /// Returns where traces are sent; `None` if they are not.
    ///
    /// # Errors
    /// The headers are not valid, need a collector, or would be sent without encryption.
    pub(crate) fn traces(&self) -> Result<Option<TraceSettings>> {
        let name = "DRIFT_OTLP_HEADERS";
        let headers = secrets::DRIFT_OTLP_HEADERS.read()?;
        let Some(collector) = &self.otlp_endpoint else {
            return match headers {
                Some(_) => Err(BadSetting::new(name, "needs DRIFT_OTLP_ENDPOINT")),
                None => Ok(None),
            };
        };
        if headers.is_some() && !is_private(&collector.0) {
            return Err(BadSetting::new(
                name,
                "needs https: without it, the headers are sent unencrypted",
            ));
        }
        let headers = match headers {
            Some(text) => parsed(&text).map_err(|why| BadSetting::new(name, why))?,
            None => TraceHeaders::default(),
        };
        Ok(Some(TraceSettings {
            address: collector.traces(),
            headers,
            share: self.otlp_share,
        }))
    }
}

/// Returns whether requests to the address are encrypted or stay on this machine.
fn is_private(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme() == "https" || host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Parses headers as OpenTelemetry writes them: `name=value,name=value`, with percent-encoded values.
fn parsed(text: &SecretString) -> std::result::Result<TraceHeaders, &'static str> {
    const FORM: &str = "is not of the form NAME=VALUE,NAME=VALUE";
    let mut headers = HashMap::new();
    for part in text
        .expose_secret()
        .split(',')
        .filter(|part| !part.trim().is_empty())
    {
        let (name, value) = part.split_once('=').ok_or(FORM)?;
        let name: HeaderName = name.trim().parse().map_err(|_| FORM)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| FORM)?;
        HeaderValue::from_str(&value).map_err(|_| FORM)?;
        headers.insert(name.to_string(), value.into_owned());
    }
    if headers.is_empty() {
        return Err(FORM);
    }
    Ok(TraceHeaders(headers))
}

fn share(text: &str) -> std::result::Result<f64, &'static str> {
    let share: f64 = text.trim().parse().map_err(|_| "not a number from 0 to 1")?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("not a number from 0 to 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        let read = |text: &str| parsed(&text.to_owned().into());
        let good = read("Authorization=Basic%20YTpi=, x-scope=ops").unwrap();
        assert_eq!(good.0["authorization"], "Basic YTpi=");
        assert_eq!(good.0["x-scope"], "ops");
        let shown = format!("{good:?}");
        assert!(
            shown.contains("authorization") && !shown.contains("YTpi"),
            "{shown}"
        );
        for bad in ["", ",", "secret", "a b=c", "a=b%0Ac", "a=%ff"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_collectors_are_checked() {
        for (address, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            (
                "https://otlp.example.com/otlp/",
                "https://otlp.example.com/otlp/v1/traces",
            ),
        ] {
            assert_eq!(Collector::parse(address).unwrap().traces(), traces);
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "grpc://a:4317",
            "https://u:p@a",
            "https://a/?t=b",
            "https://a/#b",
        ] {
            assert!(Collector::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "-0.1", "1.1", "NaN", "all"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
