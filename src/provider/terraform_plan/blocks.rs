//! Bytes that are kept compressed in memory.

use std::collections::VecDeque;
use std::fmt;

use super::Refusal;

/// The plain size of a block. A larger record has a block of its own.
const BLOCK: usize = 128 * 1024;

/// A sequence of compressed blocks. The last one is plain until it is full.
#[derive(Default)]
pub(super) struct Blocks {
    full: VecDeque<Box<[u8]>>,
    open: Vec<u8>,
    /// Number of blocks that were taken from the front.
    taken: usize,
    compressed: u64,
}

/// The place of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    block: usize,
    offset: usize,
    length: usize,
}

impl Blocks {
    /// Appends bytes that may be divided between blocks.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.open.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.open.extend_from_slice(now);
            if self.open.len() >= BLOCK {
                self.close();
            }
            bytes = later;
        }
    }

    /// Appends a record that stays in one block, and returns its place.
    pub(super) fn append(&mut self, record: &[u8]) -> Place {
        if !self.open.is_empty() && self.open.len() + record.len() > BLOCK {
            self.close();
        }
        let place = Place {
            block: self.taken + self.full.len(),
            offset: self.open.len(),
            length: record.len(),
        };
        self.open.extend_from_slice(record);
        place
    }

    /// Compresses the open block.
    pub(super) fn close(&mut self) {
        if !self.open.is_empty() {
            let block = lz4_flex::block::compress_prepend_size(&self.open);
            self.compressed += block.len() as u64;
            self.full.push_back(block.into_boxed_slice());
            self.open.clear();
        }
    }

    /// Returns the number of compressed bytes.
    pub(super) fn compressed(&self) -> u64 {
        self.compressed
    }

    /// Removes the first block and returns its plain bytes.
    pub(super) fn take(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        let block = self.full.pop_front()?;
        self.taken += 1;
        Some(plain(&block))
    }
}

/// Reads records. It keeps the block that it read last, because neighbouring records are read one after the other.
pub(super) struct Records<'b> {
    of: &'b Blocks,
    block: Option<(usize, Vec<u8>)>,
}

impl<'b> Records<'b> {
    /// Creates a reader of closed blocks.
    pub(super) fn new(of: &'b Blocks) -> Self {
        Self { of, block: None }
    }

    /// Returns the record at a place.
    pub(super) fn read(&mut self, place: Place) -> Result<&[u8], Refusal> {
        let kept = self.block.take().filter(|(number, _)| *number == place.block);
        let block = match kept {
            Some(block) => block,
            None => {
                let number = place.block.checked_sub(self.of.taken);
                let packed = number.and_then(|number| self.of.full.get(number));
                (place.block, plain(packed.ok_or(Refusal::NotAPlan)?)?)
            }
        };
        let (_, bytes) = self.block.insert(block);
        let record = bytes.get(place.offset..place.offset.saturating_add(place.length));
        record.ok_or(Refusal::NotAPlan)
    }
}

fn plain(block: &[u8]) -> Result<Vec<u8>, Refusal> {
    // Only blocks of this module are read, so they are intact.
    lz4_flex::block::decompress_size_prepended(block).map_err(|_| Refusal::NotAPlan)
}

/// Shows sizes only: the bytes contain secrets.
impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks, {} bytes", self.full.len(), self.compressed)
    }
}
