//! Inventory as JSON lines, for clouds that list their resources with a command line of their own.
//!
//! The first line names the provider, each other line is a resource as in an inventory file, and a line
//! `{"complete": "KIND"}` says that all resources of a kind were listed. Without that line, the list of the kind may have
//! been cut off, so nothing of it is stored and no resource of the kind is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use entity::sources::SourceKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::{Document, Entry, Refused, notes};
use super::json::{Object, UTF8_MARK};
use super::{Account, InventoryProvider, KindListing, Listing, Presence};
use crate::error::{Error, Result};

/// Begin of each error.
const PREFIX: &str = "inventory lines: ";
/// Maximum number of rejected resources, whose reasons are kept in memory.
const MAX_REJECTED: usize = 10_000;
/// Longest line in bytes.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// Maximum size of all lines in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes that are read at a time.
const READ: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    provider: String,
    account: Option<String>,
    /// Kinds that the lines must have. One without its end is incomplete, even if no line is of it.
    #[serde(default)]
    kinds: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Complete {
    complete: String,
}

/// Reads lines as they arrive.
#[derive(Default)]
pub struct LineReader {
    /// The part of the last line that has arrived.
    rest: Vec<u8>,
    number: u64,
    bytes: u64,
    first: Option<First>,
    document: Option<Document>,
    complete: BTreeSet<String>,
    /// Kinds that have a line, or must have one.
    listed: BTreeSet<String>,
    failed: Option<Error>,
}

impl LineReader {
    /// Reads lines until the end, or until one of them is not valid.
    pub fn read(mut from: impl Read) -> Self {
        let mut reader = Self::default();
        let mut buffer = vec![0; READ];
        while reader.failed.is_none() {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => reader.push(&buffer[..read]),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => reader.fail(why.to_string()),
            }
        }
        reader
    }

    /// Adds bytes. After a line that is not valid, the others are ignored.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > MAX_BYTES {
            self.fail(format!("more than {MAX_BYTES} bytes"));
        }
        while self.failed.is_none() {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                if self.rest.len() + bytes.len() > MAX_LINE {
                    self.fail(format!("line {} has more than {MAX_LINE} bytes", self.number + 1));
                    return;
                }
                self.rest.extend_from_slice(bytes);
                return;
            };
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.add(&line);
        }
    }

    /// Records that the lines could not be read to their end.
    pub fn fail(&mut self, why: String) {
        let why = why.strip_prefix(PREFIX).unwrap_or(&why);
        self.failed
            .get_or_insert(Error::Upstream(format!("{PREFIX}{why}")));
    }

    /// Returns the lines as a source.
    pub fn finish(mut self) -> Lines {
        let rest = std::mem::take(&mut self.rest);
        if self.failed.is_none() {
            self.add(&rest);
        }
        let account = self.first.as_ref().and_then(|first| {
            Some(Account {
                provider: first.provider.clone(),
                id: first.account.clone()?,
            })
        });
        let (read, refused) = match self.into_listing() {
            Ok((listing, refused)) => (Ok(listing), refused),
            Err(error) => (Err(error), Refused::new()),
        };
        Lines {
            account,
            read: Mutex::new(Some(read)),
            refused,
        }
    }

    fn add(&mut self, line: &[u8]) {
        self.number += 1;
        let line = if self.number == 1 {
            line.strip_prefix(UTF8_MARK).unwrap_or(line)
        } else {
            line
        };
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        if let Err(why) = self.parse(line) {
            self.fail(format!("line {}: {why}", self.number));
        }
    }

    fn parse(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(document) = &mut self.document else {
            let Object(first) = serde_json::from_slice::<Object<First>>(line)
                .map_err(|why| format!("the first line must be {{\"provider\": \"NAME\"}}: {why}"))?;
            self.document = Some(Document::of(Some(first.provider.clone())));
            self.listed.clone_from(&first.kinds);
            self.first = Some(first);
            return Ok(());
        };
        if let Ok(Object(Complete { complete })) = serde_json::from_slice(line) {
            document.add_kind(&complete);
            self.complete.insert(complete);
            return Ok(());
        }
        let Object(entry) = serde_json::from_slice::<Object<Entry>>(line).map_err(|why| why.to_string())?;
        if self.complete.contains(&entry.kind) {
            return Err(format!("the kind {:?} was complete before this line", entry.kind));
        }
        if !self.listed.contains(&entry.kind) {
            self.listed.insert(entry.kind.clone());
        }
        document.add(entry).map_err(|error| error.public_message())?;
        if document.rejected() > MAX_REJECTED {
            return Err(format!("more than {MAX_REJECTED} resources cannot be compared"));
        }
        Ok(())
    }

    fn into_listing(self) -> Result<(Listing, Refused)> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let document = self
            .document
            .ok_or_else(|| Error::Upstream("inventory lines: there is no line".to_owned()))?;
        let (complete, listed) = (self.complete, self.listed);
        // A command that failed at once leaves only the first line. That is no success.
        if complete.is_empty() {
            let why = "inventory lines: no kind is complete: there is no line {\"complete\": KIND}";
            return Err(Error::Upstream(why.to_owned()));
        }
        let (provider, mut resources, refused) = document.finish().map_err(|error| match error {
            Error::BadUserInput(why) => Error::Upstream(format!("inventory lines: {why}")),
            other => other,
        })?;
        let mut kinds: BTreeMap<String, KindListing> = complete
            .into_iter()
            .map(|kind| {
                let listed = resources.remove(&kind).unwrap_or_default();
                (kind, KindListing::Complete(listed))
            })
            .collect();
        for kind in listed {
            let why =
                || KindListing::Incomplete(format!("no line {{\"complete\": {kind:?}}} ends this kind"));
            kinds.entry(kind.clone()).or_insert_with(why);
        }
        let listing = Listing {
            provider,
            account: None,
            started_at: DateTime::UNIX_EPOCH,
            kinds,
            notes: notes(&refused),
            unread_fields: BTreeMap::new(),
            exhaustive: false,
        };
        Ok((listing, refused))
    }
}

