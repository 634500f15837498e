//! What the specification requires and the library does not do: null propagation, the order of fields, and the checks
//! of `__typename`, of variables and of the selected operation.

pub(crate) mod nulls;
pub(crate) mod operation;
pub(crate) mod order;
pub(crate) mod typename;
pub(crate) mod variables;
