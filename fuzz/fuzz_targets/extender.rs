//! Fuzzes [`floatingip_fuzz::extender`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| floatingip_fuzz::extender::check(data));
