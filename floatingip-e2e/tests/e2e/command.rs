//! Programs that are run to their end.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use floatingip_testkit::Process;
use floatingip_testkit::process::Launch;

/// The longest that one may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A name that no other file in the folder of a test has.
pub(crate) fn unique(stem: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Runs a program, which `launch` gets with a log in `folder`, and returns what it printed.
///
/// Fails with what it printed where it ends with another code than 0, and where it takes too long.
pub(crate) async fn run(folder: &Path, launch: impl FnOnce(&Path) -> Launch) -> Result<String> {
    let log = folder.join(unique("run"));
    let process = Process::start(launch(&log))?;
    let status = process.wait(LIMIT).await?;
    let printed = process.log();
    if !status.success() {
        bail!("{} ended with {status}: {}", process.name(), printed.trim());
    }
    Ok(printed.trim().to_owned())
}
