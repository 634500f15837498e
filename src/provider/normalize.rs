//! One form for each value that DigitalOcean writes in several forms. Desired and live values get the same form, so
//! that they can be compared exactly.

/// Lower case, sorted, each once: the cloud does not tell tags apart by case.
pub fn tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(slug).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// The tags of a cluster or a node pool that operators chose: Kubernetes and Terraform add their own.
pub(crate) fn kubernetes_tags<'t>(all: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut chosen = tags(all);
    chosen.retain(|tag| tag != "k8s" && !tag.starts_with("k8s:") && !tag.starts_with("terraform:"));
    chosen
}

/// A slug in lower case.
pub fn slug(text: &str) -> String {
    text.to_lowercase()
}

/// Ports of a firewall rule: `all` has three spellings, and ICMP has no ports.
pub fn ports(protocol: &str, ports: &str) -> Option<String> {
    match (protocol, ports) {
        ("icmp", _) => None,
        (_, "" | "0" | "all") => Some("all".to_owned()),
        (_, range) => Some(range.to_owned()),
    }
}

/// The name of a DNS record, relative to its domain: `@` for the domain itself.
pub(crate) fn record_name(name: &str, domain: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    let domain = domain.trim_end_matches('.').to_lowercase();
    if name.is_empty() || name == "@" || name == domain {
        return "@".to_owned();
    }
    let relative = name.strip_suffix(&domain).and_then(|rest| rest.strip_suffix('.'));
    relative.unwrap_or(&name).to_owned()
}

/// The data of a DNS record: names without the dot at their end and in lower case, addresses in their short
/// form, and `@` written out.
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

/// An hour of the day with its seconds: `13:00` is `13:00:00`.
pub fn hour(text: &str) -> String {
    match text.matches(':').count() {
        1 => format!("{text}:00"),
        _ => text.to_owned(),
    }
}

/// The engine of a database: Redis is sold as Valkey.
pub fn engine(text: &str) -> String {
    match text {
        "redis" => "valkey".to_owned(),
        engine => slug(engine),
    }
}

/// What a project is for. DigitalOcean's API reference, "Projects": a purpose of one's own is kept as
/// `Other: PURPOSE`.
pub fn purpose(text: &str) -> &str {
    text.strip_prefix("Other: ").unwrap_or(text)
}

/// A word with a capital letter, as the API writes the environment of a project.
pub(crate) fn capitalised(word: &str) -> String {
    let word = word.to_lowercase();
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// An address without the user and password that some put into one.
pub(crate) fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

/// The size of a load balancer: the number of its nodes, also where an old slug stands for it.
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
    fn spellings_of_one_thing_become_one() {
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
