//! Who may ask for what: every root field of the schema.
