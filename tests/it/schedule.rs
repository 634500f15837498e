//! Crons, catching up, draining.
