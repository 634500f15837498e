//! A cache of the documents that were used last, by their text.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Longer texts are not cached.
const MAX_BYTES: usize = 4096;

/// The cache: a value for each of the texts that were used last. `get` clones the value, so clones must be cheap.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    most: usize,
    entries: Mutex<Entries<V>>,
}

#[derive(Debug)]
struct Entries<V> {
    uses: u64,
    by_text: HashMap<String, (V, u64)>,
}

impl<V: Clone> Recent<V> {
    /// Creates a cache of at most this many values.
    pub(crate) fn new(most: usize) -> Self {
        let entries = Entries {
            uses: 0,
            by_text: HashMap::new(),
        };
        Self {
            most,
            entries: Mutex::new(entries),
        }
    }

    /// Returns whether a value is stored for the text.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_text.contains_key(text)
    }

    pub(crate) fn get(&self, text: &str) -> Option<V> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let now = entries.uses;
        let (value, used) = entries.by_text.get_mut(text)?;
        *used = now;
        Some(value.clone())
    }

    /// Stores a value. If the cache is full, the least recently used value is removed.
    pub(crate) fn put(&self, text: &str, value: V) {
        if text.len() > MAX_BYTES {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let now = entries.uses;
        if entries.by_text.len() >= self.most && !entries.by_text.contains_key(text) {
            let oldest = entries.by_text.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(text, _)| text.clone());
            oldest.map(|text| entries.by_text.remove(&text));
        }
        entries.by_text.insert(text.to_owned(), (value, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_that_was_unused_for_the_longest_time_is_forgotten() {
        let recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get("a"), Some(1));
        recent.put("c", 3);
        assert_eq!(
            (recent.get("a"), recent.get("b"), recent.get("c")),
            (Some(1), None, Some(3))
        );
        recent.put("a", 4);
        assert_eq!((recent.get("a"), recent.get("c")), (Some(4), Some(3)));
    }

    #[test]
    fn long_texts_are_not_kept() {
        let recent = Recent::new(2);
        let text = "x".repeat(MAX_BYTES + 1);
        recent.put(&text, 1);
        assert_eq!(recent.get(&text), None);
    }
}
