//! The printed schema.
