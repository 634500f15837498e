#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drift_inbox_fuzz::canonical::check(data));
