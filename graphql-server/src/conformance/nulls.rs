//! Null propagation. The specification requires null for a failed field if its type allows that, and otherwise at the
//! closest nullable parent. The library omits the field instead, so that a selected key is missing, and never
//! propagates the null.

use std::{
    mem::take,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    PathSegment, QueryPathNode, QueryPathSegment, Response, ServerError, ServerResult, Value,
};

/// The failures of one execution.
#[derive(Debug, Default)]
pub(crate) struct Nulls {
    /// Whether any field has failed, so that an execution without failures takes no lock.
    failed: AtomicBool,
    found: Mutex<Found>,
}

type Path = Vec<PathSegment>;

#[derive(Debug, Default)]
struct Found {
    errors: Vec<ServerError>,
    /// Paths of objects and list items that must become null. The field that contains them removes its paths. The
    /// empty path is the whole response.
    null_paths: Vec<Path>,
}

impl Nulls {
    /// Returns the value of a field or list item after everything below it has completed. `ty` is the type of a field;
    /// it is not reliable for list items, because the library treats every item as non-null.
    pub(crate) fn settle(
        &self,
        place: &QueryPathNode<'_>,
        ty: &str,
        result: ServerResult<Option<Value>>,
    ) -> Option<Value> {
        if result.is_ok() && !self.failed.load(Ordering::Relaxed) {
            return result.ok().flatten();
        }
        let mut path = owned(place);
        let mut found = self.lock();
        let mut value = match result {
            Ok(value) => Ok(value),
            Err(error) => {
                found.errors.push(error);
                self.failed.store(true, Ordering::Relaxed);
                Err(Forbidden)
            }
        };
        if let QueryPathSegment::Index(_) = place.segment {
            return value.unwrap_or_else(|Forbidden| {
                found.null_paths.push(path);
                Some(Value::Null)
            });
        }
        if value.is_err() && !ty.ends_with('!') {
            value = Ok(None);
        }
        for null_path in found
            .null_paths
            .extract_if(.., |null_path| null_path.starts_with(&path))
        {
            let below = &null_path[path.len()..];
            value = value.and_then(|value| null_at(value.unwrap_or_default(), ty, below).map(Some));
        }
        value.unwrap_or_else(|Forbidden| {
            path.pop();
            found.null_paths.push(path);
            Some(Value::Null)
        })
    }

    /// Applies the remaining nulls to the response.
    pub(crate) fn finish(&self, response: &mut Response) {
        if self.failed.swap(false, Ordering::Relaxed) {
            let found = take(&mut *self.lock());
            if !found.null_paths.is_empty() {
                response.data = Value::Null;
            }
            response.errors.extend(found.errors);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn owned(node: &QueryPathNode<'_>) -> Path {
    let mut path: Path = std::iter::once(node).chain(node.parents()).map(segment).collect();
    path.reverse();
    path
}

fn segment(node: &QueryPathNode<'_>) -> PathSegment {
    match node.segment {
        QueryPathSegment::Index(index) => PathSegment::Index(index),
        QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
    }
}

/// A null at a non-null type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forbidden;

/// Returns `value` with null at `place`, or at the closest parent that `ty` allows to be null.
fn null_at(mut value: Value, ty: &str, place: &[PathSegment]) -> Result<Value, Forbidden> {
    let bare = ty.strip_suffix('!').unwrap_or(ty);
    let item_type = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let done = match (place, item_type, &mut value) {
        ([PathSegment::Index(index), rest @ ..], Some(item_type), Value::List(items)) => {
            match items.get_mut(*index) {
                Some(item) => null_at(take(item), item_type, rest).map(|null| *item = null),
                None => Ok(()),
            }
        }
        // Already null because of another failure.
        ([_, ..], _, Value::Null) => Ok(()),
        _ => Err(Forbidden),
    };
    match done {
        Ok(()) => Ok(value),
        Err(Forbidden) if bare.len() == ty.len() => Ok(Value::Null),
        Err(Forbidden) => Err(Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn a_null_propagates_to_the_closest_nullable_parent() {
        let at = |ty, place: &[usize]| {
            let place: Path = place.iter().copied().map(PathSegment::Index).collect();
            null_at(value!([[1, 2], [3]]), ty, &place)
        };
        assert_eq!(at("[[Int]]", &[0, 1]), Ok(value!([[1, null], [3]])));
        assert_eq!(at("[[Int]!]!", &[0, 1]), Ok(value!([[1, null], [3]])));
        assert_eq!(at("[[Int!]]!", &[0, 1]), Ok(value!([null, [3]])));
        assert_eq!(at("[[Int!]!]", &[0, 1]), Ok(value!(null)));
        assert_eq!(at("[[Int!]!]!", &[0, 1]), Err(Forbidden));
        assert_eq!(at("[[Int]]", &[1]), Ok(value!([[1, 2], null])));
        assert_eq!(at("[[Int]]", &[]), Ok(value!(null)));
        assert_eq!(at("[[Int]]!", &[]), Err(Forbidden));
        assert_eq!(
            null_at(
                value!([null]),
                "[[Int!]]",
                &[PathSegment::Index(0), PathSegment::Index(0)]
            ),
            Ok(value!([null]))
        );
    }
}
