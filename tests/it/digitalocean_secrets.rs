//! No secret reaches the database, a log or an answer.
