//! Syncs: what a listing makes of the inventory.
