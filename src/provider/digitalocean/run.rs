//! The requests of one listing of the account. A list that several kinds need is requested once.

use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::Client;
use super::kinds::{CERTIFICATES, CLUSTERS, DATABASES, DOMAINS, Lists, PROJECTS};
use super::map::{self, Context, id_text};
use super::owners::Owners;
use super::paging::{ApiList, ListError, list};
use crate::domain::inventory::ListedResource;

type Lazy = OnceCell<Result<Vec<Value>, ListError>>;

/// The API rejected the token (401), so all other requests would fail too.
#[derive(Debug)]
pub(super) struct TokenRefused;

/// A listing of the account that is in progress, with the lists that several kinds share.
pub(super) struct Run<'a> {
    pub(super) client: &'a Client,
    until: Instant,
    pub(super) owners_of_projects: OnceCell<Result<Owners, ListError>>,
    domains: Lazy,
    databases: Lazy,
    clusters: Lazy,
    certificates: Lazy,
    projects: Lazy,
}

impl<'a> Run<'a> {
    /// Creates a run that ends at `until`.
    pub(super) fn new(client: &'a Client, until: Instant) -> Self {
        Self {
            client,
            until,
            domains: Lazy::new(),
            databases: Lazy::new(),
            clusters: Lazy::new(),
            certificates: Lazy::new(),
            projects: Lazy::new(),
            owners_of_projects: OnceCell::new(),
        }
    }

    pub(super) async fn list_resources(&self, lists: &Lists) -> Result<Vec<ListedResource>, ListError> {
        let all = try_join_all(lists.api_lists.iter().map(|api_list| self.items(api_list))).await?;
        let mut items: Vec<Value> = all.into_iter().flatten().collect();
        // Certificates are stored by name. Of two with the same name, `complete` keeps the last one. So they are sorted
        // by time, and the newer one is kept.
        items.sort_by_cached_key(|item| item["created_at"].as_str().unwrap_or_default().to_owned());
        let context = self.context_for(&items).await?;
        let mapped: Option<Vec<_>> = items.iter().map(|item| (lists.map)(item, &context)).collect();
        mapped.ok_or_else(|| {
            let path = lists.api_lists.first().map_or(&[][..], |api_list| api_list.path);
            ListError::Incomplete(format!("/v2/{}: an item has no id", path.join("/")))
        })
    }

    /// Returns the names of all certificates if these items refer to any, otherwise an empty context.
    pub(super) async fn context_for(&self, items: &[Value]) -> Result<Context, ListError> {
        if items
            .iter()
            .all(|item| map::certificates::certificates_of(item).is_empty())
        {
            return Ok(Context::default());
        }
        let certificates = self.items(&CERTIFICATES).await.map_err(|why| match why {
            ListError::Unauthorized => ListError::Unauthorized,
            ListError::Forbidden(why) | ListError::Absent(why) | ListError::Incomplete(why) => {
                ListError::Incomplete(format!("the names of certificates could not be read: {why}"))
            }
        })?;
        let names = certificates.iter().filter_map(|certificate| {
            let name = certificate["name"].as_str()?.to_owned();
            Some((id_text(&certificate["id"])?, name))
        });
        Ok(Context {
            certificates: names.collect(),
        })
    }

    pub(super) async fn records(&self) -> Result<Vec<ListedResource>, ListError> {
        let domains = self.items(&DOMAINS).await?;
        let names = domains.iter().filter_map(|domain| domain["name"].as_str());
        self.list_children(names.map(str::to_lowercase).collect(), |domain| async move {
            let path = ["domains", &domain, "records"];
            let api_list = ApiList {
                path: &path,
                query: &[],
                key: "domain_records",
                id: "id",
                paged: true,
            };
            let items = list(self.client, &api_list, self.until).await?;
            let kept = items.iter().filter(|item| map::dns::is_kept(item));
            Ok(kept.filter_map(|item| map::dns::record(item, &domain)).collect())
        })
        .await
    }

    pub(super) async fn database_firewalls(&self) -> Result<Vec<ListedResource>, ListError> {
        let databases = self.items(&DATABASES).await?;
        self.list_children(databases, |database| async move {
            let Some(id) = id_text(&database["id"]) else {
                return Err(ListError::Incomplete(
                    "/v2/databases: an item has no id".to_owned(),
                ));
            };
            let name = database["name"].as_str().map(str::to_owned);
            let rules = self.database_rules(&id).await?;
            Ok(vec![map::database::firewall(&id, name, &rules)])
        })
        .await
    }

    pub(super) async fn database_rules(&self, cluster: &str) -> Result<Vec<Value>, ListError> {
        let path = ["databases", cluster, "firewall"];
        let api_list = ApiList {
            path: &path,
            query: &[],
            key: "rules",
            id: "uuid",
            paged: false,
        };
        list(self.client, &api_list, self.until).await
    }

    pub(super) async fn node_pools(&self) -> Result<Vec<ListedResource>, ListError> {
        let clusters = self.items(&CLUSTERS).await?;
        let mut all = Vec::new();
        for item in &clusters {
            let Some(cluster) = map::kubernetes::cluster(item, &Context::default()) else {
                continue;
            };
            let pools = item["node_pools"].as_array().map_or(&[][..], Vec::as_slice);
            for pool in pools {
                let mapped = map::kubernetes::pool(pool, &cluster.provider_id);
                let Some(mut pool) = mapped else {
                    return Err(ListError::Incomplete("a node pool has no id".to_owned()));
                };
                pool.settling |= cluster.settling;
                all.push(pool);
            }
        }
        Ok(all)
    }

    /// Lists the children of each parent. The first failure ends all requests, because the kind cannot be complete.
    async fn list_children<P, F>(
        &self,
        parents: Vec<P>,
        children: impl Fn(P) -> F,
    ) -> Result<Vec<ListedResource>, ListError>
    where
        F: Future<Output = Result<Vec<ListedResource>, ListError>>,
    {
        let all: Vec<Vec<ListedResource>> = stream::iter(parents)
            .map(children)
            .buffer_unordered(self.client.limits.in_flight)
            .try_collect()
            .await
            .map_err(|why| match why {
                // The parent was deleted after it was listed.
                ListError::Absent(why) => ListError::Incomplete(why),
                why => why,
            })?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Returns the items of a list. A list that several kinds need is requested once.
    pub(super) async fn items(&self, api_list: &ApiList<'_>) -> Result<Vec<Value>, ListError> {
        let request = || list(self.client, api_list, self.until);
        let shared = match api_list.path {
            path if path == DOMAINS.path => &self.domains,
            path if path == DATABASES.path => &self.databases,
            path if path == CLUSTERS.path => &self.clusters,
            path if path == CERTIFICATES.path => &self.certificates,
            path if path == PROJECTS.path => &self.projects,
            _ => return request().await,
        };
        shared.get_or_init(request).await.clone()
    }
}
