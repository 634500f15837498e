//! Decoder of `attributes_flat`, the format of attributes in Terraform 0.11. Later versions keep it until the instance
//! is refreshed. All values are strings, and the keys are paths: `tags.#` is the number of tags, `tags.2577471110` is
//! a tag, `labels.%` is the number of labels, and `rule.0.port` is a value in a block.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value};

/// Names of boolean attributes. No imported type has a string attribute with such a name.
const FLAGS: [&str; 30] = [
    "auto_scale",
    "auto_upgrade",
    "backups",
    "default",
    "deploy_on_push",
    "disable_lets_encrypt_dns_records",
    "disabled",
    "droplet_agent",
    "enable_backend_keepalive",
    "enable_proxy_protocol",
    "enabled",
    "graceful_shutdown",
    "ha",
    "is_default",
    "is_enabled",
    "is_managed",
    "locked",
    "monitoring",
    "preserve_path_prefix",
    "private_networking",
    "production",
    "public",
    "public_networking",
    "redirect_http_to_https",
    "registry_integration",
    "required",
    "resize_disk",
    "surge_upgrade",
    "tls_passthrough",
    "wildcard",
];

/// Names of numeric attributes. No imported type has a string attribute with such a name.
const NUMBERS: [&str; 37] = [
    "actual_node_count",
    "check_interval_seconds",
    "cookie_ttl_seconds",
    "disk",
    "entry_port",
    "failover_threshold",
    "failure_threshold",
    "flags",
    "healthy_threshold",
    "http_idle_timeout_seconds",
    "http_port",
    "image_id",
    "initial_delay_seconds",
    "instance_count",
    "max_instance_count",
    "max_nodes",
    "memory",
    "min_disk_size",
    "min_instance_count",
    "min_nodes",
    "node_count",
    "percent",
    "period_seconds",
    "port",
    "price_hourly",
    "price_monthly",
    "priority",
    "response_timeout_seconds",
    "scale_down_utilization_threshold",
    "size_unit",
    "success_threshold",
    "target_port",
    "timeout_seconds",
    "ttl",
    "unhealthy_threshold",
    "vcpus",
    "weight",
];

/// Names of lists and sets of numbers.
const LISTS_OF_NUMBERS: [&str; 4] = [
    "destination_droplet_ids",
    "droplet_ids",
    "internal_ports",
    "source_droplet_ids",
];

/// Decodes flat attributes.
///
/// # Errors
/// Returns a message that names the attribute with a shape that Terraform does not write.
pub(super) fn decode(type_name: &str, flat: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let texts: Option<BTreeMap<&str, &str>> = flat
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect();
    let texts = texts.ok_or_else(|| "contains a value that is not a string".to_owned())?;
    let reader = Reader { type_name, texts };
    reader.block("")
}

struct Reader<'a> {
    type_name: &'a str,
    texts: BTreeMap<&'a str, &'a str>,
}

