//! The two REST routes.
