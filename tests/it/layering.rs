//! The direction of imports.
