//! Every series that the shipped alerts and the dashboard name is one that the server has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::Server;

const FILES: [&str; 2] = ["alerts.yaml", "dashboard.json"];
/// What a histogram's series end with, beside its name.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Asks a server that has decided something.
pub(crate) async fn names_are_known(server: &Server) -> Result<()> {
    let metrics = server.api().get("/metrics").await?.body;
    let mut known = BTreeSet::new();
    for line in metrics.lines() {
        known.extend(
            line.strip_prefix("# TYPE ")
                .and_then(|line| line.split(' ').next()),
        );
    }
    ensure!(known.len() > 10, "hardly any series: {known:?}");
    for file in FILES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring");
        let text = fs::read_to_string(folder.join(file)).context(file)?;
        let named = named(&text);
        ensure!(named.len() > 5, "{file} names {named:?}");
        let strangers: Vec<_> = named
            .iter()
            .filter(|name| !known.contains(**name))
            .collect();
        ensure!(
            strangers.is_empty(),
            "{file} names {strangers:?}, which no server has"
        );
    }
    Ok(())
}

fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("floatingip_") || word.starts_with("galaxy_"));
    ours.map(|word| {
        let plain = OF_HISTOGRAMS.iter().find_map(|end| word.strip_suffix(end));
        plain.unwrap_or(word)
    })
    .collect()
}
