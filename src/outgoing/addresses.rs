//! Which IP addresses requests may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a target is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refused: the address of the host is private, local or reserved. An operator can permit the host with \
     DRIFT_NOTIFY_PRIVATE"
)]
pub(super) struct Refused;

/// Which targets may have addresses that are not public, or use http.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateTargets {
    /// None.
    #[default]
    Refuse,
    /// All.
    Allow,
    /// These hosts, in lower case.
    Hosts(Vec<String>),
}

impl PrivateTargets {
    /// Parses the setting: `refuse`, `allow`, or a list of hosts.
    ///
    /// # Errors
    ///
    /// A host is empty or contains a character that no host has.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "refuse" => return Ok(Self::Refuse),
            "allow" => return Ok(Self::Allow),
            _ => {}
        }
        let hosts = text.split(',').map(|host| {
            let host = host.trim().to_ascii_lowercase();
            let is_valid = |letter: char| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter);
            if host.is_empty() || !host.chars().all(is_valid) {
                return Err(format!(
                    "{host:?} is not a host: write refuse, allow, or HOST,..."
                ));
            }
            Ok(host)
        });
        hosts.collect::<Result<_, _>>().map(Self::Hosts)
    }

    /// Returns whether the host may have any address.
    pub(super) fn allows(&self, host: &str) -> bool {
        match self {
            Self::Refuse => false,
            Self::Allow => true,
            // In an address, brackets surround an IPv6 host. In the setting they are optional.
            Self::Hosts(hosts) => {
                let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
                hosts.iter().any(|allowed| bare(allowed) == bare(host))
            }
        }
    }
}

/// Returns whether an address is public: not private, local, shared, reserved, of the metadata service of a cloud, nor a
/// form of IPv6 that contains such an address.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_reserved = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        198 => (18..20).contains(&b) || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_reserved
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let parts = ip.segments();
    // An IPv4 address that a gateway translates (NAT64).
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is global; in it, protocols (with Teredo), documentation and 6to4 are not.
    match parts {
        [0x2001, second, ..] => second >= 0x0200 && second != 0x0db8,
        [0x2002, ..] => false,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}
