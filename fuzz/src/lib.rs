//! Fuzz targets of floatingip: each is one function over bytes, and panics at a finding.
//!
//! Their corpora in `fuzz/corpus` are replayed by `cargo test -p floatingip-fuzz` on the stable
//! toolchain, a single file by `cargo run -p floatingip-fuzz --bin replay TARGET FILE`. With a nightly
//! toolchain `cargo xtask ci guided` runs them guided by coverage; `docs/fuzzing.md` in the repository
//! says what each is about, and what becomes of a finding.

#![expect(clippy::expect_used, reason = "a target panics at a finding")]

pub mod annotations;
pub mod backup;
pub mod cni;
pub mod config;
pub mod engine_ops;
pub mod extender;
pub mod networks;
pub mod owner_keys;
pub mod queries;
pub mod ranges;
pub mod requests;

/// What a target does with its bytes.
pub type Check = fn(&[u8]);

/// Every target by the name of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Check); 11] = [
    ("annotations", annotations::check),
    ("backup", backup::check),
    ("cni", cni::check),
    ("config", config::check),
    ("engine_ops", engine_ops::check),
    ("extender", extender::check),
    ("networks", networks::check),
    ("owner_keys", owner_keys::check),
    ("queries", queries::check),
    ("ranges", ranges::check),
    ("requests", requests::check),
];
