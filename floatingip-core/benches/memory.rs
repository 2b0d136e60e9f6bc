//! How much memory an engine needs: for each address in use, and for ranges that nobody uses yet.

#![expect(clippy::print_stdout, reason = "the numbers are what it is run for")]

mod cluster;

use cluster::{Cluster, configured};
use floatingip_core::Topology;
use floatingip_core::engine::{Engine, Settings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SLASH_8: &str = r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.0.0/8"],
    "subnet":"10.0.0.0/8","gateway":"10.0.0.1"}]"#;
const SLASH_64: &str = r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["fd00::/64"],
    "subnet":"fd00::/64","gateway":"fd00::1"}]"#;

fn main() {
    for size in cluster::sizes() {
        let (bytes, cluster) = held_by(|| Cluster::of(size));
        println!(
            "{:>9} addresses in use: {} bytes, {} for each",
            cluster.engine.len(),
            bytes,
            bytes / size
        );
    }
    for (name, document) in [("/8", SLASH_8), ("/64", SLASH_64)] {
        let (bytes, _) = held_by(|| engine_with(configured(document)));
        println!("{name:>9} configured: {bytes} bytes");
    }
}

fn engine_with(topology: Topology) -> Engine {
    let mut engine = Engine::new(Settings::default());
    engine.reconfigure(topology);
    engine
}

/// What `make` makes, and how many bytes it holds on to.
fn held_by<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.current_usage();
    let made = make();
    (MEMORY.current_usage().saturating_sub(before), made)
}
