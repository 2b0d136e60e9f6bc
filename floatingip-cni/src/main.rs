//! The program: a plugin by the name that it is called as, by its own name its installer.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use floatingip_cni::install::{self, Command, Ending, USAGE};
use floatingip_cni::plugin::{Answer, Plugin};
use floatingip_cni::spec::{Code, Failure, Version};

/// More than any network configuration has, with all annotations of a pod.
const LONGEST: u64 = 4 * 1024 * 1024;

/// As `getopt` programs end when they are called wrongly.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let program = PathBuf::from(arguments.next().unwrap_or_default());
    match Plugin::called(&program) {
        Ok(plugin) => tell(&answer(plugin)),
        Err(error) if env::var_os("CNI_COMMAND").is_some() => {
            tell(&failed(&Failure::new(Code::InvalidEnvironment, error)))
        }
        Err(_) => by_hand(arguments),
    }
}

fn tell(answer: &Answer) -> ExitCode {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(answer.text.as_bytes())
        .and_then(|()| out.flush());
    if answer.success && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// No runtime calls, but somebody who installs.
fn by_hand(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = match Command::parse(arguments) {
        Ok(command) => command,
        Err(error) => return complain(&format!("{error}\n\n{USAGE}"), ExitCode::from(WRONG_USAGE)),
    };
    match carried_out(&command) {
        Ok(code) => code,
        Err(error) => complain(&error.to_string(), ExitCode::FAILURE),
    }
}

fn carried_out(command: &Command) -> Result<ExitCode, Box<dyn Error>> {
    let Command::Install { node, user, .. } = command else {
        return Ok(told(&install::run(command)?));
    };
    let ending = user.keep.then(Ending::listen).transpose()?;
    let code = told(&install::run(command)?);
    if let Some((ending, account)) = ending.zip(user.account()?) {
        install::keep(node, &account, &ending, |line| match line {
            Ok(line) => drop(told(&[line])),
            Err(error) => drop(complain(error, ExitCode::FAILURE)),
        })?;
    }
    Ok(code)
}

fn told(lines: &[impl AsRef<str>]) -> ExitCode {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    tell(&Answer {
        text: lines.join("\n") + "\n",
        success: true,
    })
}

fn complain(message: &str, code: ExitCode) -> ExitCode {
    // Where standard error is closed, the exit code has to do.
    let _ = writeln!(io::stderr(), "floatingip-cni: {message}");
    code
}

fn answer(plugin: Plugin) -> Answer {
    let mut input = Vec::new();
    if let Err(error) = io::stdin().lock().take(LONGEST).read_to_end(&mut input) {
        let message = format!("standard input cannot be read: {error}");
        return failed(&Failure::new(Code::Io, message));
    }
    plugin.answer(|name| env::var(name).ok(), &input)
}

fn failed(failure: &Failure) -> Answer {
    Answer {
        text: failure.to_json(Version::ABSENT),
        success: false,
    }
}
