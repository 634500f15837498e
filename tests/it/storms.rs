//! Many sweeps, syncs, records and accepts at once.