impl Reader<'_> {
    /// Decodes the attributes whose keys start with `prefix`, which is empty or ends with a dot.
    fn block(&self, prefix: &str) -> Result<Map<String, Value>, String> {
        let mut names: Vec<&str> = self.after(prefix).map(head).collect();
        names.dedup();
        let mut block = Map::new();
        for name in names {
            block.insert(name.to_owned(), self.attribute(prefix, name)?);
        }
        Ok(block)
    }

    fn attribute(&self, prefix: &str, name: &str) -> Result<Value, String> {
        let path = format!("{prefix}{name}");
        let below = format!("{path}.");
        let misshapen = || format!("{path} is neither a value nor a list nor a map");
        if let Some(text) = self.texts.get(path.as_str()) {
            return match self.after(&below).next() {
                None => self
                    .scalar(name, text)
                    .ok_or_else(|| format!("{path} has another type")),
                Some(_) => Err(misshapen()),
            };
        }
        if let Some(count) = self.texts.get(format!("{below}#").as_str()) {
            return self.list(name, &below, count);
        }
        match self.texts.get(format!("{below}%").as_str()) {
            Some(count) => self.map(&below, count),
            None => Err(misshapen()),
        }
    }

    /// Decodes a list or a set. The key of a member is its position in a list, or its hash in a set.
    fn list(&self, name: &str, below: &str, count: &str) -> Result<Value, String> {
        let mut members: Vec<&str> = self.after(below).filter(|rest| *rest != "#").map(head).collect();
        members.dedup();
        let mut numbered: Vec<(u64, &str)> = members
            .into_iter()
            // If a member was unknown when the state was written, its hash starts with `~`.
            .map(|member| {
                Ok((
                    member
                        .trim_start_matches('~')
                        .parse()
                        .map_err(|_| misplaced(below))?,
                    member,
                ))
            })
            .collect::<Result<_, String>>()?;
        numbered.sort_unstable();
        let values: Vec<Value> = numbered
            .into_iter()
            .map(|(_, member)| self.member(name, below, member))
            .collect::<Result<_, _>>()?;
        if count.parse() == Ok(values.len()) {
            Ok(values.into())
        } else {
            Err(miscounted(below))
        }
    }

    fn member(&self, name: &str, below: &str, member: &str) -> Result<Value, String> {
        let path = format!("{below}{member}");
        match self.texts.get(path.as_str()) {
            Some(text) if LISTS_OF_NUMBERS.contains(&name) => {
                number(text).ok_or_else(|| format!("{path} is not a number"))
            }
            Some(text) => Ok((*text).into()),
            None => Ok(self.block(&format!("{path}."))?.into()),
        }
    }

    /// Decodes a map of strings. The rest of a path after the prefix is one key, even if it contains dots.
    fn map(&self, below: &str, count: &str) -> Result<Value, String> {
        let map: Map<String, Value> = self
            .after(below)
            .filter(|key| *key != "%")
            .filter_map(|key| {
                Some((
                    key.to_owned(),
                    (*self.texts.get(format!("{below}{key}").as_str())?).into(),
                ))
            })
            .collect();
        if count.parse() == Ok(map.len()) {
            Ok(map.into())
        } else {
            Err(miscounted(below))
        }
    }

    /// Converts a string to the attribute's type, or returns None. An empty string is an unset boolean or number.
    fn scalar(&self, name: &str, text: &str) -> Option<Value> {
        let is_flag = FLAGS.contains(&name) || self.of_droplet(name, "ipv6");
        let is_number = NUMBERS.contains(&name) || self.is_size(name) || self.is_droplet(name);
        match text {
            "" if is_flag || is_number => Some(Value::Null),
            "true" | "1" if is_flag => Some(true.into()),
            "false" | "0" if is_flag => Some(false.into()),
            _ if is_flag => None,
            _ if is_number => number(text),
            _ => Some(text.into()),
        }
    }

    fn of_droplet(&self, name: &str, wanted: &str) -> bool {
        name == wanted && self.type_name == "digitalocean_droplet"
    }

    fn is_size(&self, name: &str) -> bool {
        let types = [
            "digitalocean_volume",
            "digitalocean_droplet_snapshot",
            "digitalocean_volume_snapshot",
        ];
        name == "size" && types.contains(&self.type_name)
    }

    fn is_droplet(&self, name: &str) -> bool {
        name == "droplet_id" && self.type_name != "digitalocean_droplet_snapshot"
    }

    /// Returns all keys that start with `prefix`, in order and without the prefix.
    fn after<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = &'s str> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.texts.range::<str, _>(from).map(|(key, _)| *key);
        keys.map_while(move |key| key.strip_prefix(prefix))
    }
}

/// Returns the first step of a path.
fn head(path: &str) -> &str {
    path.split_once('.').map_or(path, |(head, _)| head)
}

fn number(text: &str) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(number @ Value::Number(_)) => Some(number),
        _ => None,
    }
}

