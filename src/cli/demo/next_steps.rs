//! The instructions that the demo prints after its start.

use std::io::{Result, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anstyle::Style;
use entity::{cloud_drift, cloud_resources};
use serde_json::json;

use crate::cli::values;
use crate::domain::changes::changes_of;
use crate::provider::traits::MEMBER_NAMES;

const ACCEPT: &str = "mutation ($input: AcceptDriftInput!) { acceptDrift(input: $input) { \
    drift { field status resolvedBy } provisioned { specVersion } } }";

/// The address of the demo, its user, and the drift in the example of an accept.
pub(super) struct NextSteps<'a> {
    pub(super) address: SocketAddr,
    pub(super) operator: &'a str,
    pub(super) token: &'a str,
    pub(super) drift: &'a cloud_drift::Model,
    pub(super) resource: &'a cloud_resources::Model,
}

impl NextSteps<'_> {
    /// Writes the instructions.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<()> {
        let (server, bold) = (self.server(), Style::new().bold());
        writeln!(
            out,
            "{bold}Open the inbox{bold:#}, signed in as {}. The page links to GraphiQL:\n",
            self.operator
        )?;
        writeln!(out, "  {server}/#token={}\n", self.token)?;
        let (drift, resource) = (self.drift, self.resource);
        let (expected, actual) = values::columns(drift, &changes_of(drift, None, &MEMBER_NAMES));
        writeln!(
            out,
            "{bold}Accept a drift{bold:#}, such as this one of the {} {}:\n",
            resource.kind, resource.name
        )?;
        writeln!(out, "  {}: expected {expected}, live {actual}", drift.field)?;
        writeln!(out, "  drift {}, revision {}\n", drift.id, drift.revision)?;
        writeln!(out, "{}\n", self.curl(&server))
    }

    fn curl(&self, server: &str) -> String {
        let body = json!({
            "query": ACCEPT,
            "variables": { "input": {
                "driftId": self.drift.id,
                "revision": self.drift.revision,
                "note": "resized on purpose",
            } },
        });
        let argument = |text: String| format!("'{}'", text.replace('\'', r"'\''"));
        let arguments = [
            format!("curl -sS {server}/graphql"),
            format!("-H {}", argument("Content-Type: application/json".to_owned())),
            format!("-H {}", argument(format!("Authorization: Bearer {}", self.token))),
            format!("-d {}", argument(body.to_string())),
        ];
        arguments.join(" \\\n  ")
    }

    /// Returns the server's address for clients on this machine: the unspecified address cannot be used as a
    /// destination.
    fn server(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }
}
