//! The bodies of the fuzz targets. Each takes the bytes of one input and panics if a property does not hold.
//!
//! cargo-fuzz calls them from the files in `fuzz_targets/`. `tests/it/fuzzing.rs` includes this file, and gives each its
//! seeds and some mutations of them, so they must compile with the stable compiler and in both places.

pub mod canonical;
pub mod comparison;
pub mod graphql;
pub mod inventory_file;
pub mod inventory_lines;
mod json;
mod listing;
pub mod terraform_plan;
pub mod terraform_state;
pub mod token;

/// Takes an input, and panics if a property does not hold.
pub type Check = fn(&[u8]);

/// All targets. Each has a file in `fuzz_targets/` and a folder in `corpus/` of the same name.
pub const TARGETS: [(&str, Check); 8] = [
    ("canonical", canonical::check),
    ("comparison", comparison::check),
    ("graphql", graphql::check),
    ("inventory_file", inventory_file::check),
    ("inventory_lines", inventory_lines::check),
    ("terraform_plan", terraform_plan::check),
    ("terraform_state", terraform_state::check),
    ("token", token::check),
];
