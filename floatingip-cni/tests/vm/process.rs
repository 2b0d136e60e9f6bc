//! Programs, called with the words of one line; what they say stands in the message when they fail.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that happens at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `ip` and returns what it printed.
pub(crate) fn ip(line: &str) -> String {
    let (success, said) = run(&format!("ip {line}"));
    assert!(success, "ip {line}: {said}");
    said
}

/// Whether the program exited with 0, and what it said.
pub(crate) fn run(line: &str) -> (bool, String) {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    let output = command.args(words).output();
    let output = output.map_err(|error| format!("{line}: {error}")).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Asks until there is an answer, and fails when there is none for long.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "still not: {what}");
        thread::sleep(PAUSE);
    }
}
