//! Answers that are kept, and sent again while what they show has not changed.
//!
//! The version of the contents is read before an answer is made, and the answer is kept under it. It is sent again only
//! if the version that is read for the later request is the same. Equal versions mean that nothing was committed
//! between the two reads, and the answer was made between them. So it is what an execution would return. A commit while
//! an answer is made only has the effect that it is made again.
//!
//! Only an answer whose every field was declared to depend on nothing else ([`depends_on_contents_only`]) is kept.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_graphql::{Context, Request, Response, Value};
use axum::body::Bytes;

/// Maximum size of all kept answers: about 500 pages of 50 rows. They must not need more memory than the pages that are
/// being made.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Maximum size of one kept answer, so that a few large ones do not take the place of all others.
const MOST_BYTES_OF_ONE: usize = 1024 * 1024;

/// Size of an entry without its texts.
const ENTRY_BYTES: usize = 256;

/// Declares that the root field that is being resolved depends only on its arguments, the roles of the caller and the
/// contents that the version covers: not on the time, the name of the caller or anything else.
pub fn depends_on_contents_only(ctx: &Context<'_>) {
    if let Some(declared) = ctx.data_opt::<Declared>() {
        declared.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number of root fields that were declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared(Arc<AtomicUsize>);

impl Declared {
    /// Returns whether every field of a response was declared and written as text, and nothing failed.
    pub(crate) fn covers(&self, response: &Response) -> bool {
        let Value::Object(fields) = &response.data else {
            return false;
        };
        let written = fields.values().all(|value| matches!(value, Value::Binary(_)));
        let plain =
            response.errors.is_empty() && response.extensions.is_empty() && response.http_headers.is_empty();
        let declared = self.0.load(Ordering::Relaxed);
        plain && written && !fields.is_empty() && declared == fields.len()
    }
}

/// Everything that an answer depends on besides the contents. Texts are compared as a whole.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// What distinguishes callers with different answers.
    scope: String,
    query: String,
    operation: Option<String>,
    variables: String,
}

impl Key {
    /// Returns the key of a request. Returns None if the request has parts that the key does not contain.
    pub(crate) fn of(scope: String, request: &Request) -> Option<Self> {
        if !request.uploads.is_empty() || !request.extensions.is_empty() {
            return None;
        }
        Some(Self {
            scope,
            query: request.query.clone(),
            operation: request.operation_name.clone(),
            variables: serde_json::to_string(&request.variables).ok()?,
        })
    }

    fn bytes(&self) -> usize {
        let operation = self.operation.as_ref().map_or(0, String::len);
        ENTRY_BYTES + self.scope.len() + self.query.len() + operation + self.variables.len()
    }
}

/// An answer and the version of the contents that it shows.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) body: Bytes,
}

/// The kept answers of an API, at most 32 MiB. The least recently used ones are removed first.
#[derive(Debug)]
pub struct KeptAnswers {
    most_bytes: usize,
    entries: Mutex<Entries>,
}

impl Default for KeptAnswers {
    fn default() -> Self {
        Self::of_at_most(MOST_BYTES)
    }
}

#[derive(Debug, Default)]
struct Entries {
    uses: u64,
    bytes: usize,
    by_key: HashMap<Arc<Key>, Entry>,
    by_use: BTreeMap<u64, Arc<Key>>,
}

#[derive(Debug)]
struct Entry {
    /// None until the request is sent again: most requests are not.
    answer: Option<Answer>,
    used: u64,
    bytes: usize,
}

