//! Checks whether a resource that a complete listing lacks still exists.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::{Client, RequestError};
use super::fetch_owners::mark_unread;
use super::kinds::{CERTIFICATES, KINDS, Kind, ListedFrom, Lists};
use super::map::{self, Context};
use super::paging::{ApiList, ListError, list};
use super::run::{Run, TokenRefused};
use crate::domain::inventory::ListedResource;
use crate::domain::redaction::plain_members;
use crate::provider::checks::check_resource;
use crate::provider::{KindListing, Presence};

/// The checks of single resources after one listing. Several checks run at the same time.
#[derive(Debug, Default)]
pub(super) struct Confirming {
    /// Deadline of all checks, set by the first one. It limits a run whose listing lacks many resources.
    until: OnceLock<Instant>,
    /// DNS records that were listed again.
    records: Relisted,
    /// Node pools that were listed again.
    node_pools: Relisted,
}

/// The resources of a kind that was listed again, by id, or the reason why it could not be listed.
type Relisted = OnceCell<Result<BTreeMap<String, ListedResource>, String>>;

impl Confirming {
    /// Checks whether a resource of a kind exists. `last` has its stored attributes.
    pub(super) async fn presence(
        &self,
        client: &Client,
        kind: &str,
        id: &str,
        last: &Map<String, Value>,
    ) -> Result<Presence, TokenRefused> {
        let Some(kind) = KINDS.iter().find(|known| known.name == kind) else {
            return Ok(Presence::Unknown(format!("unknown kind {kind:?}")));
        };
        let limit = client.limits.confirming;
        let until = *self.until.get_or_init(|| Instant::now() + limit);
        let unknown = |why: &str| Presence::Unknown(why.to_owned());
        if Instant::now() >= until {
            let limit = limit.as_secs();
            return Ok(Presence::Unknown(format!(
                "confirming unlisted resources took longer than {limit} s; the next sync continues"
            )));
        }
        let lookup = Lookup { client, until };
        let parent = |name: &str| last.get(name).and_then(Value::as_str);
        let found = match &kind.from {
            ListedFrom::Named(_) => lookup.certificate(id).await,
            ListedFrom::Lists(lists) => lookup.single(kind.name, lists, id).await,
            ListedFrom::Databases => lookup.database_firewall(id).await,
            ListedFrom::Domains => match parent("domain") {
                Some(domain) => lookup.record(domain, id).await,
                None => return find_by_relisting(&self.records, lookup, kind, id).await,
            },
            ListedFrom::Clusters => match parent("cluster_id") {
                Some(cluster) => lookup.node_pool(cluster, id).await,
                None => return find_by_relisting(&self.node_pools, lookup, kind, id).await,
            },
        };
        Ok(match found {
            Ok(resource) if resource.provider_id != id => unknown("the response is about another resource"),
            Ok(resource) => match check_resource(&resource) {
                Ok(()) => exists(resource),
                Err(why) => unknown(&why.to_string()),
            },
            Err(RequestError::NotFound) => Presence::Gone,
            Err(RequestError::Unauthorized) => return Err(TokenRefused),
            Err(RequestError::Forbidden) => unknown("the token may not read it (403)"),
            Err(RequestError::Failed(why)) => unknown(&why),
        })
    }
}

fn exists(resource: ListedResource) -> Presence {
    let attrs = plain_members(&resource.attrs).into_owned();
    Presence::Exists(Box::new(ListedResource { attrs, ..resource }))
}

/// Lists the kind again to find a resource whose path is unknown. The path contains the id of the parent, which is not
/// stored for a resource that is known from an import only.
async fn find_by_relisting(
    relisted: &Relisted,
    lookup: Lookup<'_>,
    kind: &Kind,
    id: &str,
) -> Result<Presence, TokenRefused> {
    let list = || async {
        Ok(match lookup.run().list_kind(kind).await?.listing {
            KindListing::Complete(listed) => {
                let by_id = listed.into_iter().map(|one| (one.provider_id.clone(), one));
                Ok(by_id.collect())
            }
            KindListing::Incomplete(why) | KindListing::NotReadable(why) => Err(why),
        })
    };
    Ok(match relisted.get_or_try_init(list).await? {
        Ok(listed) => listed
            .get(id)
            .map_or(Presence::Gone, |resource| exists(resource.clone())),
        Err(why) => Presence::Unknown(why.clone()),
    })
}

fn require_id(resource: Option<ListedResource>) -> Result<ListedResource, RequestError> {
    resource.ok_or_else(|| RequestError::Failed("the response has no id".to_owned()))
}

