//! Who runs a tick, who is still alive, how it ended.
