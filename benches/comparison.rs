//! Measures the rules of a sweep without a database: the canonical form of a value, the comparison of a spec with a
//! resource, and the plan of the changes. The inputs are a usual resource and the largest values that may occur.
//!
//! `cargo bench --bench comparison` prints the time and the bytes per second of each. Time per byte that grows with the
//! size shows an algorithm that is worse than linear.
#![expect(
    clippy::unwrap_used,
    reason = "a program that measures, and stops at the first error"
)]

use std::hint::black_box;
use std::sync::Arc;

use chrono::DateTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use drift_inbox::domain::compare_texts::{Texts, compare_texts};
use drift_inbox::domain::detection::{Pair, plan};
use drift_inbox::domain::equality::canonical;
use drift_inbox::domain::traits::KindTraits;
use entity::{cloud_provisioned, cloud_resources};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A desired value and a live value of one field.
struct Values {
    name: &'static str,
    expected: Value,
    actual: Value,
}

fn values(name: &'static str, expected: Value, actual: Value) -> Values {
    Values {
        name,
        expected,
        actual,
    }
}

/// Numbers from 0 to `length`, in the order of a multiplication by a prime.
fn shuffled(length: u64) -> Value {
    (0..length).map(|n| n * 7_919 % length).collect()
}

/// A map inside a map, `depth` times.
fn nested(depth: usize, leaf: &str) -> Value {
    (0..depth).fold(json!(leaf), |inner, _| json!({ "inner": inner, "enabled": true }))
}

/// The large values. Each pair is equal as a sweep compares values, except the last.
fn large() -> Vec<Values> {
    let text = "x".repeat(1_000_000);
    vec![
        values("list_of_100", (0..100_u64).collect(), shuffled(100)),
        values("list_of_1000", (0..1_000_u64).collect(), shuffled(1_000)),
        values("list_of_10000", (0..10_000_u64).collect(), shuffled(10_000)),
        values("map_4_deep", nested(4, "1"), nested(4, "1")),
        values("map_32_deep", nested(32, "1"), nested(32, "1")),
        values("text_of_1_mb", json!(text), json!(text)),
        values("text_of_1_mb_differs", json!(text), json!(format!("{text}y"))),
    ]
}

/// The attributes of a usual resource.
fn attributes() -> Value {
    json!({
        "backup_policy": { "enabled": true, "window": { "hours": 4, "start": "02:00" } },
        "disk_gb": "80",
        "image": "debian-13-x64",
        "kernel": { "id": 7_515, "version": "6.1.0-18-cloud-amd64" },
        "labels": ["web", "prod", "team:7"],
        "monitoring": true,
        "networks": { "v4": [{ "ip": "10.0.0.7", "type": "public" }], "v6": [] },
        "ssh_keys": [512_190, 512_189],
    })
}

/// A spec that equals the attributes, in other representations.
fn represented_otherwise() -> Value {
    let mut spec = attributes();
    let fields = spec.as_object_mut().unwrap();
    fields.insert("disk_gb".to_owned(), json!(80));
    fields.insert("monitoring".to_owned(), json!("true"));
    fields.insert("ssh_keys".to_owned(), json!(["512189", "512190"]));
    spec
}

/// A spec of which every field differs.
fn all_different() -> Value {
    let fields = attributes().as_object().unwrap().clone();
    Value::Object(
        fields
            .into_iter()
            .map(|(name, _)| (name, json!("another value")))
            .collect::<Map<_, _>>(),
    )
}

fn resource(attrs: Value) -> cloud_resources::Model {
    cloud_resources::Model {
        id: Uuid::nil(),
        provider: "cloud".to_owned(),
        kind: "machine".to_owned(),
        provider_id: "1".to_owned(),
        urn: "cloud:machine:1".to_owned(),
        name: "web-1".to_owned(),
        region: Some("fra1".to_owned()),
        size_slug: None,
        status: Some("active".to_owned()),
        tags: json!([]),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs,
        revision: 1,
        first_seen_at: Some(DateTime::UNIX_EPOCH),
        gone_at: None,
        settling_since: None,
        owned: false,
        source: String::new(),
    }
}

fn pair(spec: Value) -> Pair {
    let spec = cloud_provisioned::Model {
        id: Uuid::nil(),
        resource_id: Uuid::nil(),
        spec,
        spec_version: 1,
        source: "api".to_owned(),
        recorded_by: "operator".to_owned(),
        recorded_at: DateTime::UNIX_EPOCH,
        retired_at: None,
        created_at: DateTime::UNIX_EPOCH,
        not_compared: None,
        address: None,
    };
    Pair {
        spec,
        resource: resource(attributes()),
        open: Vec::new(),
        listed_at: None,
        rules: Arc::default(),
        ignored: Vec::new(),
        traits: KindTraits::default(),
    }
}

fn measure_canonical(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonical");
    for case in large() {
        group.throughput(Throughput::Bytes(case.actual.to_string().len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(case.name),
            &case.actual,
            |bencher, value| {
                bencher.iter(|| canonical(black_box(value)));
            },
        );
    }
    group.finish();
}

fn measure_compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compare_texts");
    let mut cases = vec![
        values("usual_equal", attributes(), attributes()),
        values(
            "usual_other_representation",
            represented_otherwise(),
            attributes(),
        ),
        values("usual_all_different", all_different(), attributes()),
    ];
    let of_field = |value| json!({ "field": value });
    cases.extend(
        large()
            .into_iter()
            .map(|case| values(case.name, of_field(case.expected), of_field(case.actual))),
    );
    for case in cases {
        let (spec, attrs) = (case.expected.to_string(), case.actual.to_string());
        let texts = Texts {
            spec: &spec,
            not_compared: None,
            schema_fields: [
                Some("web-1"),
                Some("fra1"),
                None,
                Some("active"),
                Some("[]"),
                None,
                None,
                None,
            ],
            attrs: &attrs,
            is_seen: true,
            is_gone: false,
            traits: KindTraits::default(),
        };
        group.throughput(Throughput::Bytes((spec.len() + attrs.len()) as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(case.name),
            &texts,
            |bencher, texts| {
                bencher.iter(|| compare_texts(black_box(texts)).unwrap());
            },
        );
    }
    group.finish();
}

fn measure_plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for (name, spec) in [
        ("usual_equal", attributes()),
        ("usual_other_representation", represented_otherwise()),
        ("usual_all_different", all_different()),
    ] {
        let pair = pair(spec);
        group.bench_with_input(BenchmarkId::from_parameter(name), &pair, |bencher, pair| {
            bencher.iter(|| plan(black_box(pair), DateTime::UNIX_EPOCH));
        });
    }
    group.finish();
}

criterion_group!(benches, measure_canonical, measure_compare, measure_plan);
criterion_main!(benches);