fn misplaced(below: &str) -> String {
    format!("{} has a member without an index", below.trim_end_matches('.'))
}

fn miscounted(below: &str) -> String {
    format!(
        "{} has another number of members than its count",
        below.trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(type_name: &str, flat: Value) -> Result<Value, String> {
        decode(type_name, flat.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn flat_attributes_are_decoded_into_nested_ones() {
        let flat = json!({
            "id": "101", "name": "true", "size": "s-1vcpu-1gb", "backups": "false", "ipv6": "true", "disk": "25",
            "tags.#": "2", "tags.2577471110": "web", "tags.99": "1", "volume_ids.#": "0", "user_data": null,
        });
        assert_eq!(
            decoded("digitalocean_droplet", flat),
            Ok(
                json!({"id": "101", "name": "true", "size": "s-1vcpu-1gb", "backups": false, "ipv6": true, "disk": 25,
                "tags": ["1", "web"], "volume_ids": []})
            )
        );
        let flat = json!({
            "id": "fw", "droplet_ids.#": "1", "droplet_ids.7": "7", "inbound_rule.#": "1",
            "inbound_rule.123.protocol": "tcp", "inbound_rule.123.source_addresses.#": "2",
            "inbound_rule.123.source_addresses.0": "::/0", "inbound_rule.123.source_addresses.1": "0.0.0.0/0",
        });
        assert_eq!(
            decoded("digitalocean_firewall", flat),
            Ok(json!({"id": "fw", "droplet_ids": [7],
                "inbound_rule": [{"protocol": "tcp", "source_addresses": ["::/0", "0.0.0.0/0"]}]}))
        );
        let flat = json!({"node_pool.#": "1", "node_pool.0.auto_scale": "", "node_pool.0.labels.%": "1",
            "node_pool.0.labels.example.com/team": "web", "node_pool.0.size": "s-2"});
        assert_eq!(
            decoded("digitalocean_kubernetes_cluster", flat),
            Ok(
                json!({"node_pool": [{"auto_scale": null, "labels": {"example.com/team": "web"}, "size": "s-2"}]})
            )
        );
        assert_eq!(
            decoded(
                "digitalocean_volume",
                json!({"size": "100", "droplet_ids.#": "0"})
            ),
            Ok(json!({"size": 100, "droplet_ids": []}))
        );
        let many = Map::from_iter((0..12).map(|n| (format!("rule.{n}"), n.to_string().into())));
        let mut many = Value::Object(many);
        many["rule.#"] = "12".into();
        let numbered: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(decoded("digitalocean_app", many), Ok(json!({"rule": numbered})));
    }

    #[test]
    fn string_attributes_are_not_converted_to_booleans_or_null() {
        let flat =
            json!({"name": "0", "image": "1", "region": "", "backups": "0", "monitoring": "1", "disk": ""});
        assert_eq!(
            decoded("digitalocean_droplet", flat),
            Ok(
                json!({"name": "0", "image": "1", "region": "", "backups": false, "monitoring": true, "disk": null})
            )
        );
    }

    #[test]
    fn an_invalid_flat_attribute_is_refused_by_name() {
        for (flat, named) in [
            (json!({"tags.#": "2", "tags.1": "a"}), "tags"),
            (json!({"tags.1": "a"}), "tags"),
            (json!({"tags.#": "1", "tags.x": "a"}), "tags"),
            (json!({"tags": "a", "tags.#": "1"}), "tags"),
            (json!({"labels.%": "2", "labels.a": "b"}), "labels"),
            (json!({"backups": "maybe"}), "backups"),
            (json!({"ttl": "long"}), "ttl"),
            (json!({"rule.#": "1", "rule.0.port.x": "1"}), "rule.0.port"),
            (json!({"id": 1}), "not a string"),
        ] {
            let why = decoded("digitalocean_droplet", flat.clone()).unwrap_err();
            assert!(why.contains(named), "{flat}: {why}");
        }
    }
}
