//! Inventory files: JSON files that list the resources of any cloud.

mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use entity::sources::SourceKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

pub(super) use self::document::{Document, Entry, Refused};
use super::json::{UTF8_MARK, as_utf8};
use super::{Account, InventoryProvider, KindListing, Listing, Presence};
use crate::error::{Error, Result};

/// Maximum size of the file, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Largest file in UTF-16, in bytes: it is converted in memory.
const MAX_UTF16_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes that are read at a time.
const READ: usize = 256 * 1024;

/// An inventory file. Each listing reads the file again and checks it as a whole.
#[derive(Clone, Debug)]
pub struct InventoryFile {
    path: PathBuf,
    /// Rejected resources of the last listing.
    refused: Arc<Mutex<Refused>>,
}

impl InventoryFile {
    /// Creates a source for the file at `path`. The file need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            refused: Arc::default(),
        }
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Listing> {
        let path = self.path.clone();
        // Parsing a large file takes seconds and must not block the heartbeat of the run.
        let parsed = tokio::task::spawn_blocking(move || parse(&path)).await;
        let parsed = parsed.map_err(|_| Error::Internal("reading the inventory file panicked".to_owned()))?;
        let (provider, kinds, refused) = match parsed {
            Ok(document) => document.finish(),
            Err(why) => Err(Error::BadUserInput(why)),
        }
        .map_err(|error| self.refusal(error))?;
        let listing = Listing {
            provider,
            account: None,
            started_at: now,
            kinds: kinds
                .into_iter()
                .map(|(kind, listed)| (kind, KindListing::Complete(listed)))
                .collect(),
            notes: notes(&refused),
            unread_fields: BTreeMap::new(),
            exhaustive: true,
        };
        *self.left_out() = refused;
        Ok(listing)
    }

    /// An invalid file is reported as an error of the provider, without its folder: every reader of the inbox sees the
    /// error of a run. Other errors are unchanged.
    fn refusal(&self, error: Error) -> Error {
        match error {
            Error::BadUserInput(why) => {
                let name = self.path.file_name().unwrap_or(self.path.as_os_str());
                Error::Upstream(format!("inventory file {}: {why}", name.display()))
            }
            other => other,
        }
    }

    fn left_out(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InventoryProvider for InventoryFile {
    /// Returns `file:` followed by the absolute path.
    fn source(&self) -> String {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("file:{}", path.display())
    }

    fn kind(&self) -> SourceKind {
        SourceKind::File
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        async { Ok(None) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        self.read(now).boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        _last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        // The file is complete, so a resource that it lacks is gone. A rejected resource still exists.
        let refused = self
            .left_out()
            .get(&(kind.to_owned(), provider_id.to_owned()))
            .cloned();
        async { Ok(refused.map_or(Presence::Gone, Presence::Unknown)) }.boxed()
    }
}

/// Reads the file, resource by resource.
///
/// # Errors
/// The message has the line and column, or the unknown key.
fn parse(path: &Path) -> Result<Document, String> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    is_at_most(MAX_FILE_BYTES, size)?;
    let is_utf8 = is_utf8(&mut file).map_err(|e| e.to_string())?;
    if is_utf8 {
        return Document::read(|| {
            file.rewind()?;
            without_mark(BufReader::with_capacity(READ, file.try_clone()?))
        });
    }
    is_at_most(MAX_UTF16_BYTES, size)?;
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    let text = as_utf8(&text)?;
    Document::read(|| Ok(&*text))
}

fn is_at_most(limit: u64, size: u64) -> Result<(), String> {
    if size > limit {
        return Err(format!("the file has {size} bytes; at most {limit} are allowed"));
    }
    Ok(())
}

/// Whether the file begins like a text in UTF-8.
fn is_utf8(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::with_capacity(4);
    file.take(4).read_to_end(&mut start)?;
    Ok(!matches!(
        start[..],
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]
    ))
}

fn without_mark(mut text: BufReader<File>) -> io::Result<BufReader<File>> {
    if text.fill_buf()?.starts_with(UTF8_MARK) {
        text.consume(UTF8_MARK.len());
    }
    Ok(text)
}

/// Returns a note for each kind with rejected resources.
pub(super) fn notes(refused: &Refused) -> BTreeMap<String, String> {
    let mut notes: BTreeMap<String, String> = BTreeMap::new();
    for ((kind, id), why) in refused {
        let note = format!("{id:?} was rejected and keeps its stored values: {why}");
        notes
            .entry(kind.clone())
            .and_modify(|notes| *notes = format!("{notes}; {note}"))
            .or_insert(note);
    }
    notes
}

#[cfg(test)]
mod tests;
