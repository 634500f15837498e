//! Rows that other programs wrote.
