//! Fuzzes [`floatingip_fuzz::queries`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::queries::check(data));
