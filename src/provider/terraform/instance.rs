//! An instance of a resource in a state.

use serde_json::{Map, Value};

/// The address and the attributes of an instance.
pub(super) struct Instance {
    pub(super) address: String,
    pub(super) type_name: String,
    pub(super) attributes: Map<String, Value>,
    /// Whether the instance depends on a `digitalocean_volume`.
    pub(super) refers_to_volume: bool,
}
