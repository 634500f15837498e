//! The keys of resources, and their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;

use super::bytes::Bytes;
use crate::domain::digest::Digest;

/// Number of keys that are sorted in memory at a time.
const RUN: usize = 16 * 1024;
/// Number of bytes that are read at a time.
const READ: u64 = 64 * 1024;

/// The key of a resource of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Its id at the provider.
    pub(crate) provider_id: String,
    /// The position of its data.
    pub(super) place: u64,
    /// The number of bytes of its data.
    pub(crate) bytes: usize,
    /// The digest of its data.
    pub(crate) digest: Digest,
}

/// A key with the number of its kind. The order is that of kinds, ids and places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyOfKind {
    pub(super) kind: usize,
    pub(super) key: Key,
}

/// Length of an encoded key without its id: kind, position, length of the data and length of the id (8 bytes each), and
/// the digest. The id follows.
const HEAD: usize = 4 * 8 + 16;

impl KeyOfKind {
    pub(super) fn is_of_the_resource_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.key.provider_id == other.key.provider_id
    }

    /// Appends the key in the form that [`read`] reads.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        let Key {
            provider_id,
            place,
            bytes,
            digest,
        } = &self.key;
        for number in [self.kind as u64, *place, *bytes as u64, provider_id.len() as u64] {
            to.extend_from_slice(&number.to_le_bytes());
        }
        to.extend_from_slice(&digest.to_bytes());
        to.extend_from_slice(provider_id.as_bytes());
    }
}

/// Keys in sorted runs: one in memory, the others written out.
#[derive(Default)]
pub(super) struct Sorter {
    run: Vec<KeyOfKind>,
    written: Bytes,
    runs: Vec<Range<u64>>,
}

impl Sorter {
    /// Adds a key.
    pub(super) fn add(&mut self, key: KeyOfKind) -> io::Result<()> {
        self.run.push(key);
        if self.run.len() == RUN {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        let (start, mut encoded) = (self.written.len(), Vec::new());
        for key in self.run.drain(..) {
            encoded.clear();
            key.encode(&mut encoded);
            self.written.append(&encoded)?;
        }
        self.runs.push(start..self.written.len());
        Ok(())
    }

    /// Returns all keys in their order.
    pub(super) fn sorted(mut self) -> io::Result<Merged> {
        self.write_run()?;
        self.run = Vec::new();
        self.written.finish()?;
        let mut merged = Merged {
            written: self.written,
            runs: Vec::with_capacity(self.runs.len()),
            next: BinaryHeap::new(),
        };
        for (number, range) in self.runs.into_iter().enumerate() {
            merged.runs.push(Window::new(range));
            merged.advance(number)?;
        }
        Ok(merged)
    }
}

/// The keys of all runs in their order.
pub(super) struct Merged {
    written: Bytes,
    runs: Vec<Window>,
    /// The next key of each run.
    next: BinaryHeap<Reverse<(KeyOfKind, usize)>>,
}

impl Merged {
    fn advance(&mut self, number: usize) -> io::Result<()> {
        if let Some(window) = self.runs.get_mut(number)
            && let Some(key) = window.key(&self.written)?
        {
            self.next.push(Reverse((key, number)));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = io::Result<KeyOfKind>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, number)) = self.next.pop()?;
        Some(self.advance(number).map(|()| key))
    }
}

/// Reads keys one after the other.
pub(super) fn read(
    keys: &Bytes,
    range: Range<u64>,
) -> impl Iterator<Item = io::Result<KeyOfKind>> + Send + '_ {
    let mut window = Window::new(range);
    std::iter::from_fn(move || window.key(keys).transpose())
}

/// A range of encoded keys, of which a part has been read.
struct Window {
    rest: Range<u64>,
    read: Vec<u8>,
    at: usize,
}

impl Window {
    fn new(rest: Range<u64>) -> Self {
        Self {
            rest,
            read: Vec::new(),
            at: 0,
        }
    }

    /// Decodes the next key; None at the end.
    fn key(&mut self, keys: &Bytes) -> io::Result<Option<KeyOfKind>> {
        if self.at == self.read.len() && self.rest.is_empty() {
            return Ok(None);
        }
        let mut numbers = [0; 4];
        let head = self.take(keys, HEAD)?;
        let (fixed, digest) = head.split_at(HEAD - 16);
        for (number, bytes) in numbers.iter_mut().zip(fixed.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().map_err(io::Error::other)?);
        }
        let digest = Digest::from_bytes(digest.try_into().map_err(io::Error::other)?);
        let [kind, place, bytes, id] = numbers;
        let size = |number| usize::try_from(number).map_err(io::Error::other);
        let provider_id = self.take(keys, size(id)?)?.to_vec();
        Ok(Some(KeyOfKind {
            kind: size(kind)?,
            key: Key {
                provider_id: String::from_utf8(provider_id).map_err(io::Error::other)?,
                place,
                bytes: size(bytes)?,
                digest,
            },
        }))
    }

    fn take(&mut self, keys: &Bytes, bytes: usize) -> io::Result<&[u8]> {
        while self.read.len() - self.at < bytes {
            let more = (self.rest.end - self.rest.start).min(READ);
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read.drain(..self.at);
            self.at = 0;
            let read = keys.read(self.rest.start, usize::try_from(more).map_err(io::Error::other)?)?;
            self.read.extend_from_slice(&read);
            self.rest.start += more;
        }
        let taken = self.at..self.at + bytes;
        self.at += bytes;
        self.read.get(taken).ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}
