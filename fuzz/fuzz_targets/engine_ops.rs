//! Fuzzes [`floatingip_fuzz::engine_ops`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::engine_ops::check(data));
