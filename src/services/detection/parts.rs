//! Divides the scope of a sweep into parts that are read at the same time.

use std::collections::VecDeque;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::read::Size;
use super::scope::Scope;
use crate::db::Db;
use crate::error::Result;

/// Number of bounds that are read with one statement.
const BOUNDS: usize = 8;

/// Some of the specs in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those whose resource id is greater than the first one, and not greater than the second one.
    Range(Option<Uuid>, Option<Uuid>),
    /// Those of these resources. The ids are sorted.
    Listed(Vec<Uuid>),
}

impl Part {
    /// Returns what remains of the part after a resource id.
    pub(super) fn after(&self, id: Uuid) -> Option<Self> {
        match self {
            Self::Range(_, upto) => (*upto != Some(id)).then_some(Self::Range(Some(id), *upto)),
            Self::Listed(ids) => {
                let rest = ids[ids.partition_point(|listed| *listed <= id)..].to_vec();
                (!rest.is_empty()).then_some(Self::Listed(rest))
            }
        }
    }
}

/// The parts of a scope, in the order of resource ids.
pub(super) struct Parts {
    unread: VecDeque<Part>,
    /// What is not divided yet.
    undivided: Option<Part>,
}

impl Parts {
    pub(super) fn of(scope: &Scope) -> Self {
        let whole = match scope {
            Scope::All => Part::Range(None, None),
            Scope::Resources(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                Part::Listed(ids)
            }
        };
        Self {
            unread: VecDeque::new(),
            undivided: Some(whole),
        }
    }

    /// Returns the rest of a part to be read next. A list is divided again, because its texts are large.
    pub(super) fn put_back(&mut self, rest: Part, size: Size) {
        match rest {
            Part::Listed(ids) => {
                for ids in ids.rchunks(size.pairs()) {
                    self.unread.push_front(Part::Listed(ids.to_vec()));
                }
            }
            range @ Part::Range(..) => self.unread.push_front(range),
        }
    }

    /// Returns the next part. A part has at most as many specs as the size, unless specs are added meanwhile.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub(super) async fn next(&mut self, db: &Db, size: Size) -> Result<Option<Part>> {
        if self.unread.is_empty()
            && let Some(undivided) = self.undivided.take()
        {
            self.divide(db, undivided, size).await?;
        }
        Ok(self.unread.pop_front())
    }

    async fn divide(&mut self, db: &Db, part: Part, size: Size) -> Result<()> {
        match part {
            Part::Listed(ids) => {
                let parts = ids
                    .chunks(Size::Usual.pairs())
                    .map(|ids| Part::Listed(ids.to_vec()));
                self.unread.extend(parts);
            }
            Part::Range(mut after, upto) => {
                let bounds = bounds(db, after, size.pairs()).await?;
                let are_all = bounds.len() < BOUNDS;
                for bound in bounds {
                    self.unread.push_back(Part::Range(after, Some(bound)));
                    after = Some(bound);
                }
                let rest = Part::Range(after, upto);
                if are_all {
                    self.unread.push_back(rest);
                } else {
                    self.undivided = Some(rest);
                }
            }
        }
        Ok(())
    }
}

/// Returns the resource id of every `pairs`th spec after the resource `after`, for a few ranges. In SQLite, ids that do
/// not decode are no bounds.
async fn bounds(db: &Db, after: Option<Uuid>, pairs: usize) -> Result<Vec<Uuid>> {
    let backend = db.backend();
    let place = if after.is_some() {
        "resource_id > $1"
    } else {
        "true"
    };
    let decodes = match backend {
        DbBackend::Postgres => "true",
        _ => "typeof(resource_id) = 'blob' AND length(resource_id) = 16",
    };
    let sql = format!(
        "SELECT resource_id FROM (SELECT resource_id, row_number() OVER (ORDER BY resource_id) AS place \
         FROM cloud_provisioned WHERE {place} AND {decodes} ORDER BY resource_id LIMIT {}) AS ids \
         WHERE place % {pairs} = 0",
        pairs * BOUNDS
    );
    let statement = Statement::from_sql_and_values(backend, sql, after.map(Into::into));
    let rows = db.reader().query_all_raw(statement).await?;
    rows.iter()
        .map(|row| Ok(row.try_get("", "resource_id")?))
        .collect()
}
