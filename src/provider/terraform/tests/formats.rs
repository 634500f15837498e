use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn instances_that_do_not_count_are_skipped_and_counted() {
    let with = |mut resource: Value, change: fn(&mut Value)| {
        change(&mut resource);
        resource
    };
    let droplet =
        |name: &str, id: Value| resource("digitalocean_droplet", name, json!({"id": id, "name": name}));
    let resources = vec![
        with(droplet("data", json!("1")), |r| r["mode"] = "data".into()),
        with(droplet("tainted", json!("2")), |r| {
            r["instances"][0]["status"] = "tainted".into()
        }),
        with(droplet("deposed", json!("3")), |r| {
            r["instances"][0]["deposed"] = "abcd".into()
        }),
        with(droplet("foreign", json!("4")), |r| {
            r["provider"] = "provider[\"registry.terraform.io/hashicorp/aws\"]".into();
        }),
        droplet("failed", json!(null)),
        resource("digitalocean_ssh_key", "key", json!({"id": "5"})),
        with(droplet("tofu", json!("6")), |r| {
            r["provider"] =
                "module.a.provider[\"registry.opentofu.org/digitalocean/digitalocean\"].west".into();
            r["module"] = "module.a[\"x\"]".into();
            r["instances"][0]["index_key"] = "k\"1".into();
        }),
        with(droplet("counted", json!("7")), |r| {
            r["instances"][0]["index_key"] = 2.into()
        }),
    ];
    let state = parse_value(file(resources)).unwrap();
    assert_eq!((state.lineage.as_deref(), state.serial), (Some("l-1"), Some(3)));
    let addresses: Vec<&str> = state.desired.iter().map(|d| d.address.as_str()).collect();
    assert_eq!(
        addresses,
        [
            "module.a[\"x\"].digitalocean_droplet.tofu[\"k\\\"1\"]",
            "digitalocean_droplet.counted[2]"
        ]
    );
    let expected = Skipped {
        data: 1,
        tainted: 1,
        deposed: 1,
        foreign: 1,
        without_id: 1,
        unattached: 0,
        unsupported: BTreeMap::from([("digitalocean_ssh_key".to_owned(), 1)]),
    };
    assert_eq!(state.skipped, expected);
    let held: Vec<(&str, Option<&str>)> = state
        .held
        .iter()
        .map(|held| (held.provider_id.as_str(), held.fault.as_deref()))
        .collect();
    assert_eq!(held, [("2", None)]);
}

#[test]
fn two_addresses_of_one_resource_are_one_if_they_agree() {
    let web = |size: &str| {
        (
            "digitalocean_droplet",
            json!({"id": "1", "name": "web", "size": size}),
        )
    };
    assert_eq!(state([web("s-1"), web("s-1")]).desired.len(), 1);
    let torn = state([web("s-1"), web("s-2")]);
    assert!(torn.desired.is_empty());
    assert_eq!(
        torn.held[0].fault.as_deref(),
        Some("digitalocean_droplet.r0 asks for something else")
    );
}

