//! Is a resource that a complete list lacks there after all?

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::{Client, Fault};
use super::fetch_owners::mark_unread;
use super::kinds::{CERTIFICATES, From, KINDS, Kind, Lists};
use super::map::{self, Context};
use super::paging::{Source, Unlisted, list};
use super::run::{Run, TokenRefused};
use crate::domain::inventory::ListedResource;
use crate::provider::checks::check_resource;
use crate::provider::{KindListing, Presence};

/// The single questions that follow one listing, several of them at a time.
#[derive(Debug, Default)]
pub(super) struct Confirming {
    /// When they end, from the first one on: a listing that lacks much must not keep a run busy for ever.
    until: OnceLock<Instant>,
    /// DNS records that were listed again.
    records: Relisted,
    /// Node pools that were listed again.
    node_pools: Relisted,
}

/// What was listed again because there is no other way to ask, by id; or why it could not be.
type Relisted = OnceCell<Result<BTreeMap<String, ListedResource>, String>>;

impl Confirming {
    /// Asks for one resource of a kind. `last` is what was last known of it.
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
        let question = Question { client, until };
        let parent = |name: &str| last.get(name).and_then(Value::as_str);
        let asked = match &kind.from {
            From::Named(_) => question.certificate(id).await,
            From::Lists(lists) => question.single(kind.name, lists, id).await,
            From::Databases => question.database_firewall(id).await,
            From::Domains => match parent("domain") {
                Some(domain) => question.record(domain, id).await,
                None => return again(&self.records, question, kind, id).await,
            },
            From::Clusters => match parent("cluster_id") {
                Some(cluster) => question.node_pool(cluster, id).await,
                None => return again(&self.node_pools, question, kind, id).await,
            },
        };
        Ok(match asked {
            Ok(resource) if resource.provider_id != id => unknown("the response is about another resource"),
            Ok(resource) => match check_resource(&resource) {
                Ok(()) => Presence::There(Box::new(resource)),
                Err(why) => unknown(&why.to_string()),
            },
            Err(Fault::NotFound) => Presence::Gone,
            Err(Fault::Unauthorized) => return Err(TokenRefused),
            Err(Fault::Forbidden) => unknown("the token may not read it (403)"),
            Err(Fault::Failed(why)) => unknown(&why),
        })
    }
}

/// Lists the kind once more, where the way to a single one leads through a parent that is not known: an import
/// made the row, and no listing ever had it.
async fn again(
    relisted: &Relisted,
    question: Question<'_>,
    kind: &Kind,
    id: &str,
) -> Result<Presence, TokenRefused> {
    let list = || async {
        Ok(match question.run().list_kind(kind).await?.listing {
            KindListing::Complete(listed) => {
                let by_id = listed.into_iter().map(|one| (one.provider_id.clone(), one));
                Ok(by_id.collect())
            }
            KindListing::Incomplete(why) | KindListing::NotReadable(why) => Err(why),
        })
    };
    Ok(match relisted.get_or_try_init(list).await? {
        Ok(listed) => listed.get(id).map_or(Presence::Gone, |resource| {
            Presence::There(Box::new(resource.clone()))
        }),
        Err(why) => Presence::Unknown(why.clone()),
    })
}

fn mapped(resource: Option<ListedResource>) -> Result<ListedResource, Fault> {
    resource.ok_or_else(|| Fault::Failed("the response has no id".to_owned()))
}

fn fault_of(unlisted: Unlisted) -> Fault {
    match unlisted {
        Unlisted::Unauthorized => Fault::Unauthorized,
        Unlisted::Forbidden(_) => Fault::Forbidden,
        Unlisted::Absent(_) => Fault::NotFound,
        Unlisted::Incomplete(why) => Fault::Failed(why),
    }
}

/// That something is not there, where it has to be if another thing is.
fn must_be_there(fault: Fault, what: &str) -> Fault {
    match fault {
        Fault::NotFound => Fault::Failed(format!("{what} was not found (404)")),
        fault => fault,
    }
}

#[derive(Clone, Copy)]
struct Question<'a> {
    client: &'a Client,
    until: Instant,
}

impl<'a> Question<'a> {
    fn run(self) -> Run<'a> {
        Run::new(self.client, self.until)
    }

    async fn get(self, path: &[&str], key: &str) -> Result<Value, Fault> {
        let mut answer = self.client.get(path, &[], self.until).await?;
        match answer.get_mut(key).map(Value::take) {
            Some(object @ Value::Object(_)) => Ok(object),
            _ => Err(Fault::Failed(format!("the response has no {key}"))),
        }
    }

    async fn single(self, kind: &str, lists: &Lists, id: &str) -> Result<ListedResource, Fault> {
        let path = lists.sources.first().map_or(&[][..], |source| source.path);
        let item = self.get(&[path, &[id]].concat(), lists.one).await?;
        let context = self.run().context_for(std::slice::from_ref(&item)).await;
        let mut resource = mapped((lists.map)(&item, &context.map_err(fault_of)?))?;
        mark_unread(kind, &mut resource);
        Ok(resource)
    }

    async fn record(self, domain: &str, id: &str) -> Result<ListedResource, Fault> {
        let item = self
            .get(&["domains", domain, "records", id], "domain_record")
            .await?;
        mapped(map::dns::record(&item, domain))
    }

    /// A pool settles with its cluster, which its own answer does not tell.
    async fn node_pool(self, cluster: &str, id: &str) -> Result<ListedResource, Fault> {
        let path = ["kubernetes", "clusters", cluster];
        let item = self
            .get(&[&path[..], &["node_pools", id]].concat(), "node_pool")
            .await?;
        let mut pool = mapped(map::kubernetes::pool(&item, cluster))?;
        let item = self.get(&path, "kubernetes_cluster").await;
        let item = item.map_err(|fault| must_be_there(fault, "the cluster of the pool"))?;
        pool.settling |= mapped(map::kubernetes::cluster(&item, &Context::default()))?.settling;
        Ok(pool)
    }

    async fn database_firewall(self, cluster: &str) -> Result<ListedResource, Fault> {
        let database = match self.get(&["databases", cluster], "database").await {
            Err(Fault::NotFound) => return self.replica_firewall(cluster).await,
            database => database?,
        };
        // The cluster is there, and with it its firewall, whatever the rules answer.
        let rules = self.run().database_rules(cluster).await;
        let rules = rules.map_err(|why| must_be_there(fault_of(why), "the firewall of the cluster"))?;
        let name = database["name"].as_str().map(str::to_owned);
        Ok(map::database::firewall(cluster, name, &rules))
    }

    /// The trusted sources of a read-only replica, which no list of clusters has: they are answered under its own
    /// id. DigitalOcean's Terraform provider takes such an id as `cluster_id` of a database firewall.
    async fn replica_firewall(self, replica: &str) -> Result<ListedResource, Fault> {
        let rules = self.run().database_rules(replica).await.map_err(fault_of)?;
        Ok(map::database::firewall(replica, None, &rules))
    }

    /// By name: the id of a renewed certificate is another one.
    async fn certificate(self, name: &str) -> Result<ListedResource, Fault> {
        let source = Source {
            query: &[("name", name)],
            ..CERTIFICATES
        };
        // That a list is not there says nothing of the certificate.
        let items = list(self.client, &source, self.until).await;
        let items = items.map_err(|why| must_be_there(fault_of(why), "the list of certificates"))?;
        let context = Context::default();
        let mut all = items
            .iter()
            .filter_map(|item| map::certificates::certificate(item, &context));
        all.find(|certificate| certificate.provider_id == name)
            .ok_or(Fault::NotFound)
    }
}
