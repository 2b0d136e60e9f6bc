//! Runs one fuzz target on files, without a fuzzer: `replay TARGET FILE…`.
#![expect(clippy::print_stderr, reason = "it has to say how it is used")]

use std::process::ExitCode;

use floatingip_fuzz::TARGETS;

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some((_, check)) = TARGETS.iter().find(|(target, _)| *target == name) else {
        let names = TARGETS.map(|(target, _)| target).join(", ");
        eprintln!("usage: replay TARGET FILE…, where TARGET is one of {names}");
        return Ok(ExitCode::FAILURE);
    };
    for file in arguments {
        check(&std::fs::read(&file)?);
        eprintln!("{file}: no finding");
    }
    Ok(ExitCode::SUCCESS)
}
