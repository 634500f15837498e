//! Reads the JSON of a refresh-only Terraform plan, of any provider: what was applied last, what the provider reads
//! now, and what the configuration declares.
//!
//! The file arrives in a [`Spool`], and is read in two passes. The first one checks that it is evidence, and collects
//! the configuration and the secrets. The second one returns one instance after the other. Secrets leave this module as
//! keyed digests only.

mod address;
mod blocks;
mod compare;
mod config_reader;
mod configuration;
mod decisions;
mod document;
mod elements;
mod instance;
mod keyed;
mod normal_plan;
mod outcome;
mod plan;
mod previous;
mod refusal;
mod removal;
mod resources;
mod secret_names;
mod secret_texts;
mod sensitive;
mod spool;
mod strict;
mod values;

pub use self::address::{Address, Key, Step};
pub use self::configuration::Presence;
pub use self::decisions::{Evidence, Verdict};
pub use self::instance::{Constant, Field, Instance, Sides};
pub use self::keyed::{Digest, DigestKey};
pub use self::normal_plan::NormalPlan;
pub use self::plan::{Instances, Options, Outline, Plan, Skipped};
pub use self::previous::{Known, Previous, PreviousField};
pub use self::refusal::Refusal;
pub use self::spool::{Limits, Spool};

#[cfg(test)]
mod tests;