fn request_error_of(error: ListError) -> RequestError {
    match error {
        ListError::Unauthorized => RequestError::Unauthorized,
        ListError::Forbidden(_) => RequestError::Forbidden,
        ListError::Absent(_) => RequestError::NotFound,
        ListError::Incomplete(why) => RequestError::Failed(why),
    }
}

/// Turns a 404 into a failure. It is for requests whose 404 does not show that the resource is gone.
fn not_found_is_failure(error: RequestError, what: &str) -> RequestError {
    match error {
        RequestError::NotFound => RequestError::Failed(format!("{what} was not found (404)")),
        error => error,
    }
}

#[derive(Clone, Copy)]
struct Lookup<'a> {
    client: &'a Client,
    until: Instant,
}

impl<'a> Lookup<'a> {
    fn run(self) -> Run<'a> {
        Run::new(self.client, self.until)
    }

    async fn get(self, path: &[&str], key: &str) -> Result<Value, RequestError> {
        let mut answer = self.client.get(path, &[], self.until).await?;
        match answer.get_mut(key).map(Value::take) {
            Some(object @ Value::Object(_)) => Ok(object),
            _ => Err(RequestError::Failed(format!("the response has no {key}"))),
        }
    }

    async fn single(self, kind: &str, lists: &Lists, id: &str) -> Result<ListedResource, RequestError> {
        let path = lists.api_lists.first().map_or(&[][..], |api_list| api_list.path);
        let item = self.get(&[path, &[id]].concat(), lists.object_key).await?;
        let context = self.run().context_for(std::slice::from_ref(&item)).await;
        let mut resource = require_id((lists.map)(&item, &context.map_err(request_error_of)?))?;
        mark_unread(kind, &mut resource);
        Ok(resource)
    }

    async fn record(self, domain: &str, id: &str) -> Result<ListedResource, RequestError> {
        let item = self
            .get(&["domains", domain, "records", id], "domain_record")
            .await?;
        require_id(map::dns::record(&item, domain))
    }

    /// Requests a node pool and its cluster: a pool is settling while its cluster is.
    async fn node_pool(self, cluster: &str, id: &str) -> Result<ListedResource, RequestError> {
        let path = ["kubernetes", "clusters", cluster];
        let item = self
            .get(&[&path[..], &["node_pools", id]].concat(), "node_pool")
            .await?;
        let mut pool = require_id(map::kubernetes::pool(&item, cluster))?;
        let item = self.get(&path, "kubernetes_cluster").await;
        let item = item.map_err(|error| not_found_is_failure(error, "the cluster of the pool"))?;
        pool.settling |= require_id(map::kubernetes::cluster(&item, &Context::default()))?.settling;
        Ok(pool)
    }

    async fn database_firewall(self, cluster: &str) -> Result<ListedResource, RequestError> {
        let database = match self.get(&["databases", cluster], "database").await {
            Err(RequestError::NotFound) => return self.replica_firewall(cluster).await,
            database => database?,
        };
        // The cluster exists, so its firewall exists. A 404 for the rules does not change that.
        let rules = self.run().database_rules(cluster).await;
        let rules = rules
            .map_err(|why| not_found_is_failure(request_error_of(why), "the firewall of the cluster"))?;
        let name = database["name"].as_str().map(str::to_owned);
        Ok(map::database::firewall(cluster, name, &rules))
    }

    /// Requests the trusted sources of a read-only replica by the id of the replica. No list contains replicas, but
    /// DigitalOcean's Terraform provider accepts such an id as `cluster_id` of a database firewall.
    async fn replica_firewall(self, replica: &str) -> Result<ListedResource, RequestError> {
        let rules = self
            .run()
            .database_rules(replica)
            .await
            .map_err(request_error_of)?;
        Ok(map::database::firewall(replica, None, &rules))
    }

    /// Finds a certificate by name, because each renewal changes its id.
    async fn certificate(self, name: &str) -> Result<ListedResource, RequestError> {
        let api_list = ApiList {
            query: &[("name", name)],
            ..CERTIFICATES
        };
        // A 404 for the list does not show that the certificate is gone.
        let items = list(self.client, &api_list, self.until).await;
        let items =
            items.map_err(|why| not_found_is_failure(request_error_of(why), "the list of certificates"))?;
        let context = Context::default();
        let mut all = items
            .iter()
            .filter_map(|item| map::certificates::certificate(item, &context));
        all.find(|certificate| certificate.provider_id == name)
            .ok_or(RequestError::NotFound)
    }
}
