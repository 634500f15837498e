//! Why a file is no evidence.

use std::fmt;

/// Why a file is refused. No text of the file is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The file is not one JSON document.
    NotJson,
    /// The document is not a saved plan.
    NotAPlan,
    /// The plan ended with an error, so that a part of its values is old.
    Errored,
    /// The plan is not a refresh-only plan, and may contain values that were not read again.
    NotRefreshOnly,
    /// The plan covers a part of the state only, or does not say what it covers.
    Incomplete,
    /// The state that was planned contains nothing.
    Empty,
    /// The file, one of its resources or its secrets exceed a limit.
    TooLarge,
    /// The second file is not a normal plan.
    NotANormalPlan,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::NotJson,
        Self::NotAPlan,
        Self::Errored,
        Self::NotRefreshOnly,
        Self::Incomplete,
        Self::Empty,
        Self::TooLarge,
        Self::NotANormalPlan,
    ];

    /// Returns the code that programs read.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson => "NOT_JSON",
            Self::NotAPlan => "NOT_A_PLAN",
            Self::Errored => "ERRORED",
            Self::NotRefreshOnly => "NOT_REFRESH_ONLY",
            Self::Incomplete => "INCOMPLETE",
            Self::Empty => "EMPTY",
            Self::TooLarge => "TOO_LARGE",
            Self::NotANormalPlan => "NOT_A_NORMAL_PLAN",
        }
    }

    /// Returns one sentence that says which command to run.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotJson => {
                "The file is not one JSON document in UTF-8: write it again with `terraform show -json p > plan.json`."
            }
            Self::NotAPlan => {
                "The file is not a plan: run `terraform plan -refresh-only -lock=false -out=p` and `terraform show \
                 -json p`, with the name of the plan file."
            }
            Self::Errored => {
                "The plan ended with an error, so a part of its values is old: solve the error that `terraform plan \
                 -refresh-only -lock=false -out=p` prints, and run it again."
            }
            Self::NotRefreshOnly => {
                "The plan is not a refresh-only plan: run `terraform plan -refresh-only -lock=false -out=p`."
            }
            Self::Incomplete => {
                "The plan does not say that it covers the whole state: run `terraform plan -refresh-only -lock=false \
                 -out=p` without `-target`, with Terraform 1.8 or newer."
            }
            Self::Empty => {
                "The plan has no state: run `terraform workspace show` and `terraform state list` to see whether \
                 backend and workspace are the intended ones, and plan again."
            }
            Self::TooLarge => {
                "The file exceeds a limit of size or depth: run `terraform plan -refresh-only -lock=false -out=p` for \
                 smaller states."
            }
            Self::NotANormalPlan => {
                "The second file is not a normal plan: run `terraform plan -lock=false -out=n` and `terraform show \
                 -json n`, without `-refresh-only`, `-refresh=false`, `-destroy` and `-target`."
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for Refusal {}
