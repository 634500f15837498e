//! Is a resource that a complete list lacks there after all?

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::belonging::leave_untold;
use super::client::{Client, Fault};
use super::kinds::{CERTIFICATES, From, KINDS, Kind, Lists};
use super::map::{self, Context};
use super::paging::{Source, Unlisted, list};
use super::run::{Run, TokenRefused};
use crate::domain::inventory::ListedResource;
use crate::provider::{KindListing, Presence, check_resource};

/// What was listed again because there is no other way to ask, by id.
pub(super) type Relisted = BTreeMap<String, ListedResource>;

/// Asks for one resource of a kind. `last` is what was last known of it.
pub(super) async fn presence(
    client: &Client,
    kind: &str,
    id: &str,
    last: &Map<String, Value>,
    relisted: &mut BTreeMap<String, Relisted>,
) -> Result<Presence, TokenRefused> {
    let Some(kind) = KINDS.iter().find(|known| known.name == kind) else {
        return Ok(Presence::Unknown(format!("the kind {kind} is not synced")));
    };
    let parent = |name: &str| last.get(name).and_then(Value::as_str);
    let asked = match &kind.from {
        From::Lists(_) if kind.name == "certificate" => certificate(client, id).await,
        From::Lists(lists) => single(client, lists, id).await.map(|mut resource| {
            leave_untold(kind.name, &mut resource);
            resource
        }),
        From::Databases => database_firewall(client, id).await,
        From::Domains => match parent("domain") {
            Some(domain) => record(client, domain, id).await,
            None => return again(client, kind, id, relisted).await,
        },
        From::Clusters => match parent("cluster_id") {
            Some(cluster) => node_pool(client, cluster, id).await,
            None => return again(client, kind, id, relisted).await,
        },
    };
    let unknown = |why: String| Presence::Unknown(format!("{} {id:?}: {why}", kind.name));
    Ok(match asked {
        Ok(resource) if resource.provider_id != id => unknown("the answer is about another".to_owned()),
        Ok(resource) => match check_resource(&resource) {
            Ok(()) => Presence::There(Box::new(resource)),
            Err(why) => unknown(why.to_string()),
        },
        Err(Fault::NotFound) => Presence::Gone,
        Err(Fault::Unauthorized) => return Err(TokenRefused),
        Err(Fault::Forbidden) => unknown("the token may not read this (403)".to_owned()),
        Err(Fault::Failed(why)) => unknown(why),
    })
}

async fn get(client: &Client, path: &[&str], key: &str) -> Result<Value, Fault> {
    let mut answer = client
        .get(path, &[], Instant::now() + client.limits.listing)
        .await?;
    match answer.get_mut(key).map(Value::take) {
        Some(object @ Value::Object(_)) => Ok(object),
        _ => Err(Fault::Failed(format!("the answer has no {key}"))),
    }
}

fn mapped(resource: Option<ListedResource>) -> Result<ListedResource, Fault> {
    resource.ok_or_else(|| Fault::Failed("the answer has no id".to_owned()))
}

fn fault_of(unlisted: Unlisted) -> Fault {
    match unlisted {
        Unlisted::Unauthorized => Fault::Unauthorized,
        Unlisted::Forbidden(_) => Fault::Forbidden,
        Unlisted::Absent(_) => Fault::NotFound,
        Unlisted::Incomplete(why) => Fault::Failed(why),
    }
}

async fn single(client: &Client, lists: &Lists, id: &str) -> Result<ListedResource, Fault> {
    let mut path = lists
        .sources
        .first()
        .map_or(Vec::new(), |source| source.path.to_vec());
    path.push(id);
    let item = get(client, &path, lists.one).await?;
    let context = Run::new(client).context_for(std::slice::from_ref(&item)).await;
    mapped((lists.map)(&item, &context.map_err(fault_of)?))
}

async fn record(client: &Client, domain: &str, id: &str) -> Result<ListedResource, Fault> {
    let item = get(client, &["domains", domain, "records", id], "domain_record").await?;
    mapped(map::dns::record(&item, domain))
}

async fn node_pool(client: &Client, cluster: &str, id: &str) -> Result<ListedResource, Fault> {
    let path = ["kubernetes", "clusters", cluster, "node_pools", id];
    mapped(map::kubernetes::pool(
        &get(client, &path, "node_pool").await?,
        cluster,
    ))
}

async fn database_firewall(client: &Client, cluster: &str) -> Result<ListedResource, Fault> {
    let database = get(client, &["databases", cluster], "database").await?;
    // The cluster is there, and with it its firewall, whatever the rules answer.
    let rules = match Run::new(client).database_rules(cluster).await {
        Err(Unlisted::Absent(why)) => return Err(Fault::Failed(why)),
        listed => listed.map_err(fault_of)?,
    };
    let name = database["name"].as_str().map(str::to_owned);
    Ok(map::database::firewall(cluster, name, &rules))
}

/// By name: the id of a renewed certificate is another one.
async fn certificate(client: &Client, name: &str) -> Result<ListedResource, Fault> {
    let source = Source {
        query: &[("name", name)],
        ..CERTIFICATES
    };
    let until = Instant::now() + client.limits.listing;
    let items = match list(client, &source, until).await {
        // That a list is not there says nothing of the certificate.
        Err(Unlisted::Absent(why)) => return Err(Fault::Failed(why)),
        listed => listed.map_err(fault_of)?,
    };
    let context = Context::default();
    let mut all = items
        .iter()
        .filter_map(|item| map::certificates::certificate(item, &context));
    all.find(|certificate| certificate.provider_id == name)
        .ok_or(Fault::NotFound)
}

/// Lists the kind once more, where the way to a single one leads through a parent that is not known: an
/// import made the row, and no listing ever had it.
async fn again(
    client: &Client,
    kind: &Kind,
    id: &str,
    relisted: &mut BTreeMap<String, Relisted>,
) -> Result<Presence, TokenRefused> {
    if !relisted.contains_key(kind.name) {
        match Run::new(client).list_kind(kind).await?.listing {
            KindListing::Complete(listed) => {
                let by_id = listed.into_iter().map(|one| (one.provider_id.clone(), one));
                relisted.insert(kind.name.to_owned(), by_id.collect());
            }
            KindListing::Incomplete(why) | KindListing::NotReadable(why) => {
                return Ok(Presence::Unknown(why));
            }
        }
    }
    let found = relisted.get(kind.name).and_then(|listed| listed.get(id));
    Ok(found.map_or(Presence::Gone, |resource| {
        Presence::There(Box::new(resource.clone()))
    }))
}
