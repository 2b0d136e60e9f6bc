//! Fuzzes [`floatingip_fuzz::backup`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::backup::check(data));
