//! The schema, on an empty database and on a full one.
