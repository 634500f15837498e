//! What the API says.

use serde_json::{Value, json};

use super::{Failure, World};
use crate::model::operations::{KINDS, RESOURCES, kind_of};
use crate::model::state::Status;
use crate::model::values::{V, WHOLE, field_name};

const QUERY: &str = "{ freshness { vouched } coverage { kind managed unmanaged owned drifted missing waiting } \
     open: drifts(filter: {status: OPEN}) { totalCount } accepted: drifts(filter: {status: ACCEPTED}) { totalCount } \
     reverted: drifts(filter: {status: REVERTED}) { totalCount } stale: drifts(filter: {status: STALE}) { totalCount } \
     snoozed: drifts(filter: {snoozed: true}) { totalCount } }";

impl World {
    /// Compares what the API says with the model.
    pub(in crate::model) async fn check_api(&self) -> Result<(), Failure> {
        let data = self.t.data(QUERY, json!({})).await;
        let vouched = data["freshness"]["vouched"] == true;
        if self
            .model
            .is_vouched()
            .is_some_and(|expected| expected != vouched)
        {
            return Err(format!("vouched is {vouched}: {:?}", self.model.last_sweep));
        }
        let count = |status: Status| {
            self.model
                .drifts
                .iter()
                .filter(|drift| drift.status == status)
                .count()
        };
        for (name, status) in [
            ("open", Status::Open),
            ("accepted", Status::Accepted),
            ("reverted", Status::Reverted),
            ("stale", Status::Stale),
        ] {
            if data[name]["totalCount"] != count(status) {
                return Err(format!(
                    "{} drifts are {name}, not {}",
                    data[name]["totalCount"],
                    count(status)
                ));
            }
        }
        if data["snoozed"]["totalCount"]
            != self
                .model
                .drifts
                .iter()
                .filter(|drift| drift.snooze.is_some())
                .count()
        {
            return Err(format!("{} drifts are snoozed", data["snoozed"]["totalCount"]));
        }
        let expected = Value::Array((0..KINDS.len()).filter_map(|kind| self.coverage(kind)).collect());
        if data["coverage"] != expected {
            return Err(format!("the coverage is {}, not {expected}", data["coverage"]));
        }
        let is_new = self
            .model
            .last_sweep
            .as_ref()
            .is_some_and(|sweep| sweep.at == self.model.now);
        if vouched && is_new {
            self.check_truth()
        } else {
            Ok(())
        }
    }

    fn coverage(&self, kind: usize) -> Option<Value> {
        let model = &self.model;
        let all = (0..RESOURCES.len()).filter(|one| kind_of(*one) == kind && model.stored[*one].is_some());
        let (managed, others): (Vec<usize>, Vec<usize>) = all.partition(|one| model.in_force(*one).is_some());
        let unmanaged = others.iter().filter(|one| !model.is_gone(**one)).count();
        let drifted = |one: &&usize| (0..WHOLE).any(|field| model.open_of(**one, field).is_some());
        let missing = |one: &&usize| model.open_of(**one, WHOLE).is_some();
        let waits = model
            .ignored
            .iter()
            .filter(|((one, _), row)| kind_of(*one) == kind && row.sweeps.is_some());
        (managed.len() + unmanaged > 0).then(|| {
            json!({
                "kind": KINDS[kind], "managed": managed.len(), "unmanaged": unmanaged, "owned": 0,
                "drifted": managed.iter().filter(drifted).count(),
                "missing": managed.iter().filter(missing).count(),
                "waiting": waits.count(),
            })
        })
    }

    /// Checks what 'up to date' promises: everything in which the cloud differed from the specs when it was listed is in the
    /// inbox or ignored, and nothing else is.
    fn check_truth(&self) -> Result<(), Failure> {
        let model = &self.model;
        for (resource, (_, name)) in RESOURCES.iter().enumerate() {
            let Some(spec) = model.in_force(resource) else {
                continue;
            };
            for field in 0..=WHOLE {
                let cloud = &model.listed[resource];
                let differs = match (field, cloud) {
                    (WHOLE, cloud) => cloud.is_none(),
                    (_, None) => false,
                    (_, Some(cloud)) => {
                        let live = cloud.live.fields[field].unwrap_or(V::NULL).meaning();
                        spec.get(&field)
                            .is_some_and(|expected| expected.meaning() != live)
                    }
                };
                let is_ignored = model.ignored.contains_key(&(resource, field));
                if differs != (is_ignored || model.open_of(resource, field).is_some()) {
                    let field = field_name(field);
                    return Err(format!(
                        "the inbox is vouched for, but {name} {field}: {spec:?}, {cloud:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
