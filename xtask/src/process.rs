//! Running other programs, with their output on the terminal.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Prints the title of a part of the run.
pub(crate) fn headline(title: &str) {
    println!("\n=== {title} ===");
}

/// The cargo that started this program, to be run in `root`.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    command
}

/// Runs `command` to its end and fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command)?;
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// What a program printed on its standard output, and what it exited with, unless a signal ended it.
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) code: Option<i32>,
}

impl Printed {
    /// Whether it exited with 0.
    pub(crate) fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs `command` like [`run`], showing its standard output and also keeping it.
pub(crate) fn run_and_keep(command: &mut Command) -> Result<Printed> {
    announce(command)?;
    command.stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        copy_lines(BufReader::new(stdout), &mut text)?;
    }
    Ok(Printed {
        text,
        code: child.wait()?.code(),
    })
}

/// Runs `command` without showing its standard output, which is returned.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    command.stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", shown(command)))
}

fn copy_lines(mut source: impl std::io::BufRead, text: &mut String) -> Result<()> {
    let mut line = Vec::new();
    while source.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        text.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

fn announce(command: &Command) -> Result<()> {
    println!("$ {}", shown(command));
    Ok(std::io::stdout().flush()?)
}

/// The command line as a person would type it, without the folder of the program.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
