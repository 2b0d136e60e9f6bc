//! Fuzzes [`floatingip_fuzz::networks`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::networks::check(data));
