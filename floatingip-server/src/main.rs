//! The `floatingip-server` binary.

use std::process::ExitCode;

use clap::Parser;
use floatingip_server::args::Args;

fn main() -> ExitCode {
    floatingip_server::run(Args::parse())
}
