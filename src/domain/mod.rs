//! The rules, pure and synchronous: what differs, what a sweep shall do about it, whether an accept may go
//! through, who may do what.
//!
//! Functions here take rows and values and return decisions. They read no clock, touch no database and
//! await nothing; services gather what they need and carry out what they decide.

pub mod acceptance;
pub mod actor;
pub mod baseline;
pub mod changes;
pub mod compare;
pub mod detection;
pub mod equality;
#[cfg(test)]
mod fixtures;
pub mod freshness;
pub mod imports;
pub mod inventory;
pub(crate) mod json_text;
mod listed;
pub mod not_compared;
pub mod retention;
pub mod schedule;
pub mod traits;
pub mod validation;
