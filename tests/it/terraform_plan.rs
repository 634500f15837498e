//! Memory that reading a Terraform plan needs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use drift_inbox::provider::terraform_plan::{DigestKey, Limits, Options, Plan, Sides, Spool};

/// Set in the process whose memory is measured.
const CHILD: &str = "DRIFT_TEST_PLAN_BYTES";
const RESOURCES: u64 = 10_000;

/// Writes a plan in which every tenth instance drifted, resource by resource.
struct Writer {
    spool: Spool,
    seed: u64,
    text: String,
}

impl Writer {
    fn flush(&mut self) {
        self.spool.write_all(self.text.as_bytes()).unwrap();
        self.text.clear();
    }

    /// Returns 16 digits that do not repeat, so that ids do not compress.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.seed ^ (self.seed >> 29)
    }

    /// Adds attributes: half are ids, and half is the text of a script.
    fn values(&mut self, number: u64, size: u64) {
        let script = "echo 'the next line of a script that is long' >> /etc/motd && sync\\n".repeat(60);
        write!(
            self.text,
            "{{\"id\":\"i-{number:016x}\",\"size\":{size},\"script\":\"{script}\""
        )
        .unwrap();
        if number.is_multiple_of(50) {
            let token = self.random();
            write!(self.text, ",\"token\":\"{token:016x}\"").unwrap();
        }
        for attribute in 0..40 {
            let id = self.random();
            write!(
                self.text,
                ",\"attribute_number_{attribute}\":[{{\"arn\":\"arn:net:thing:{id:016x}\",\"enabled\":false,\
                 \"name\":null}}]"
            )
            .unwrap();
        }
        self.text.push('}');
    }

    fn element(&mut self, number: u64) {
        let (resource, index) = (number % RESOURCES, number / RESOURCES);
        write!(
            self.text,
            "{{\"address\":\"net_thing.r{resource}[{index}]\",\"mode\":\"managed\",\"type\":\"net_thing\",\
             \"name\":\"r{resource}\",\"index\":{index},\"provider_name\":\"registry.terraform.io/acme/net\""
        )
        .unwrap();
    }

    fn drift(&mut self, number: u64) {
        self.element(number);
        self.text
            .push_str(",\"change\":{\"actions\":[\"update\"],\"before\":");
        self.values(number, 1);
        self.text.push_str(",\"after\":");
        self.values(number, 2);
        self.text
            .push_str(",\"before_sensitive\":{},\"after_sensitive\":{}}}");
    }

    fn state(&mut self, number: u64) {
        self.element(number);
        self.text.push_str(",\"values\":");
        self.values(number, if number.is_multiple_of(10) { 2 } else { 1 });
        self.text.push_str(",\"sensitive_values\":{}}");
    }

    fn list(&mut self, numbers: impl Iterator<Item = u64>, item: fn(&mut Self, u64)) {
        for (place, number) in numbers.enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            item(self, number);
            self.flush();
        }
    }

    fn declared(&mut self, resource: u64) {
        write!(
            self.text,
            "{{\"mode\":\"managed\",\"type\":\"net_thing\",\"name\":\"r{resource}\",\"provider_config_key\":\"net\",\
             \"expressions\":{{\"size\":{{\"constant_value\":1}},\"attribute_number_1\":[{{\"arn\":{{}}}}],\
             \"attribute_number_2\":{{\"references\":[\"var.x\"]}}}},\
             \"count_expression\":{{\"references\":[\"var.n\"]}}}}"
        )
        .unwrap();
    }
}

/// Returns a plan of at least this size, and the number of its instances.
fn large_plan(bytes: u64) -> (Spool, u64) {
    let mut writer = Writer {
        spool: Spool::new(Limits::default()),
        seed: 1,
        text: String::new(),
    };
    writer.state(0);
    let count = bytes / (writer.text.len() as u64 * 12 / 10);
    writer.text.clear();
    writer
        .text
        .push_str("{\"format_version\":\"1.2\",\"terraform_version\":\"1.11.4\",\"resource_drift\":[");
    writer.list((0..count).step_by(10), Writer::drift);
    writer
        .text
        .push_str("],\"prior_state\":{\"values\":{\"root_module\":{\"resources\":[");
    writer.list(0..count, Writer::state);
    writer
        .text
        .push_str("]}}},\"configuration\":{\"root_module\":{\"resources\":[");
    writer.list(0..RESOURCES, Writer::declared);
    writer
        .text
        .push_str("]}},\"timestamp\":\"2026-11-25T20:18:06Z\",\"complete\":true,\"errored\":false}");
    writer.flush();
    (writer.spool, count)
}

/// Returns the highest memory of this process in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

fn read_and_measure(bytes: u64) {
    let (spool, count) = large_plan(bytes);
    let plain = spool.len();
    let spooled = peak();
    let options = Options {
        digest_key: DigestKey::new(b"a key"),
    };
    let plan = Plan::read(spool, options).unwrap();
    let (mut instances, mut drifted) = (0, 0);
    for instance in plan.instances(&|_| None) {
        let instance = instance.unwrap();
        let size = instance.fields.iter().find(|field| field.name == "size").unwrap();
        instances += 1;
        drifted += u64::from(matches!(&size.sides, Sides::Shown { desired, live } if desired != live));
    }
    assert_eq!((instances, drifted), (count, count.div_ceil(10)));
    println!("plain={plain} spooled={spooled} peak={}", peak());
}

#[test]
fn a_plan_of_200_mb_is_read_within_150_mib() {
    if let Ok(bytes) = std::env::var(CHILD) {
        return read_and_measure(bytes.parse().unwrap());
    }
    let wanted: u64 = 200_000_000;
    let name = "terraform_plan::a_plan_of_200_mb_is_read_within_150_mib";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, wanted.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let number = |key: &str| -> u64 {
        let rest = text.split(key).nth(1).unwrap_or_else(|| panic!("{text}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("plain=") >= wanted, "{text}");
    assert!(number("peak=") < 150 * 1024, "{text}");
}
