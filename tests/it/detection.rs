//! What sweeps find, and what they leave alone.
