//! The floating-IP server: configuration files, the embedded store, the HTTP API and the standalone
//! mode that puts them together.

mod api;
pub mod app;
pub mod args;
pub mod backend;
pub mod clock;
pub mod config_file;
mod desk;
mod serve;
pub mod standalone;
pub mod store;
mod telemetry;

use std::process::ExitCode;

use args::{Args, Command};

/// Runs the server as the command line says; answers with the exit code of the process.
pub fn run(args: Args) -> ExitCode {
    if let Err(error) = telemetry::install(&args.log, args.log_format) {
        return telemetry::complain(&error);
    }
    let Command::Standalone(settings) = args.command;
    match standalone::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            telemetry::complain(&anyhow::Error::new(error));
            code
        }
    }
}
