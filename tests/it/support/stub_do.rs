//! A stub of DigitalOcean's API. The test sets its account and its faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const TOKEN: &str = "dop_v1_token-of-the-test";

/// A request that the stub received.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    /// The path without `/v2/`.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
}

impl ReceivedRequest {
    fn page(&self) -> usize {
        self.query.get("page").map_or(1, |page| page.parse().unwrap())
    }

    /// Returns whether the request is for this page of the list of all droplets.
    pub(crate) fn is_droplets(&self, page: usize) -> bool {
        self.path == "droplets" && !self.query.contains_key("type") && self.page() == page
    }
}

/// A function that replaces or changes the normal response to a request.
type Fault = Box<dyn Fn(&ReceivedRequest, NormalAnswer) -> Answer + Send + Sync>;
/// The normal response. `None` stands for status 404.
type NormalAnswer = Option<Value>;

/// The response to a request.
pub(crate) enum Answer {
    /// Status 200 with this body.
    Json(Value),
    /// Any other response.
    Other(Response),
    /// No response: the request hangs.
    Hang,
}

/// Creates a response with a status, headers and a text.
pub(crate) fn response<const N: usize>(status: u16, headers: [(&str, &str); N], body: &str) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Answer::Other(response.body(Body::from(body.to_owned())).unwrap())
}

/// Returns the normal response, or status 404.
pub(crate) fn normal_answer(value: NormalAnswer) -> Answer {
    match value {
        Some(value) => Answer::Json(value),
        None => response(
            404,
            [],
            r#"{"id":"not_found","message":"The resource you requested could not be found."}"#,
        ),
    }
}

#[derive(Default)]
struct Account {
    uuid: String,
    team: Option<String>,
    lists: BTreeMap<String, Vec<Value>>,
    requests: Vec<ReceivedRequest>,
    fault: Option<Arc<Fault>>,
}

/// The stub server. It ends when dropped.
pub(crate) struct StubDo {
    pub(crate) url: String,
    account: Arc<Mutex<Account>>,
    server: JoinHandle<()>,
}

impl Drop for StubDo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl StubDo {
    pub(crate) async fn start() -> Self {
        let account = Arc::new(Mutex::new(Account {
            uuid: "account-1".to_owned(),
            ..Account::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&account));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, account, server }
    }

    /// Sets the items of a list. The key of a list is its path, or `gpus` for droplets with a GPU.
    pub(crate) fn has(&self, path: &str, items: impl IntoIterator<Item = Value>) {
        let items = items.into_iter().collect();
        self.account.lock().unwrap().lists.insert(path.to_owned(), items);
    }

    /// Deletes the item at this position of a list.
    pub(crate) fn delete(&self, path: &str, index: usize) -> Value {
        delete(&self.account, path, index)
    }

    /// Returns a function that deletes an item, for use in a fault.
    pub(crate) fn deleter(&self, path: &'static str, index: usize) -> impl Fn() + Send + Sync + 'static {
        let account = Arc::clone(&self.account);
        move || {
            delete(&account, path, index);
        }
    }

    /// Changes the item at this position of a list.
    pub(crate) fn change(&self, path: &str, index: usize, change: impl FnOnce(&mut Value)) {
        change(&mut self.account.lock().unwrap().lists.get_mut(path).unwrap()[index]);
    }

    /// Sets the account and the team of the token.
    pub(crate) fn set_account_id(&self, uuid: &str, team: Option<&str>) {
        let mut account = self.account.lock().unwrap();
        account.uuid = uuid.to_owned();
        account.team = team.map(str::to_owned);
    }

    /// Applies a fault to every request from now on.
    pub(crate) fn fault(
        &self,
        fault: impl Fn(&ReceivedRequest, NormalAnswer) -> Answer + Send + Sync + 'static,
    ) {
        self.account.lock().unwrap().fault = Some(Arc::new(Box::new(fault)));
    }

    /// Returns the requests since the start or the last [`forget_asked`](Self::forget_asked).
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.account.lock().unwrap().requests.clone()
    }

    pub(crate) fn clear_requests(&self) {
        self.account.lock().unwrap().requests.clear();
    }
}

fn delete(account: &Mutex<Account>, path: &str, index: usize) -> Value {
    account.lock().unwrap().lists.get_mut(path).unwrap().remove(index)
}

