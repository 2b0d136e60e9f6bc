//! The `floatingip-server` binary.

fn main() {}
