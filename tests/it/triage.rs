//! Accepting a drift, and every way to be refused.
