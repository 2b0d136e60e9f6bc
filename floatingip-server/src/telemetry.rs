//! Logs: to standard error, as text or JSON.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Lets log lines that pass the filter be written from now on.
pub(crate) fn install(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("`{filter}` is no log filter: write a level such as info"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // It would tell of a standard error that is gone on standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(wants_colours());
    let installed = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    installed.map_err(|error| anyhow!("logs cannot be written: {error}"))
}

/// As <https://no-color.org> has it.
fn wants_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !unwanted
}

/// Tells on standard error why the process ends, with every cause.
pub(crate) fn complain(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to tell it to if standard error is gone as well.
    let _ = writeln!(io::stderr(), "floatingip-server: {error:#}");
    ExitCode::FAILURE
}
