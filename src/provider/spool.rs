//! The resources of a listing, kept compactly: few in memory, many in temporary files. However many they are, they
//! take a few MiB of memory.
//!
//! Resources are added in any order. They are read kind by kind, in the order of their ids.

mod bytes;
mod keys;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::bytes::Bytes;
use self::keys::{KeyOfKind, Sorter};
use super::checks::{check_resource, check_slug};
use super::traits;
use crate::domain::digest::Digest;
use crate::domain::inventory::ListedResource;
use crate::domain::redaction::plain_members;
use crate::domain::validation::InvalidInput;
use crate::error::{Error, Result};

pub(crate) use self::keys::Key;

/// The resources of one kind, each with another id, in the order of their ids. Clones share them.
#[derive(Clone, Default)]
pub struct Resources {
    of: Arc<Spooled>,
    keys: Range<u64>,
    len: usize,
}

/// All resources of the finished spool and the keys to them.
#[derive(Default)]
struct Spooled {
    data: Bytes,
    keys: Bytes,
    unread_fields: Vec<BTreeSet<&'static str>>,
}

impl Resources {
    /// Returns these resources of a kind.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if one of them cannot be stored or its id occurs twice.
    pub fn new(
        provider: &str,
        kind: &str,
        resources: impl IntoIterator<Item = ListedResource>,
    ) -> Result<Self> {
        let mut spool = Spool::new(provider);
        spool.add_kind(kind);
        for resource in resources {
            spool.add(kind, &resource)?;
        }
        Ok(spool.finish()?.remove(kind).unwrap_or_default())
    }

    /// Returns the number of resources.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no resources.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns all resources.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    pub fn to_vec(&self) -> Result<Vec<ListedResource>> {
        self.keys().map(|key| self.read(&key?)).collect()
    }

    /// Returns the keys in the order of ids.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Result<Key>> + Send + '_ {
        let keys = keys::read(&self.of.keys, self.keys.clone());
        keys.map(|key| key.map(|of_kind| of_kind.key).map_err(|why| failed(&why)))
    }

    /// Returns the resource of a key.
    pub(crate) fn read(&self, key: &Key) -> Result<ListedResource> {
        let record = self
            .of
            .data
            .read(key.place, key.bytes)
            .map_err(|why| failed(&why))?;
        let record: Record<String, Vec<String>, Map<String, Value>> =
            serde_json::from_slice(&record).map_err(|why| failed(&why.into()))?;
        let (urn, name, region, size_slug, status, tags, ip, vpc_uuid, project_id, attrs, settling, unread) =
            record;
        Ok(ListedResource {
            provider_id: key.provider_id.clone(),
            urn,
            name,
            region,
            size_slug,
            status,
            tags,
            ip,
            vpc_uuid,
            project_id,
            attrs,
            settling,
            unread_fields: self.of.unread_fields.get(unread).cloned().unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} resources", self.len)
    }
}

/// The stored form of a resource without its id: its fields in their order, and the number of its set of unread fields.
type Record<S, T, A> = (
    S,
    S,
    Option<S>,
    Option<S>,
    Option<S>,
    T,
    Option<S>,
    Option<S>,
    Option<S>,
    A,
    bool,
    usize,
);

/// Collects the resources of a listing, in any order.
pub(super) struct Spool {
    provider: String,
    numbers: BTreeMap<String, usize>,
    kinds: Vec<OfKind>,
    data: Bytes,
    keys: Sorter,
    unread_fields: Vec<BTreeSet<&'static str>>,
    record: Vec<u8>,
}

/// A kind and its resources.
#[derive(Default)]
struct OfKind {
    len: usize,
    /// The range of its keys.
    keys: Range<u64>,
    /// The position of its first resource that cannot be stored, and the reason.
    fault: Option<(u64, InvalidInput)>,
}

impl OfKind {
    fn note(&mut self, place: u64, why: InvalidInput) {
        if self.fault.as_ref().is_none_or(|(first, _)| place <= *first) {
            self.fault = Some((place, why));
        }
    }
}

