//! Fuzzes [`floatingip_fuzz::cni`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::cni::check(data));
