//! Normalizes values that DigitalOcean writes in several forms. Expected and live values are normalized alike, so that
//! they can be compared exactly.

/// Returns tags in lower case, sorted and without duplicates. DigitalOcean's tags are case-insensitive.
pub fn tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(slug).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Returns the tags of a cluster or node pool without those that Kubernetes and Terraform add.
pub(crate) fn kubernetes_tags<'t>(all: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut chosen = tags(all);
    chosen.retain(|tag| tag != "k8s" && !tag.starts_with("k8s:") && !tag.starts_with("terraform:"));
    chosen
}

/// Returns a slug in lower case.
pub fn slug(text: &str) -> String {
    text.to_lowercase()
}

/// Returns the ports of a firewall rule: `all` for each of its three spellings, None for ICMP, which has no ports.
pub fn ports(protocol: &str, ports: &str) -> Option<String> {
    match (protocol, ports) {
        ("icmp", _) => None,
        (_, "" | "0" | "all") => Some("all".to_owned()),
        (_, range) => Some(range.to_owned()),
    }
}

/// Returns the name of a DNS record relative to its domain. The domain itself is `@`.
pub(crate) fn record_name(name: &str, domain: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    let domain = domain.trim_end_matches('.').to_lowercase();
    if name.is_empty() || name == "@" || name == domain {
        return "@".to_owned();
    }
    let relative = name.strip_suffix(&domain).and_then(|rest| rest.strip_suffix('.'));
    relative.unwrap_or(&name).to_owned()
}

/// Returns the data of a DNS record: host names in lower case and without a trailing dot, `@` replaced by the name of
/// the domain, and IPv6 addresses in their short form.
pub(crate) fn record_data(record_type: &str, data: &str, domain: &str) -> String {
    match record_type {
        "CNAME" | "MX" | "NS" | "SRV" | "CAA" => {
            let name = data.trim_end_matches('.').to_lowercase();
            if name == "@" || (name.is_empty() && record_type != "SRV") {
                domain.trim_end_matches('.').to_lowercase()
            } else {
                name
            }
        }
        "AAAA" => data
            .parse::<std::net::Ipv6Addr>()
            .map_or_else(|_| data.to_owned(), |address| address.to_string()),
        _ => data.to_owned(),
    }
}

/// Returns a time of day with seconds: `13:00` becomes `13:00:00`.
pub fn hour(text: &str) -> String {
    match text.matches(':').count() {
        1 => format!("{text}:00"),
        _ => text.to_owned(),
    }
}

/// Returns the slug of a database engine. `redis` becomes `valkey`, because DigitalOcean sells Redis as Valkey.
pub fn engine(text: &str) -> String {
    match text {
        "redis" => "valkey".to_owned(),
        engine => slug(engine),
    }
}

/// Returns the purpose of a project without the prefix `Other: `. DigitalOcean's API reference, "Projects": a custom
/// purpose is stored as `Other: PURPOSE`.
pub fn purpose(text: &str) -> &str {
    text.strip_prefix("Other: ").unwrap_or(text)
}

/// Returns a word with an initial capital, as the API writes the environment of a project.
pub(crate) fn capitalised(word: &str) -> String {
    let word = word.to_lowercase();
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Returns a URL without user and password.
pub(crate) fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

/// Returns the size of a load balancer as its number of nodes. Known size slugs are converted.
pub(crate) fn load_balancer_size(size_unit: Option<i64>, size: Option<&str>) -> Option<String> {
    match (size_unit.filter(|unit| *unit > 0), size) {
        (Some(unit), _) => Some(unit.to_string()),
        (None, Some("lb-small")) => Some("1".to_owned()),
        (None, Some("lb-medium")) => Some("3".to_owned()),
        (None, Some("lb-large")) => Some("6".to_owned()),
        (None, size) => size.filter(|size| !size.is_empty()).map(slug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_spellings_are_normalized_to_one() {
        assert_eq!(tags(["Web", "env:PROD", "web"]), ["env:prod", "web"]);
        assert_eq!(
            kubernetes_tags(["k8s", "K8S:abc", "terraform:default-node-pool", "a"]),
            ["a"]
        );
        for all in ["0", "all", ""] {
            assert_eq!(ports("tcp", all).as_deref(), Some("all"));
            assert_eq!(ports("icmp", all), None);
        }
        assert_eq!(ports("udp", "8000-9000").as_deref(), Some("8000-9000"));
        for apex in ["@", "", "example.com", "example.com.", "EXAMPLE.com"] {
            assert_eq!(record_name(apex, "example.com"), "@");
        }
        assert_eq!(record_name("www.example.com.", "example.com"), "www");
        assert_eq!(record_name("www", "example.com"), "www");
        assert_eq!(record_name("notexample.com", "example.com"), "notexample.com");
        assert_eq!(record_data("CNAME", "@", "example.com"), "example.com");
        assert_eq!(
            record_data("NS", "ns1.DigitalOcean.com.", "example.com"),
            "ns1.digitalocean.com"
        );
        assert_eq!(record_data("SRV", ".", "example.com"), "");
        assert_eq!(record_data("TXT", "Ends with.", "example.com"), "Ends with.");
        assert_eq!(
            record_data("AAAA", "2604:A880:0:0::1", "example.com"),
            "2604:a880::1"
        );
        assert_eq!(
            (hour("13:00").as_str(), hour("08:45:12").as_str()),
            ("13:00:00", "08:45:12")
        );
        assert_eq!(engine("redis"), engine("valkey"));
        assert_eq!(purpose("Other: selling shoes"), purpose("selling shoes"));
        assert_eq!(
            without_user("https://ada:pw@example.com/@x"),
            "https://example.com/@x"
        );
        assert_eq!(without_user("10.0.0.1"), "10.0.0.1");
        assert_eq!(load_balancer_size(None, Some("lb-medium")).as_deref(), Some("3"));
        assert_eq!(
            load_balancer_size(Some(2), Some("lb-small")).as_deref(),
            Some("2")
        );
        assert_eq!(load_balancer_size(Some(0), Some("")), None);
    }
}
