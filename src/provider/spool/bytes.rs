//! Bytes that are written once, in order, and read anywhere.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, PoisonError};

/// Number of bytes that are kept in memory. More are written to a temporary file.
const IN_MEMORY: usize = 2 * 1024 * 1024;

/// Bytes, in memory or in a temporary file. The file has no name and ends with the process.
#[derive(Default)]
pub(super) struct Bytes {
    /// The bytes that are not in the file: all, or the last ones.
    memory: Vec<u8>,
    file: Option<Mutex<File>>,
    in_file: u64,
    /// Whether no temporary file can be created, so that all bytes stay in memory.
    without_file: bool,
}

impl Bytes {
    /// Appends bytes and returns where they begin.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let place = self.len();
        self.memory.extend_from_slice(bytes);
        if self.memory.len() >= IN_MEMORY && !self.without_file {
            self.write_out()?;
        }
        Ok(place)
    }

    /// Finishes writing. Call it before reading.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            self.write_out()?;
        }
        self.memory.shrink_to_fit();
        Ok(())
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    /// Reads this many bytes from this position.
    pub(super) fn read(&self, place: u64, bytes: usize) -> io::Result<Vec<u8>> {
        if let Some(in_memory) = place.checked_sub(self.in_file) {
            let start = usize::try_from(in_memory).map_err(io::Error::other)?;
            let found = start
                .checked_add(bytes)
                .and_then(|end| self.memory.get(start..end));
            return found
                .map(<[u8]>::to_vec)
                .ok_or(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(file) = &self.file else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let mut read = vec![0; bytes];
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(&mut read)?;
        Ok(read)
    }

    #[cfg(test)]
    pub(super) fn is_in_file(&self) -> bool {
        self.file.is_some() && self.memory.is_empty()
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match tempfile::tempfile() {
                Ok(file) => self.file.insert(Mutex::new(file)),
                Err(error) => {
                    tracing::warn!(%error, "no temporary file can be created: the listing is kept in memory");
                    self.without_file = true;
                    return Ok(());
                }
            },
        };
        let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&self.memory)?;
        self.in_file += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }
}
