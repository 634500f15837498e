//! The bytes of a plan as they arrive, kept compressed in memory: plans contain secrets, so they must not be written
//! to a disk.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use super::Refusal;
use super::blocks::Blocks;
use crate::provider::json::UTF8_MARK;

const MIB: u64 = 1024 * 1024;

/// The limits of one plan.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub plain: u64,
    /// Bytes that are kept of the file after compression.
    pub compressed: u64,
    /// Bytes of one resource.
    pub element: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            plain: 1024 * MIB,
            compressed: 64 * MIB,
            element: 8 * MIB,
        }
    }
}

/// Takes the bytes of a plan as they arrive.
#[derive(Debug)]
pub struct Spool {
    blocks: Blocks,
    limits: Limits,
    plain: u64,
}

impl Spool {
    /// Creates an empty spool.
    pub fn new(limits: Limits) -> Self {
        Self {
            blocks: Blocks::default(),
            limits,
            plain: 0,
        }
    }

    /// Appends the next bytes of the file.
    ///
    /// # Errors
    ///
    /// The file is too large.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let bytes = match self.plain {
            0 => bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes),
            _ => bytes,
        };
        self.plain = self.plain.saturating_add(bytes.len() as u64);
        if self.plain > self.limits.plain {
            return Err(Refusal::TooLarge);
        }
        self.blocks.push(bytes);
        if self.blocks.compressed() > self.limits.compressed {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }

    /// Returns the number of bytes of the file.
    pub fn len(&self) -> u64 {
        self.plain
    }

    /// Returns whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.plain == 0
    }

    /// Returns a reader that releases the memory of what it has read.
    pub(super) fn into_reader(mut self) -> SpoolReader {
        self.blocks.close();
        SpoolReader {
            blocks: self.blocks,
            block: Vec::new(),
            at: 0,
            gauge: Rc::new(Gauge {
                limit: self.limits.element,
                read: Cell::new(None),
            }),
        }
    }
}

impl io::Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Limits the size of what is held in memory at once.
pub(super) struct Gauge {
    limit: u64,
    /// Bytes read since an element began; None while nothing is held.
    read: Cell<Option<u64>>,
}

impl Gauge {
    /// Runs `read`, which holds one element in memory.
    pub(super) fn holding<T>(&self, read: impl FnOnce() -> T) -> T {
        self.read.set(Some(0));
        let held = read();
        self.read.set(None);
        held
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let Some(read) = self.read.get() else {
            return Ok(());
        };
        if read > self.limit {
            return Err(io::Error::other(Refusal::TooLarge));
        }
        self.read.set(Some(read + bytes as u64));
        Ok(())
    }
}

/// Reads a spool from its beginning to its end, once.
pub(super) struct SpoolReader {
    blocks: Blocks,
    block: Vec<u8>,
    at: usize,
    gauge: Rc<Gauge>,
}

impl SpoolReader {
    /// Returns the counter of this reader.
    pub(super) fn gauge(&self) -> Rc<Gauge> {
        Rc::clone(&self.gauge)
    }
}

impl io::Read for SpoolReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.block.len() {
            let Some(block) = self.blocks.take() else {
                return Ok(0);
            };
            self.block = block.map_err(io::Error::other)?;
            self.at = 0;
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        let (Some(from), Some(to)) = (rest.get(..count), into.get_mut(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.at += count;
        self.gauge.count(count)?;
        Ok(count)
    }
}
