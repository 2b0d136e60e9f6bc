//! Fuzzes [`floatingip_fuzz::ranges`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::ranges::check(data));