impl io::Write for LineReader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        match &self.failed {
            // The rest of the lines need not be sent.
            Some(error) => Err(io::Error::other(error.public_message())),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that were read. They can be listed once.
pub struct Lines {
    account: Option<Account>,
    read: Mutex<Option<Result<Listing>>>,
    refused: Refused,
}

impl Lines {
    fn take(&self) -> Result<Listing> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let again = || Err(Error::Internal("lines were listed twice".to_owned()));
        read.take().unwrap_or_else(again)
    }
}

impl InventoryProvider for Lines {
    fn source(&self) -> String {
        "lines".to_owned()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Lines
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        async { Ok(self.account.clone()) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        let listing = self.take().map(|listing| Listing {
            started_at: now,
            ..listing
        });
        async { listing }.boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        _last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        // A complete kind has all resources, so one that it lacks is gone. A rejected resource still exists.
        let refused = self.refused.get(&(kind.to_owned(), provider_id.to_owned()));
        let presence = refused.cloned().map_or(Presence::Gone, Presence::Unknown);
        async { Ok(presence) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listing(text: &str) -> Result<Listing> {
        let lines = LineReader::read(text.as_bytes()).finish();
        lines.list(None, DateTime::UNIX_EPOCH).await
    }

    fn outcome(listing: &Listing, kind: &str) -> String {
        match &listing.kinds[kind] {
            KindListing::Complete(resources) => format!("complete with {}", resources.len()),
            KindListing::Incomplete(why) | KindListing::NotReadable(why) => why.clone(),
        }
    }

    const COMPLETE: &str = r#"{"complete": "server"}"#;
    const SERVER: &str = r#"{"kind": "server", "providerId": "1", "attrs": {"cores": 2}}"#;

    #[tokio::test]
    async fn only_a_kind_with_its_end_is_complete() {
        let text = format!(
            "\u{feff}{{\"provider\": \"hetzner\", \"account\": \"a1\"}}\r\n\n{SERVER}\n\
             {{\"complete\": \"server\"}}\n{{\"complete\": \"network\"}}\n\
             {{\"kind\": \"volume\", \"providerId\": \"7\"}}"
        );
        let lines = LineReader::read(text.as_bytes()).finish();
        assert_eq!(lines.account().await.unwrap().unwrap().id, "a1");
        let listing = lines.list(None, DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(listing.provider, "hetzner");
        assert_eq!(outcome(&listing, "server"), "complete with 1");
        assert_eq!(outcome(&listing, "network"), "complete with 0");
        assert_eq!(
            outcome(&listing, "volume"),
            r#"no line {"complete": "volume"} ends this kind"#
        );
        assert!(!listing.exhaustive, "kinds without a line are left as they are");
    }

    #[tokio::test]
    async fn a_kind_that_the_lines_must_have_is_incomplete_without_its_end() {
        let text = format!(
            "{{\"provider\": \"hetzner\", \"kinds\": [\"server\", \"volume\"]}}\n{SERVER}\n{COMPLETE}\n"
        );
        let cut_off = listing(&text).await.unwrap();
        assert_eq!(outcome(&cut_off, "server"), "complete with 1");
        assert_eq!(
            outcome(&cut_off, "volume"),
            r#"no line {"complete": "volume"} ends this kind"#
        );
        let whole = listing(&format!("{text}{{\"complete\": \"volume\"}}"))
            .await
            .unwrap();
        assert_eq!(outcome(&whole, "volume"), "complete with 0");
    }

    #[tokio::test]
    async fn a_line_that_is_not_valid_fails_the_whole_listing_and_is_named() {
        let first = r#"{"provider": "hetzner"}"#;
        for (text, expected) in [
            (String::new(), "there is no line"),
            (SERVER.to_owned(), "line 1: the first line must be"),
            (format!("{first}\n{SERVER}\n{{\"kind\""), "line 3: EOF"),
            (format!("{first}\n[1]"), "line 2: invalid type"),
            (
                format!("{first}\n{{\"kind\": \"a\", \"providerId\": 1}}"),
                "line 2: invalid type",
            ),
            (
                format!("{first}\n{{\"kind\": \"a\", \"id\": \"1\"}}"),
                "line 2: unknown field `id`",
            ),
            (
                format!("{first}\n{{\"complete\": \"server\"}}\n{SERVER}"),
                "line 3: the kind \"server\" was complete before this line",
            ),
            (format!("{first}\n{SERVER}\n{SERVER}\n{COMPLETE}"), "twice"),
            (first.to_owned(), "no kind is complete"),
            (format!("{first}\n{SERVER}"), "no kind is complete"),
        ] {
            let refused = listing(&text).await.unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        let cut = LineReader::read(first.as_bytes().chain(Broken))
            .finish()
            .list(None, DateTime::UNIX_EPOCH)
            .await;
        assert!(cut.unwrap_err().to_string().contains("the pipe broke"));
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the pipe broke"))
        }
    }

    #[tokio::test]
    async fn lines_are_read_whatever_the_size_of_the_pieces() {
        let text = format!("{{\"provider\": \"hetzner\"}}\n{SERVER}\n{{\"complete\": \"server\"}}\n");
        for size in 1..text.len() {
            let mut reader = LineReader::default();
            for piece in text.as_bytes().chunks(size) {
                reader.push(piece);
            }
            let listing = reader.finish().list(None, DateTime::UNIX_EPOCH).await.unwrap();
            assert_eq!(outcome(&listing, "server"), "complete with 1", "{size}");
        }
    }

    #[tokio::test]
    async fn a_resource_that_cannot_be_compared_is_rejected_and_not_gone() {
        let text = format!(
            "{{\"provider\": \"hetzner\"}}\n{SERVER}\n\
             {{\"kind\": \"server\", \"providerId\": \"2\", \"attrs\": {{\"n\": 99999999999999999999}}}}\n\
             {{\"complete\": \"server\"}}"
        );
        let lines = LineReader::read(text.as_bytes()).finish();
        let listing = lines.list(None, DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(outcome(&listing, "server"), "complete with 1");
        assert!(
            listing.notes["server"].contains("\"2\" was rejected"),
            "{:?}",
            listing.notes
        );
        let presence = lines.confirm_gone("server", "2", &Map::new()).await.unwrap();
        assert!(matches!(presence, Presence::Unknown(_)), "{presence:?}");
        let presence = lines.confirm_gone("server", "3", &Map::new()).await.unwrap();
        assert!(matches!(presence, Presence::Gone), "{presence:?}");
    }
}
