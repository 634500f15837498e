//! What a normal plan decided about an attribute. Later imports without a normal plan keep the decision while their plan
//! gives no evidence against it.

use std::fmt;

use super::keyed::Digest;

/// What the next apply would do with an attribute that changed outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would change the attribute back.
    Undone(Evidence),
    /// It would leave the attribute alone.
    Left(Evidence),
}

/// The values that a decision is about, as digests of their exact texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The applied value.
    pub applied: Digest,
    /// The live value.
    pub live: Digest,
    /// The constant of the code, if it is not the live value: then the code ignores changes of the attribute.
    pub ignored: Option<Digest>,
}

impl Verdict {
    /// Returns whether an earlier decision to leave the attribute alone still holds: the values are the same, or the code
    /// still has the constant that it does not apply.
    pub(super) fn still_leaves(&self, now: &Evidence) -> bool {
        match self {
            Self::Left(before) => {
                let is_same = before.applied == now.applied && before.live == now.live;
                is_same || before.ignored.is_some() && before.ignored == now.ignored
            }
            Self::Undone(_) => false,
        }
    }

    /// Returns whether an earlier decision that the next apply changes the attribute back still holds, whatever the live
    /// value is: nothing was applied since.
    pub(super) fn still_undoes(&self, now: &Evidence) -> bool {
        matches!(self, Self::Undone(before) if before.applied == now.applied)
    }

    /// Returns whether it is the decision that the next apply changes back this live value.
    pub(super) fn undoes_exactly(&self, now: &Evidence) -> bool {
        matches!(self, Self::Undone(before) if before.applied == now.applied && before.live == now.live)
    }
}

/// The digests one after the other, each with 32 digits.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.applied, self.live)?;
        self.ignored.map_or(Ok(()), |ignored| write!(f, "{ignored}"))
    }
}

impl Evidence {
    /// Parses the text of the digests.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |number: usize| Digest::parse(text.get(32 * number..32 * (number + 1))?);
        let ignored = match text.len() {
            64 => None,
            96 => Some(part(2)?),
            _ => return None,
        };
        Some(Self {
            applied: part(0)?,
            live: part(1)?,
            ignored,
        })
    }
}
