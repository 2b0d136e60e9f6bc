//! Runnable examples of floatingip; each checks what it shows, and `cargo xtask ci examples` runs all.
//!
//! | `cargo run -p floatingip-examples --example …` | shows |
//! |---|---|
//! | `client` | a client of the standalone server, with the standard library alone |
//! | `embed` | the engine inside a program of your own, from configuration to address |
//! | `list` | filters, orders and pages |
//! | `own_store` | a store of your own, and the suite that says whether it keeps its contract |

#[cfg(doctest)]
#[doc = include_str!("../../docs/embed.md")]
struct Embedding;
