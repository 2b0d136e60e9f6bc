//! The floating-IP server: configuration files, the embedded store, the HTTP API and the standalone
//! mode that puts them together.

mod api;
pub mod app;
pub mod args;
pub mod backend;
pub mod backup;
pub mod clock;
pub mod config_file;
mod desk;
mod draft;
mod explained;
mod filling;
pub mod kubernetes;
pub mod native;
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
    match args.command {
        Command::Standalone(settings) => match standalone::run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let code = error.exit_code();
                telemetry::complain(&anyhow::Error::new(error));
                code
            }
        },
        Command::Backup(settings) => match backup::run(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let code = error.exit_code();
                telemetry::complain(&anyhow::Error::new(error));
                code
            }
        },
        Command::Restore(settings) => match backup::restore(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let code = backup::exit_code(&error);
                telemetry::complain(&anyhow::Error::new(error));
                code
            }
        },
        Command::Kubernetes(settings) => match kubernetes::run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => telemetry::complain(&anyhow::Error::new(error)),
        },
        Command::Verify(settings) => match kubernetes::verify(&settings) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                telemetry::complain(&anyhow::Error::new(error));
                ExitCode::from(2)
            }
        },
    }
}
