use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn instances_that_are_not_imported_are_skipped_and_counted() {
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
        resource("aws_instance", "foreign", json!({"id": "4"})),
        droplet("failed", json!(null)),
        droplet("failed too", json!("")),
        resource("digitalocean_ssh_key", "key", json!({"id": "5"})),
        with(droplet("tofu", json!("6")), |r| {
            r["provider"] =
                "module.a.provider[\"registry.opentofu.org/digitalocean/digitalocean\"].west".into();
            r["module"] = "module.a[\"x\"]".into();
            r["instances"][0]["index_key"] = "k\"1".into();
        }),
        with(droplet("counted", json!("7")), |r| {
            r["module"] = "".into();
            r["instances"][0]["index_key"] = 2.into();
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
        without_id: 2,
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
fn two_addresses_of_one_resource_are_merged_if_their_specs_are_equal() {
    let web = |size: &str| {
        (
            "digitalocean_droplet",
            json!({"id": "1", "name": "web", "size": size}),
        )
    };
    assert_eq!(state([web("s-1"), web("s-1")]).desired.len(), 1);
    let conflicting = state([web("s-1"), web("s-2")]);
    assert!(conflicting.desired.is_empty());
    assert_eq!(
        conflicting.held[0].fault.as_deref(),
        Some("digitalocean_droplet.r0 declares another value")
    );
}

#[test]
fn output_of_terraform_show_is_parsed_like_a_state() {
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
fn an_invalid_state_is_refused_in_one_line_without_quoting_it() {
    assert_eq!(why(""), "the file is empty");
    let whole = file(vec![resource("digitalocean_droplet", "a", json!({"id": "1"}))]).to_string();
    assert!(why(&whole[..whole.len() / 2]).contains("incomplete"));
    assert!(why("resource \"digitalocean_droplet\" \"web\" {").contains("not JSON"));
    assert!(why("[1]").contains("not a Terraform state"));
    assert!(why("{\"a\": 1}").contains("not a Terraform state"));
    assert!(why("{\"version\": 3, \"serial\": 1, \"modules\": []}").contains("version 3"));
    assert!(why("{\"version\": 5}").contains("version 5"));
    assert!(why("{\"version\": \"4\"}").contains("not a number"));
    assert!(why("{\"version\": 4}").contains("the state is incomplete"));
    assert!(why(&whole.replace("\"serial\":3", "\"serial\":-1")).contains("negative"));
    assert!(why("{\"format_version\": \"2.0\"}").contains("unknown format"));
    assert!(
        why("{\"meta\": {}, \"encrypted_data\": \"abc\", \"encryption_version\": \"v0\"}")
            .contains("encrypted")
    );
    assert!(why("{\"format_version\": \"1.2\", \"planned_values\": {}}").contains("plan"));
    let wrong = file(vec![
        json!({"type": "digitalocean_droplet", "name": "a", "instances": "s3cret"}),
    ]);
    let message = why(&wrong.to_string());
    assert!(
        message.contains("unexpected type") && !message.contains("s3cret"),
        "{message}"
    );
    assert!(!parse_value(wrong).unwrap_err().to_string().contains("s3cret"));
    let deep = format!("{{\"version\":{}", "[".repeat(100_000));
    assert!(why(&deep).contains("line 1"));
}

#[test]
fn the_resource_type_determines_the_provider_whatever_its_address() {
    let addresses = [
        "provider[\"registry.terraform.io/digitalocean/digitalocean\"].east",
        "provider[\"registry.terraform.io/-/digitalocean\"]",
        "provider[\"registry.terraform.io/terraform-providers/digitalocean\"]",
        "provider[\"mirror.example.com/digitalocean/digitalocean\"].eu",
        "provider[\"registry.terraform.io/example/digitalocean-fork\"]",
        "provider.digitalocean",
        "module.x.provider.digitalocean",
        "module.x.provider.digitalocean.east",
    ];
    let resources = (1..).zip(addresses).map(|(id, address)| {
        let mut droplet = resource("digitalocean_droplet", "d", json!({"id": id, "name": "d"}));
        droplet["provider"] = address.into();
        droplet
    });
    let state = parse_value(file(resources.collect())).unwrap();
    assert_eq!((state.desired.len(), state.skipped.foreign), (addresses.len(), 0));
    let shown = json!({"format_version": "0.1", "values": {"root_module": {"resources": [
        {"address": "digitalocean_droplet.d", "mode": "managed", "type": "digitalocean_droplet", "name": "d",
         "provider_name": "digitalocean", "values": {"id": "1", "name": "d"}}]}}});
    assert_eq!(parse_value(shown).unwrap().desired.len(), 1);
}

/// Parses a state with one instance that has this JSON as its attributes.
fn with_attributes(type_name: &str, attributes: &str) -> State {
    let file = file(vec![resource(type_name, "a", json!("@"))]).to_string();
    parse(file.replace("\"@\"", attributes).as_bytes()).unwrap()
}

#[test]
fn an_unreadable_instance_is_reported_and_its_spec_is_kept() {
    let held = |type_name: &str, attributes: &str| {
        let state = with_attributes(type_name, attributes);
        assert!(state.desired.is_empty(), "{attributes}");
        let named = |held: &Held| {
            let fault = held.fault.clone().expect("a fault");
            (held.kind, held.provider_id.clone(), fault)
        };
        state.held.iter().map(named).collect::<Vec<_>>()
    };
    let too_large = held(
        "digitalocean_droplet",
        "{\"id\": \"1\", \"price_monthly\": 1e400}",
    );
    assert_eq!((too_large[0].0, too_large[0].1.as_str()), ("droplet", "1"));
    assert!(too_large[0].2.contains("price_monthly"), "{too_large:?}");
    let not_an_object = held("digitalocean_volume", "[]");
    assert_eq!((not_an_object[0].0, not_an_object[0].1.as_str()), ("volume", ""));
    let none = held("digitalocean_app", "null");
    assert!(none[0].2.contains("no attributes"), "{none:?}");
    let nameless = held("digitalocean_certificate", "{\"id\": \"c-1\"}");
    assert!(
        nameless[0].2.contains("do not identify the resource"),
        "{nameless:?}"
    );
    let part = with_attributes("digitalocean_volume_attachment", "{\"id\": \"1-v\"}");
    assert_eq!((part.refused.len(), part.skipped.without_id), (1, 0));
    assert_eq!(part.refused[0].kind, "digitalocean_volume_attachment");
    let mut flat = file(vec![resource("digitalocean_droplet", "a", json!(null))]);
    let instance = &mut flat["resources"][0]["instances"][0];
    instance["attributes_flat"] = json!({"id": "1", "name": "a", "tags.#": "3"});
    let state = parse_value(flat).unwrap();
    let fault = state.held[0].fault.as_ref().unwrap();
    assert!(
        fault.contains("attributes_flat") && fault.contains("tags"),
        "{fault}"
    );
    assert_eq!(
        (state.held[0].provider_id.as_str(), state.skipped.without_id),
        ("1", 0)
    );
}

#[test]
fn an_instance_without_attributes_holds_every_resource_of_its_kind() {
    for (type_name, kind) in [
        ("droplet", "droplet"),
        ("volume", "volume"),
        ("droplet_snapshot", "snapshot"),
        ("volume_snapshot", "snapshot"),
        ("custom_image", "image"),
        ("loadbalancer", "load_balancer"),
        ("database_cluster", "database"),
        ("database_firewall", "database_firewall"),
        ("firewall", "firewall"),
        ("vpc", "vpc"),
        ("domain", "domain"),
        ("record", "domain_record"),
        ("reserved_ip", "reserved_ip"),
        ("floating_ip", "reserved_ip"),
        ("kubernetes_node_pool", "kubernetes_node_pool"),
        ("app", "app"),
        ("certificate", "certificate"),
        ("cdn", "cdn_endpoint"),
        ("project", "project"),
        ("container_registry", "registry"),
        ("uptime_check", "uptime_check"),
    ] {
        let state = with_attributes(&format!("digitalocean_{type_name}"), "null");
        let held: Vec<(&str, &str)> = state
            .held
            .iter()
            .map(|held| (held.kind, held.provider_id.as_str()))
            .collect();
        assert_eq!(held, [(kind, "")], "{type_name}");
        assert!(state.refused.is_empty(), "{type_name}");
    }
    // The instance of a cluster contains its default node pool.
    let cluster = with_attributes("digitalocean_kubernetes_cluster", "null");
    let held: Vec<&str> = cluster.held.iter().map(|held| held.kind).collect();
    assert_eq!(held, ["kubernetes_cluster", "kubernetes_node_pool"]);
}

#[test]
fn an_soa_record_is_refused_by_name() {
    let soa =
        json!({"id": "1", "domain": "example.com", "type": "soa", "name": "@", "value": "1800", "ttl": 1800});
    let state = state([("digitalocean_record", soa)]);
    assert!(state.desired.is_empty() && state.held.is_empty());
    let refused = &state.refused[0];
    assert_eq!(
        (refused.kind.as_str(), refused.provider_id.as_str()),
        ("domain_record", "1")
    );
    assert!(refused.reason.contains("SOA"), "{}", refused.reason);
}

#[test]
fn lines_of_a_ci_wrapper_are_refused_by_name() {
    let state = file(vec![resource("digitalocean_droplet", "a", json!({"id": "1"}))]);
    let text = serde_json::to_string_pretty(&state).unwrap();
    for wrapped in [
        format!("[command]/opt/bin/terraform state pull\n{text}"),
        format!("{text}\n::debug::Terraform exited with code 0.\n::set-output name=stdout::x\n"),
        format!("{text}::debug::stdout: x"),
        format!("##[group]state\r\n{text}"),
    ] {
        let wrapper = why(&wrapped);
        assert!(
            wrapper.contains("CI wrapper") && wrapper.contains("terraform_wrapper"),
            "{wrapper}"
        );
    }
}

#[test]
fn a_json_list_is_not_a_state() {
    for list in ["[4, null, \"l-1\", 1, []]", "[]"] {
        assert!(why(list).contains("not a Terraform state"), "{list}");
    }
    let mut lists = file(vec![]);
    lists["resources"] = json!([["", "managed", "digitalocean_droplet", "a", "p", []]]);
    assert!(why(&lists.to_string()).contains("unexpected type"));
}

fn any_json() -> impl Strategy<Value = Value> {
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

/// Names of the attributes that the property test generates.
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

/// The types that the property test selects from.
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
    fn attributes_of_any_shape_are_parsed(
        type_name in prop::sample::select(TYPES.to_vec()),
        attributes in prop::collection::btree_map(prop::sample::select(ATTRIBUTES.to_vec()), any_json(), 0..12),
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
