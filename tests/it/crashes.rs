//! A process that dies at any moment loses nothing that it committed.
