//! A cloud whose resources a test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use drift_inbox::domain::inventory::ListedResource;
use drift_inbox::error::{Error, Result};
use drift_inbox::provider::{Account, InventoryProvider, KindListing, Listing, Presence, Resources};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

/// A provider whose listings the test sets.
#[derive(Default)]
pub(crate) struct Cloud {
    resources: Mutex<Vec<Listed>>,
    fault: Mutex<Option<String>>,
    unread: Mutex<BTreeMap<String, KindListing>>,
    unread_fields: Mutex<BTreeMap<String, BTreeSet<&'static str>>>,
    hidden: Mutex<BTreeMap<(String, String), Presence>>,
    account: Mutex<Option<String>>,
    pause: tokio::sync::Mutex<()>,
}

impl Cloud {
    /// Replaces all resources.
    pub(crate) fn set(&self, resources: impl IntoIterator<Item = Listed>) {
        *self.resources.lock().unwrap() = resources.into_iter().collect();
    }

    /// Makes every listing fail with this error, or with `None` succeed again.
    pub(crate) fn fail(&self, why: Option<&str>) {
        *self.fault.lock().unwrap() = why.map(str::to_owned);
    }

    /// Sets the listings of these kinds, independent of the resources.
    pub(crate) fn unread(&self, kinds: impl IntoIterator<Item = (&'static str, KindListing)>) {
        *self.unread.lock().unwrap() = kinds
            .into_iter()
            .map(|(kind, what)| (kind.to_owned(), what))
            .collect();
    }

    /// Sets the unread fields as pairs of kind and field.
    pub(crate) fn set_unread_fields(&self, fields: impl IntoIterator<Item = (&'static str, &'static str)>) {
        let mut unread: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for (kind, field) in fields {
            unread.entry(kind.to_owned()).or_default().insert(field);
        }
        *self.unread_fields.lock().unwrap() = unread;
    }

    /// Sets the result of the check whether a resource is gone. The default is `Presence::Gone`.
    pub(crate) fn set_presence(&self, kind: &str, provider_id: &str, presence: Presence) {
        self.hidden
            .lock()
            .unwrap()
            .insert((kind.to_owned(), provider_id.to_owned()), presence);
    }

    /// Sets the account.
    pub(crate) fn set_account_id(&self, account: &str) {
        self.set_account(Some(account));
    }

    /// Sets the account. An inventory file has none.
    pub(crate) fn set_account(&self, account: Option<&str>) {
        *self.account.lock().unwrap() = account.map(str::to_owned);
    }

    /// Makes listings wait until the guard is dropped.
    pub(crate) async fn hang(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.pause.lock().await
    }
}

impl InventoryProvider for Cloud {
    fn source(&self) -> String {
        "cloud".to_owned()
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        let account = self.account.lock().unwrap().clone();
        let provider = "digitalocean".to_owned();
        async { Ok(account.map(|id| Account { provider, id })) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        async move {
            drop(self.pause.lock().await);
            if let Some(why) = self.fault.lock().unwrap().clone() {
                return Err(Error::Upstream(why));
            }
            let mut kinds: BTreeMap<String, Vec<ListedResource>> = BTreeMap::new();
            for Listed { kind, resource } in self.resources.lock().unwrap().clone() {
                kinds.entry(kind).or_default().push(resource);
            }
            let complete = |(kind, listed): (String, Vec<ListedResource>)| {
                let listed = Resources::new("digitalocean", &kind, listed)?;
                Ok((kind, KindListing::Complete(listed)))
            };
            let mut kinds: BTreeMap<String, KindListing> =
                kinds.into_iter().map(complete).collect::<Result<_>>()?;
            kinds.extend(self.unread.lock().unwrap().clone());
            Ok(Listing {
                provider: "digitalocean".to_owned(),
                account: None,
                started_at: now,
                kinds,
                notes: BTreeMap::new(),
                unread_fields: self.unread_fields.lock().unwrap().clone(),
                exhaustive: true,
            })
        }
        .boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        _last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        let hidden = self
            .hidden
            .lock()
            .unwrap()
            .get(&(kind.to_owned(), provider_id.to_owned()))
            .cloned();
        async { Ok(hidden.unwrap_or(Presence::Gone)) }.boxed()
    }
}

/// One resource of a cloud.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) kind: String,
    pub(crate) resource: ListedResource,
}

/// Returns a small, active droplet in nyc3. Its provider id is its name.
pub(crate) fn droplet(name: &str) -> Listed {
    Listed::new("droplet", name)
        .region("nyc3")
        .size("s-1vcpu-1gb")
        .status("active")
}

impl Listed {
    pub(crate) fn new(kind: &str, name: &str) -> Self {
        let resource = ListedResource {
            provider_id: name.to_owned(),
            urn: format!("do:{kind}:{name}"),
            name: name.to_owned(),
            region: None,
            size_slug: None,
            status: None,
            tags: Vec::new(),
            ip: None,
            vpc_uuid: None,
            project_id: None,
            attrs: Map::new(),
            settling: false,
            unread_fields: BTreeSet::new(),
        };
        Self {
            kind: kind.to_owned(),
            resource,
        }
    }

    pub(crate) fn region(mut self, region: &str) -> Self {
        self.resource.region = Some(region.to_owned());
        self
    }

    pub(crate) fn size(mut self, size: &str) -> Self {
        self.resource.size_slug = Some(size.to_owned());
        self
    }

    pub(crate) fn status(mut self, status: &str) -> Self {
        self.resource.status = Some(status.to_owned());
        self
    }

    /// Marks the resource as settling.
    pub(crate) fn settling(mut self) -> Self {
        self.resource.settling = true;
        self
    }

    pub(crate) fn tags<const N: usize>(mut self, tags: [&str; N]) -> Self {
        self.resource.tags = tags.map(str::to_owned).to_vec();
        self
    }

    pub(crate) fn attr(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.resource.attrs.insert(name.to_owned(), value.into());
        self
    }
}