impl KeptAnswers {
    /// Creates a store of at most this many bytes.
    fn of_at_most(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            entries: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of bytes in use.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Returns the entry of a request whose answer may be kept. The inner None means that no answer is kept yet.
    pub(crate) fn find(&self, key: &Key) -> Option<Option<Answer>> {
        let mut entries = self.lock();
        entries.uses += 1;
        let now = entries.uses;
        let Entries { by_key, by_use, .. } = &mut *entries;
        let entry = by_key.get_mut(key)?;
        if let Some(key) = by_use.remove(&entry.used) {
            by_use.insert(now, key);
        }
        entry.used = now;
        Some(entry.answer.clone())
    }

    /// Stores that the answer of a request may be kept, and the answer if there is one. An answer that is too large is
    /// not stored.
    pub(crate) fn put(&self, key: Key, answer: Option<Answer>) {
        let body = answer
            .as_ref()
            .map_or(0, |answer| answer.body.len() + answer.version.len());
        // The key is in both maps, but its text only once.
        let bytes = key.bytes() + body;
        let mut entries = self.lock();
        entries.remove(&key);
        if bytes > MOST_BYTES_OF_ONE.min(self.most_bytes) {
            return;
        }
        while entries.bytes + bytes > self.most_bytes {
            let Some((_, oldest)) = entries.by_use.pop_first() else {
                break;
            };
            entries.remove(&oldest);
        }
        entries.uses += 1;
        let used = entries.uses;
        let key = Arc::new(key);
        entries.bytes += bytes;
        entries.by_use.insert(used, Arc::clone(&key));
        entries.by_key.insert(key, Entry { answer, used, bytes });
    }
}

impl Entries {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str, query: &str) -> Key {
        Key::of(scope.to_owned(), &Request::new(query)).unwrap_or_else(|| panic!("no key"))
    }

    fn answer(bytes: usize) -> Option<Answer> {
        Some(Answer {
            version: String::new(),
            body: Bytes::from(vec![b' '; bytes]),
        })
    }

    fn has(kept: &KeptAnswers, query: &str) -> bool {
        kept.find(&key("a", query)).is_some()
    }

    #[test]
    fn the_answers_that_were_unused_for_the_longest_time_are_removed_at_the_bound() {
        let kept = KeptAnswers::of_at_most(10_000);
        for number in 0..100 {
            kept.put(key("a", &number.to_string()), answer(2_000));
            assert!(kept.bytes() <= 10_000);
            assert!(
                number == 0 || has(&kept, "0"),
                "it was used after each of the others"
            );
        }
        assert!(has(&kept, "99") && has(&kept, "98") && !has(&kept, "90"));
        let entries = kept.lock();
        assert_eq!(entries.by_key.len(), entries.by_use.len());
        assert_eq!(
            entries.bytes,
            entries.by_key.values().map(|entry| entry.bytes).sum::<usize>()
        );
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_kept_and_replaces_its_predecessor() {
        let kept = KeptAnswers::default();
        kept.put(key("a", "q"), answer(10));
        kept.put(key("a", "q"), answer(MOST_BYTES_OF_ONE));
        assert!(!has(&kept, "q"));
        assert_eq!(kept.bytes(), 0);
    }

    #[test]
    fn every_part_of_the_key_distinguishes_answers() {
        let kept = KeptAnswers::default();
        kept.put(key("a", "q"), answer(1));
        assert!(kept.find(&key("b", "q")).is_none());
        let with = |request: Request| Key::of("a".to_owned(), &request).and_then(|key| kept.find(&key));
        assert!(with(Request::new("q")).is_some());
        assert!(with(Request::new("q").operation_name("n")).is_none());
        let variables = async_graphql::Variables::from_json(serde_json::json!({ "n": 1 }));
        assert!(with(Request::new("q").variables(variables)).is_none());
    }

    #[test]
    fn a_request_with_extensions_has_no_key() {
        let mut request = Request::new("q");
        request.extensions.insert("e".to_owned(), Value::Null);
        assert!(Key::of(String::new(), &request).is_none());
    }

    #[test]
    fn only_declared_texts_without_errors_are_kept() {
        let text = || crate::json_text::json_text("{}".to_owned());
        let response = |values: &[Value]| {
            let fields = values.iter().enumerate();
            let fields = fields.map(|(n, value)| (async_graphql::Name::new(format!("f{n}")), value.clone()));
            Response::new(Value::Object(fields.collect()))
        };
        let declared = Declared::default();
        assert!(!declared.covers(&response(&[])));
        assert!(!declared.covers(&response(&[text()])), "not declared");
        declared.0.store(1, Ordering::Relaxed);
        assert!(declared.covers(&response(&[text()])));
        assert!(
            !declared.covers(&response(&[text(), text()])),
            "only one is declared"
        );
        assert!(!declared.covers(&response(&[Value::from(1)])), "not a text");
        let mut failed = response(&[text()]);
        failed.errors.push(async_graphql::ServerError::new("e", None));
        assert!(!declared.covers(&failed));
        let mut extended = response(&[text()]);
        extended.extensions.insert("e".to_owned(), Value::Null);
        assert!(!declared.covers(&extended));
    }
}