impl Spool {
    /// Creates a spool for resources of this provider.
    pub(super) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            numbers: BTreeMap::new(),
            kinds: Vec::new(),
            data: Bytes::default(),
            keys: Sorter::default(),
            unread_fields: vec![BTreeSet::new()],
            record: Vec::new(),
        }
    }

    /// Adds a kind, which may have no resources, and returns its number.
    pub(super) fn add_kind(&mut self, kind: &str) -> usize {
        if let Some(number) = self.numbers.get(kind) {
            return *number;
        }
        self.numbers.insert(kind.to_owned(), self.kinds.len());
        self.kinds.push(OfKind::default());
        self.kinds.len() - 1
    }

    /// Adds a resource. If it cannot be stored, [`Spool::finish`] returns the error.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if the temporary file cannot be written.
    pub(super) fn add(&mut self, kind: &str, resource: &ListedResource) -> Result<()> {
        let number = self.add_kind(kind);
        let plain;
        let resource = match plain_members(&resource.attrs) {
            Cow::Borrowed(_) => resource,
            Cow::Owned(attrs) => {
                plain = ListedResource {
                    attrs,
                    ..resource.clone()
                };
                &plain
            }
        };
        let checked = check_resource(resource);
        self.record.clear();
        match &checked {
            Ok(()) => self.encode(resource)?,
            // The resource needs its own position in the order of resources, too.
            Err(_) => self.record.push(b' '),
        }
        let owned = checked.is_ok() && (traits::rules(&self.provider, kind).is_owned)(resource);
        let place = self.data.append(&self.record).map_err(|why| failed(&why))?;
        let key = Key {
            provider_id: resource.provider_id.clone(),
            digest: Digest::of(resource, owned),
            place,
            bytes: self.record.len(),
        };
        if let Some(of_kind) = self.kinds.get_mut(number) {
            of_kind.len += 1;
            if let (Err(why), None) = (checked, &of_kind.fault) {
                let why = format!("{kind} {:?}: {why}", resource.provider_id);
                of_kind.note(place, InvalidInput::new(why));
            }
        }
        self.keys
            .add(KeyOfKind { kind: number, key })
            .map_err(|why| failed(&why))
    }

    fn encode(&mut self, resource: &ListedResource) -> Result<()> {
        let unread = &resource.unread_fields;
        let known = self.unread_fields.iter().position(|fields| fields == unread);
        let unread = known.unwrap_or_else(|| {
            self.unread_fields.push(unread.clone());
            self.unread_fields.len() - 1
        });
        let record: Record<&String, &Vec<String>, &Map<String, Value>> = (
            &resource.urn,
            &resource.name,
            resource.region.as_ref(),
            resource.size_slug.as_ref(),
            resource.status.as_ref(),
            &resource.tags,
            resource.ip.as_ref(),
            resource.vpc_uuid.as_ref(),
            resource.project_id.as_ref(),
            &resource.attrs,
            resource.settling,
            unread,
        );
        serde_json::to_writer(&mut self.record, &record).map_err(|why| failed(&why.into()))
    }

    /// Returns the resources by kind.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a resource cannot be stored, or an id occurs twice in one kind. The message names the first
    /// one. UPSTREAM_UNAVAILABLE if the temporary file cannot be read or written.
    pub(super) fn finish(mut self) -> Result<BTreeMap<String, Resources>> {
        let sorted = self.sort().map_err(|why| failed(&why))?;
        check_slug("provider", &self.provider)?;
        for (kind, number) in &self.numbers {
            check_slug("kind", kind)?;
            if let Some((_, why)) = self
                .kinds
                .get_mut(*number)
                .and_then(|of_kind| of_kind.fault.take())
            {
                return Err(why.into());
            }
        }
        self.data.finish().map_err(|why| failed(&why))?;
        let of = Arc::new(Spooled {
            data: self.data,
            keys: sorted,
            unread_fields: self.unread_fields,
        });
        let kinds = self.numbers.into_iter().filter_map(|(kind, number)| {
            let OfKind { len, keys, .. } = self.kinds.get(number)?;
            let (of, keys, len) = (Arc::clone(&of), keys.clone(), *len);
            Some((kind, Resources { of, keys, len }))
        });
        Ok(kinds.collect())
    }

    /// Sorts the keys, and records ids that occur twice.
    fn sort(&mut self) -> io::Result<Bytes> {
        let names: BTreeMap<usize, &String> = self
            .numbers
            .iter()
            .map(|(kind, number)| (*number, kind))
            .collect();
        let (kinds, mut sorted) = (&mut self.kinds, Bytes::default());
        let (mut encoded, mut last) = (Vec::new(), None::<KeyOfKind>);
        for key in std::mem::take(&mut self.keys).sorted()? {
            let key = key?;
            encoded.clear();
            key.encode(&mut encoded);
            let start = sorted.append(&encoded)?;
            let Some(of_kind) = kinds.get_mut(key.kind) else {
                continue;
            };
            if of_kind.keys.is_empty() {
                of_kind.keys.start = start;
            }
            of_kind.keys.end = start + encoded.len() as u64;
            let is_same = |last: &KeyOfKind| last.is_of_the_resource_of(&key);
            if last.as_ref().is_some_and(is_same) {
                let kind = names.get(&key.kind).map_or("", |kind| kind.as_str());
                let why = format!("{kind} {:?}: is listed twice", key.key.provider_id);
                of_kind.note(key.key.place, InvalidInput::new(why));
            }
            last = Some(key);
        }
        sorted.finish()?;
        Ok(sorted)
    }
}

fn failed(why: &io::Error) -> Error {
    Error::Upstream(format!(
        "the listing could not be kept in a temporary file, so nothing was changed: {why}"
    ))
}

#[cfg(test)]
mod tests;
