//! Fuzzes [`floatingip_fuzz::owner_keys`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::owner_keys::check(data));
