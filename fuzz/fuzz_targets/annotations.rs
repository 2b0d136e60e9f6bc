//! Fuzzes [`floatingip_fuzz::annotations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::annotations::check(data));