#[test]
fn show_json_says_the_same_as_the_state() {
    let droplet = |name: &str, id: &str| {
        json!({
            "address": format!("digitalocean_droplet.{name}"), "mode": "managed", "type": "digitalocean_droplet", "name": name,
            "provider_name": "registry.opentofu.org/digitalocean/digitalocean", "schema_version": 1,
            "values": {"id": id, "name": name}, "sensitive_values": {"tags": []},
        })
    };
    let mut tainted = droplet("tainted", "2");
    tainted["tainted"] = true.into();
    let mut deposed = droplet("deposed", "3");
    deposed["deposed_key"] = "abcd".into();
    let mut data = droplet("data", "4");
    data["mode"] = "data".into();
    let shown = json!({
        "format_version": "1.0", "terraform_version": "1.11.4",
        "values": {"outputs": {"p": {"value": "s3cret"}}, "root_module": {
            "resources": [droplet("web", "1"), tainted, deposed, data],
            "child_modules": [{"address": "module.a", "child_modules": [{"resources": [droplet("deep", "5")]}]}],
        }},
    });
    let state = parse(shown.to_string().as_bytes()).unwrap();
    assert_eq!((state.lineage, state.serial), (None, None));
    let ids: Vec<&str> = state.desired.iter().map(|d| d.provider_id.as_str()).collect();
    assert_eq!(ids, ["1", "5"]);
    let skipped = &state.skipped;
    assert_eq!((skipped.tainted, skipped.deposed, skipped.data), (1, 1, 1));
    assert!(parse(br#"{"format_version": "1.0"}"#).unwrap().desired.is_empty());
}

#[test]
fn what_is_no_state_is_refused_in_one_line_that_quotes_nothing() {
    assert_eq!(why(""), "the file is empty");
    let whole = file(vec![resource("digitalocean_droplet", "a", json!({"id": "1"}))]).to_string();
    assert!(why(&whole[..whole.len() / 2]).contains("cut off"));
    assert!(why("resource \"digitalocean_droplet\" \"web\" {").contains("no JSON"));
    assert!(why("[1]").contains("no Terraform state"));
    assert!(why("{\"a\": 1}").contains("no Terraform state"));
    assert!(why("{\"version\": 3, \"serial\": 1, \"modules\": []}").contains("version 3"));
    assert!(why("{\"version\": 5}").contains("version 5"));
    assert!(why("{\"version\": \"4\"}").contains("no number"));
    assert!(why("{\"version\": 4}").contains("no whole state"));
    assert!(why("{\"format_version\": \"2.0\"}").contains("not known"));
    assert!(
        why("{\"meta\": {}, \"encrypted_data\": \"abc\", \"encryption_version\": \"v0\"}")
            .contains("encrypted")
    );
    assert!(why("{\"format_version\": \"1.2\", \"planned_values\": {}}").contains("plan"));
    let wrong = file(vec![
        json!({"type": "digitalocean_droplet", "name": "a", "instances": "s3cret"}),
    ]);
    let told = why(&wrong.to_string());
    assert!(
        told.contains("another type") && !told.contains("s3cret"),
        "{told}"
    );
    assert!(!parse_value(wrong).unwrap_err().to_string().contains("s3cret"));
    let deep = format!("{{\"version\":{}", "[".repeat(100_000));
    assert!(why(&deep).contains("line 1"));
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z@.:0-9]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every attribute that any type has.
const ATTRIBUTES: [&str; 24] = [
    "id",
    "name",
    "region",
    "size",
    "tags",
    "droplet_ids",
    "volume_ids",
    "rule",
    "inbound_rule",
    "outbound_rule",
    "forwarding_rule",
    "healthcheck",
    "sticky_sessions",
    "firewall",
    "domains",
    "glb_settings",
    "node_pool",
    "spec",
    "type",
    "value",
    "domain",
    "cluster_id",
    "ip_address",
    "droplet_id",
];

/// Every type that has a kind.
const TYPES: [&str; 12] = [
    "digitalocean_droplet",
    "digitalocean_volume",
    "digitalocean_volume_attachment",
    "digitalocean_loadbalancer",
    "digitalocean_database_cluster",
    "digitalocean_database_firewall",
    "digitalocean_firewall",
    "digitalocean_record",
    "digitalocean_kubernetes_cluster",
    "digitalocean_app",
    "digitalocean_project",
    "digitalocean_reserved_ip",
];

proptest! {
    #[test]
    fn no_attribute_of_any_shape_is_too_much(
        type_name in prop::sample::select(TYPES.to_vec()),
        attributes in prop::collection::btree_map(prop::sample::select(ATTRIBUTES.to_vec()), anything(), 0..12),
    ) {
        let attributes: Map<String, Value> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let file = file(vec![resource(type_name, "r", attributes.into())]);
        let text = file.to_string();
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), parse_value(file).unwrap());
    }
}
