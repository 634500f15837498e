//! An instance of a resource in a state.

use serde_json::{Map, Value};

/// An instance: its address, and the attributes that are read.
pub(super) struct Instance {
    pub(super) address: String,
    pub(super) type_name: String,
    pub(super) attributes: Map<String, Value>,
    /// Whether its configuration refers to a volume.
    pub(super) refers_to_volume: bool,
}
