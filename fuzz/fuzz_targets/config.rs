//! Fuzzes [`floatingip_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::config::check(data));
