//! Requirements of the specification that the library does not meet: null propagation, the order of fields, and the
//! validation of `__typename`, of variables and of the selected operation.

pub(crate) mod nulls;
pub(crate) mod operation;
pub(crate) mod order;
pub(crate) mod typename;
pub(crate) mod variables;
