//! The format of an inventory file. Its resources are kept as they are read, so that a large file needs no more memory
//! than a small one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::domain::inventory::ListedResource;
use crate::domain::validation::is_comparable;
use crate::error::{Error, Result};
use crate::provider::json::Object;
use crate::provider::spool::{Resources, Spool};

/// The reason for rejecting a resource with a number that databases cannot store.
const BEYOND_64_BITS: &str = "attrs contains an integer beyond 64 bits";

/// The reasons for rejecting resources, by kind and id.
pub(in crate::provider) type Refused = BTreeMap<(String, String), String>;

/// The contents of a file.
pub(in crate::provider) struct Document {
    provider: Option<String>,
    spool: Spool,
    refused: Refused,
    /// The error of adding a resource.
    failed: Option<Error>,
}

/// The file without its resources.
#[derive(Deserialize)]
struct Named {
    provider: String,
    #[serde(rename = "resources")]
    _resources: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Provider,
    Resources,
}

/// A resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::provider) struct Entry {
    /// Kind within the provider.
    pub(in crate::provider) kind: String,
    provider_id: String,
    name: Option<String>,
    urn: Option<String>,
    region: Option<String>,
    size_slug: Option<String>,
    status: Option<String>,
    tags: Option<Vec<String>>,
    ip: Option<String>,
    vpc_uuid: Option<String>,
    project_id: Option<String>,
    attrs: Option<Map<String, Value>>,
}

impl Document {
    /// Creates a document without resources.
    pub(in crate::provider) fn of(provider: Option<String>) -> Self {
        Self {
            spool: Spool::new(provider.as_deref().unwrap_or_default()),
            provider,
            refused: Refused::new(),
            failed: None,
        }
    }

    /// Reads a file. `open` opens it, and is called again if the file has to be read twice.
    ///
    /// # Errors
    /// The message has the line and column, or the unknown key.
    pub(super) fn read<R: io::Read>(mut open: impl FnMut() -> io::Result<R>) -> Result<Self, String> {
        let mut open = || open().map_err(|why| why.to_string());
        let mut document = Self::of(None);
        let mut read = document.fill(open()?);
        if document.provider.is_none() {
            // The resources came before the provider, on which their handling depends. So the file is read again with
            // the provider.
            let named = serde_json::from_reader::<_, Object<Named>>(open()?);
            document = Self::of(Some(
                named.map(|Object(named)| named.provider).unwrap_or_default(),
            ));
            read = document.fill(open()?);
        }
        match read {
            Ok(()) => Ok(document),
            Err(_) if document.failed.is_some() => Ok(document),
            Err(why) => Err(why.to_string()),
        }
    }

    fn fill(&mut self, text: impl io::Read) -> serde_json::Result<()> {
        let mut text = serde_json::Deserializer::from_reader(text);
        text.deserialize_map(Root(self))?;
        text.end()
    }

    /// Returns the provider, the resources by kind, and those that were rejected.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a value cannot be stored; the message names it.
    pub(in crate::provider) fn finish(self) -> Result<(String, BTreeMap<String, Resources>, Refused)> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((
                self.provider.unwrap_or_default(),
                self.spool.finish()?,
                self.refused,
            )),
        }
    }

    /// Returns the number of rejected resources.
    pub(in crate::provider) fn rejected(&self) -> usize {
        self.refused.len()
    }

    /// Adds a kind, which may have no resources.
    pub(in crate::provider) fn add_kind(&mut self, kind: &str) {
        self.spool.add_kind(kind);
    }

    /// Adds a resource unless it is rejected. A rejected resource does not fail the others.
    pub(in crate::provider) fn add(&mut self, entry: Entry) -> Result<()> {
        let attrs = Value::Object(entry.attrs.unwrap_or_default());
        if !is_comparable(&attrs) {
            self.spool.add_kind(&entry.kind);
            self.refused
                .insert((entry.kind, entry.provider_id), BEYOND_64_BITS.to_owned());
            return Ok(());
        }
        let Value::Object(attrs) = attrs else {
            return Ok(());
        };
        let provider = self.provider.as_deref().unwrap_or_default();
        let urn = entry
            .urn
            .unwrap_or_else(|| format!("{provider}:{}:{}", entry.kind, entry.provider_id));
        let resource = ListedResource {
            provider_id: entry.provider_id,
            urn,
            name: entry.name.unwrap_or_default(),
            region: entry.region,
            size_slug: entry.size_slug,
            status: entry.status,
            tags: entry.tags.unwrap_or_default(),
            ip: entry.ip,
            vpc_uuid: entry.vpc_uuid,
            project_id: entry.project_id,
            attrs,
            settling: false,
            unread_fields: BTreeSet::new(),
        };
        self.spool.add(&entry.kind, &resource)
    }
}

/// Reads the object that the file consists of.
struct Root<'d>(&'d mut Document);

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(document) = self;
        let (mut named, mut listed) = (false, false);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Provider if named => return Err(A::Error::duplicate_field("provider")),
                Field::Provider => {
                    named = true;
                    let provider: String = map.next_value()?;
                    if document.provider.as_ref() != Some(&provider) {
                        *document = Document::of(Some(provider));
                    }
                }
                Field::Resources if listed => return Err(A::Error::duplicate_field("resources")),
                Field::Resources if document.provider.is_none() => {
                    return Err(A::Error::custom("the provider is not known yet"));
                }
                Field::Resources => {
                    listed = true;
                    map.next_value_seed(Entries(document))?;
                }
            }
        }
        match (named, listed) {
            (true, true) => Ok(()),
            (false, _) => Err(A::Error::missing_field("provider")),
            (_, false) => Err(A::Error::missing_field("resources")),
        }
    }
}

/// Reads the list of resources.
struct Entries<'d>(&'d mut Document);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self(document) = self;
        while let Some(Object(entry)) = entries.next_element::<Object<Entry>>()? {
            if let Err(error) = document.add(entry) {
                document.failed = Some(error);
                return Err(A::Error::custom("a resource could not be kept"));
            }
        }
        Ok(())
    }
}
