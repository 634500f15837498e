//! Checks with the provider whether the resources that a complete listing lacks are gone, several at a time.
//!
//! The answers are written in batches, so that a run that ends early leaves fewer requests to the next one. A resource
//! without an answer stays as it is.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use serde_json::Map;

use super::SyncCounts;
use super::apply_listing::Kind;
use super::read_stored::{Missing, of_ids, read};
use crate::domain::inventory::StoredResource;
use crate::error::Result;
use crate::provider::{InventoryProvider, Presence};

/// Number of resources whose answers are written together.
const BATCH: usize = 100;
/// Maximum number of concurrent requests. A provider with a lower limit sends fewer.
const AT_ONCE: usize = 8;
/// Maximum number of reasons in the report of one kind.
const REASONS: usize = 3;

/// The answers of the provider for the missing resources of one kind.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    /// Number of resources that exist although the listing lacks them.
    pub(super) there: u64,
    /// Number of unconfirmed resources that an earlier listing contained.
    pub(super) unconfirmed_and_seen: u64,
    /// The reasons why resources are unconfirmed. For each reason: the number of resources, and the id of one of them.
    reasons: BTreeMap<String, (u64, String)>,
}

impl Confirmed {
    /// Returns the number of unconfirmed resources.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.reasons.values().map(|(times, _)| times).sum()
    }

    /// Returns the reasons as text, or None if no resource is unconfirmed.
    pub(super) fn reason(&self) -> Option<String> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
        let mut texts: Vec<String> = reasons
            .iter()
            .take(REASONS)
            .map(|(why, (times, id))| match times {
                1 => format!("{id:?}: {why}"),
                _ => format!("{id:?} and {} more: {why}", times - 1),
            })
            .collect();
        if let Some(others @ 1..) = reasons.len().checked_sub(REASONS) {
            texts.push(format!("and {others} more reasons"));
        }
        let resources = match self.unconfirmed() {
            0 => return None,
            1 => "1 resource is no longer listed, but not confirmed as gone, and keeps its last known values"
                .to_owned(),
            many => {
                format!(
                    "{many} resources are no longer listed, but not confirmed as gone, and keep their \
                     last known values"
                )
            }
        };
        Some(format!("{resources}: {}", texts.join("; ")))
    }

    fn unknown(&mut self, known: &StoredResource, why: String) {
        self.unconfirmed_and_seen += u64::from(known.seen);
        self.reasons
            .entry(why)
            .or_insert_with(|| (0, known.provider_id.clone()))
            .0 += 1;
    }
}

/// The state of the requests to a provider during one sync.
pub(super) struct Asking<'a> {
    provider: &'a dyn InventoryProvider,
    /// The message of the first error. After an error, no further request is sent.
    refused: Option<String>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(provider: &'a dyn InventoryProvider) -> Self {
        Self {
            provider,
            refused: None,
        }
    }

    /// Requests each missing resource of a kind from the provider and writes the answers. Returns None if a newer
    /// listing has claimed the kind.
    pub(super) async fn confirm(
        &mut self,
        kind: Kind<'_>,
        missing: &[Missing],
        counts: &mut SyncCounts,
    ) -> Result<Option<Confirmed>> {
        let mut confirmed = Confirmed::default();
        for batch in missing.chunks(BATCH) {
            let ids = of_ids(batch.iter().map(|missing| missing.id));
            let (mut stored, _) = read(kind.db().reader(), ids).await?;
            stored.retain(|known| !known.gone);
            let (mut gone, mut there) = (Vec::new(), Vec::new());
            for (known, answer) in stored.iter().zip(self.ask_all(kind.kind, &stored).await) {
                match answer {
                    Presence::Gone => gone.push(known.id),
                    Presence::Exists(resource) => there.push(*resource),
                    Presence::Unknown(why) => confirmed.unknown(known, why),
                }
            }
            confirmed.there += there.len() as u64;
            if !kind.write_there(there, counts).await? || !kind.write_gone(&gone, counts).await? {
                return Ok(None);
            }
        }
        Ok(Some(confirmed))
    }

    /// Returns the answer for each of the resources, in their order.
    async fn ask_all(&mut self, kind: &str, stored: &[StoredResource]) -> Vec<Presence> {
        if let Some(why) = &self.refused {
            return stored.iter().map(|_| Presence::Unknown(why.clone())).collect();
        }
        let none = Map::new();
        let mut questions: Vec<BoxFuture<'_, Result<Presence>>> = Vec::with_capacity(stored.len());
        for known in stored {
            let last = known.row.as_ref().and_then(|row| row.attrs.as_object());
            let question = self
                .provider
                .confirm_gone(kind, &known.provider_id, last.unwrap_or(&none));
            questions.push(question);
        }
        let mut answers = Vec::with_capacity(stored.len());
        let mut under_way = stream::iter(questions).buffered(AT_ONCE).boxed();
        while let Some(answer) = under_way.next().await {
            answers.push(answer.unwrap_or_else(|error| {
                // Answers received before the error are used.
                let why = error.public_message();
                self.refused.get_or_insert_with(|| why.clone());
                Presence::Unknown(why)
            }));
            if let Some(why) = &self.refused {
                answers.resize(stored.len(), Presence::Unknown(why.clone()));
                break;
            }
        }
        answers
    }
}
