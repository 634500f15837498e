//! The log of actions. It names no user. Source: DigitalOcean's API reference, "List All Actions" (`GET /v2/actions`).

use std::net::Ipv4Addr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::Instant;

use super::client::Client;
use super::map::id_text;
use super::paging::{ApiList, ListError, page};
use crate::provider::actions::{ActionLog, CloudAction};

/// Maximum number of pages of 200 actions that one sync reads.
const PAGES: u64 = 5;

const ACTIONS: ApiList<'_> = ApiList {
    path: &["actions"],
    query: &[],
    key: "actions",
    id: "id",
    paged: true,
};

/// Reads the actions with a number above `after`.
///
/// The reference does not say in which order the list is. If a page is not in descending order, all pages are read, within
/// the limit.
pub(super) async fn read(client: &Client, after: i64, until: Instant) -> ActionLog {
    let (mut actions, mut is_whole, mut last) = (Vec::new(), false, i64::MAX);
    let mut is_descending = true;
    for number in 1..=PAGES {
        let read = match page(client, &ACTIONS, number, until, "/v2/actions").await {
            Ok(read) => read,
            Err(ListError::Forbidden(_)) => {
                return ActionLog::NotReadable(
                    "/v2/actions: the token may not read it (403): it needs the scope actions:read"
                        .to_owned(),
                );
            }
            Err(ListError::Absent(why) | ListError::Incomplete(why)) => return ActionLog::NotReadable(why),
            Err(ListError::Unauthorized) => {
                return ActionLog::NotReadable("/v2/actions: the token was rejected (401)".to_owned());
            }
        };
        for item in &read.items {
            let number = item["id"].as_i64().unwrap_or_default();
            is_descending &= number < last;
            last = number;
            if number > after {
                actions.extend(action(item, number));
            }
        }
        let is_last = read.items.is_empty()
            || read
                .total
                .is_some_and(|total| number * super::paging::PER_PAGE >= total);
        if is_last || (is_descending && last <= after) {
            is_whole = true;
            break;
        }
    }
    ActionLog::Read { actions, is_whole }
}

/// Maps an action on a resource of a listed kind. Others are left out.
fn action(item: &Value, number: i64) -> Option<CloudAction> {
    let text = |name: &str| item[name].as_str().map(str::to_owned);
    let time = |name: &str| -> Option<DateTime<Utc>> {
        Some(DateTime::parse_from_rfc3339(item[name].as_str()?).ok()?.into())
    };
    let (kind, provider_id) = resource(item)?;
    let status = text("status")?;
    Some(CloudAction {
        number,
        action_type: text("type")?,
        ended: status != "in-progress",
        status,
        kind: kind.to_owned(),
        provider_id,
        region: text("region_slug").or_else(|| item["region"]["slug"].as_str().map(str::to_owned)),
        started_at: time("started_at")?,
        completed_at: time("completed_at"),
    })
}

/// Returns the kind and the id of the resource. The id of a reserved IP is its address as a number: in the reference, an
/// action on 45.55.96.47 has the resource id 758603823.
fn resource(item: &Value) -> Option<(&'static str, String)> {
    let id = id_text(&item["resource_id"])?;
    match item["resource_type"].as_str()? {
        "droplet" => Some(("droplet", id)),
        "volume" => Some(("volume", id)),
        "image" => Some(("image", id)),
        "reserved_ip" | "floating_ip" => {
            let address = id.parse::<u32>().map(|number| Ipv4Addr::from(number).to_string());
            Some(("reserved_ip", address.unwrap_or(id)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(resource_type: &str, id: Value) -> Value {
        json!({ "id": 36_804_636, "status": "completed", "type": "resize", "started_at": "2026-11-14T16:29:21Z",
            "completed_at": "2026-11-14T16:30:06Z", "resource_id": id, "resource_type": resource_type,
            "region": { "slug": "nyc3" }, "region_slug": "nyc3" })
    }

    #[test]
    fn an_action_has_its_resource_and_times() {
        let read = action(&item("droplet", json!(3_164_444)), 36_804_636).unwrap();
        assert_eq!(
            (read.kind.as_str(), read.provider_id.as_str()),
            ("droplet", "3164444")
        );
        assert_eq!((read.action_type.as_str(), read.ended), ("resize", true));
        assert_eq!(read.region.as_deref(), Some("nyc3"));
        assert_eq!(
            read.completed_at
                .map(|time| time.timestamp() - read.started_at.timestamp()),
            Some(45)
        );
    }

    #[test]
    fn the_id_of_a_reserved_ip_is_its_address() {
        let found = |id| resource(&item("floating_ip", id)).unwrap().1;
        assert_eq!(found(json!(758_603_823)), "45.55.96.47");
        assert_eq!(found(json!("192.0.2.7")), "192.0.2.7");
    }

    #[test]
    fn actions_without_a_listed_resource_are_left_out() {
        assert_eq!(action(&item("backend", json!(1)), 1), None);
        assert_eq!(action(&item("volume", Value::Null), 1), None);
    }
}
