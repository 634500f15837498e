//! The part of the inventory that a sweep compares.

use uuid::Uuid;

/// The specs that a sweep compares.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    /// Every spec.
    #[default]
    All,
    /// The specs of these resources.
    Resources(Vec<Uuid>),
}
