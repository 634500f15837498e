//! What happens between the moment a sweep looks and the moment it writes.