async fn answer(State(account): State<Arc<Mutex<Account>>>, request: Request) -> Response {
    let request = received_request(&request);
    let (normal, fault) = {
        let mut account = account.lock().unwrap();
        account.requests.push(request.clone());
        if request.token.as_deref() != Some(&format!("Bearer {TOKEN}")) {
            let body = r#"{"id":"unauthorized","message":"Unable to authenticate you."}"#;
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
        (account.answer(&request), account.fault.clone())
    };
    let answer = match fault {
        Some(fault) => fault(&request, normal),
        None => normal_answer(normal),
    };
    match answer {
        Answer::Json(value) => {
            ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
        }
        Answer::Other(response) => response,
        Answer::Hang => std::future::pending().await,
    }
}

fn received_request(request: &Request) -> ReceivedRequest {
    let query = request.uri().query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let token = request.headers().get(header::AUTHORIZATION);
    ReceivedRequest {
        method: request.method().to_string(),
        path: request.uri().path().trim_start_matches("/v2/").to_owned(),
        query: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        token: token.map(|token| token.to_str().unwrap().to_owned()),
    }
}

/// Path, key of the list in a response, key of a single object in a response, id field, and whether the list has pages.
const LISTS: [(&str, &str, &str, &str, bool); 18] = [
    ("actions", "actions", "action", "id", true),
    ("droplets", "droplets", "droplet", "id", true),
    ("volumes", "volumes", "volume", "id", true),
    ("load_balancers", "load_balancers", "load_balancer", "id", true),
    ("databases", "databases", "database", "id", false),
    ("firewalls", "firewalls", "firewall", "id", true),
    ("vpcs", "vpcs", "vpc", "id", true),
    ("domains", "domains", "domain", "name", true),
    ("records", "domain_records", "domain_record", "id", true),
    (
        "kubernetes/clusters",
        "kubernetes_clusters",
        "kubernetes_cluster",
        "id",
        true,
    ),
    ("reserved_ips", "reserved_ips", "reserved_ip", "ip", true),
    ("apps", "apps", "app", "id", true),
    ("certificates", "certificates", "certificate", "id", true),
    ("cdn/endpoints", "endpoints", "endpoint", "id", true),
    ("projects", "projects", "project", "id", true),
    ("snapshots", "snapshots", "snapshot", "id", true),
    ("images", "images", "image", "id", true),
    ("uptime/checks", "checks", "check", "id", true),
];

impl Account {
    fn answer(&self, request: &ReceivedRequest) -> NormalAnswer {
        if request.path == "account" {
            let mut account = json!({ "uuid": self.uuid, "email": "ada@example.com", "status": "active" });
            if let Some(team) = &self.team {
                account["team"] = json!({ "uuid": team, "name": "Team" });
            }
            return Some(json!({ "account": account }));
        }
        if request.path == "registries" {
            return Some(json!({ "registries": self.items("registries") }));
        }
        if let Some(cluster) = request.path.strip_suffix("/firewall") {
            let known = cluster.strip_prefix("databases/").filter(|id| {
                ["databases", "replicas"]
                    .iter()
                    .any(|list| self.find(list, "id", id).is_some())
            });
            return known.map(|_| json!({ "rules": self.items(&request.path) }));
        }
        if request.path == "droplets/autoscale" {
            let pools = self.items(&request.path);
            return Some(page(&request.path, "autoscale_pools", pools, request));
        }
        // Droplets of an existing pool, or resources of an existing project.
        for (owners, list, key) in [
            ("droplets/autoscale", "members", "droplets"),
            ("projects", "resources", "resources"),
        ] {
            let owner = request
                .path
                .strip_suffix(list)
                .and_then(|path| path.strip_suffix('/'));
            if let Some((_, id)) = owner
                .and_then(|path| path.rsplit_once('/'))
                .filter(|(path, _)| *path == owners)
            {
                self.find(owners, "id", id)?;
                return Some(page(&request.path, key, self.items(&request.path), request));
            }
        }
        let kind = |path: &str| {
            LISTS
                .into_iter()
                .find(|(list, ..)| path == *list || path.ends_with("/records") && *list == "records")
        };
        if let Some((path, list, _, _, paged)) = kind(&request.path) {
            let parent = request
                .path
                .strip_prefix("domains/")
                .and_then(|path| path.strip_suffix("/records"));
            if parent.is_some_and(|domain| self.find("domains", "name", domain).is_none()) {
                return None;
            }
            let name = match request.query.get("type").map(String::as_str) {
                Some("gpus") => "gpus",
                _ => request.path.as_str(),
            };
            let mut items = self.items(name);
            if let Some(name) = request.query.get("name") {
                items.retain(|item| item["name"] == **name);
            }
            return Some(if paged {
                page(path, list, items, request)
            } else {
                json!({ list: items })
            });
        }
        let (parent, id) = request.path.rsplit_once('/')?;
        if let Some(cluster) = parent
            .strip_prefix("kubernetes/clusters/")
            .and_then(|path| path.strip_suffix("/node_pools"))
        {
            let pools = self.find("kubernetes/clusters", "id", cluster)?["node_pools"].clone();
            let pool = pools.as_array()?.iter().find(|pool| pool["id"] == id)?.clone();
            return Some(json!({ "node_pool": pool }));
        }
        let (_, _, one, key, _) = kind(parent)?;
        let found = self
            .find(parent, key, id)
            .or_else(|| self.find("gpus", "id", id).filter(|_| parent == "droplets"));
        found.map(|item| json!({ one: item }))
    }

    fn items(&self, path: &str) -> Vec<Value> {
        self.lists.get(path).cloned().unwrap_or_default()
    }

    fn find(&self, path: &str, key: &str, id: &str) -> Option<Value> {
        let matches = |item: &&Value| {
            let text = match &item[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            text == id
        };
        self.lists.get(path)?.iter().find(matches).cloned()
    }
}

fn page(path: &str, list: &str, items: Vec<Value>, request: &ReceivedRequest) -> Value {
    let per_page: usize = request
        .query
        .get("per_page")
        .map_or(20, |size| size.parse().unwrap());
    assert!(per_page <= 200, "{request:?}");
    let (total, page) = (items.len(), request.page());
    let here: Vec<Value> = items
        .into_iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .collect();
    let link = |page| format!("https://api.digitalocean.com/v2/{path}?page={page}&per_page={per_page}");
    let links = if page * per_page < total {
        json!({ "pages": { "next": link(page + 1), "last": link(total.div_ceil(per_page)) } })
    } else {
        json!({})
    };
    json!({ list: here, "links": links, "meta": { "total": total } })
}
