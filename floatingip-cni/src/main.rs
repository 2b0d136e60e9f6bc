//! The program: a plugin by the name that it is called as.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use floatingip_cni::plugin::{Answer, Plugin};
use floatingip_cni::spec::{Code, Failure, Version};

/// More than any network configuration has, with all annotations of a pod.
const LONGEST: u64 = 4 * 1024 * 1024;

fn main() -> ExitCode {
    let answer = answer();
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

fn answer() -> Answer {
    let program = env::args_os().next().unwrap_or_default();
    let plugin = match Plugin::called(&PathBuf::from(program)) {
        Ok(plugin) => plugin,
        Err(error) => return failed(&Failure::new(Code::InvalidEnvironment, error)),
    };
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
