//! Whether a run in the machine counts as passed: only what came to its end by itself does.

use anyhow::{Result, anyhow};

use crate::process::Printed;
use crate::tally::Tally;

/// What QEMU exits with when the guest writes 0 to the port that ends it.
const PASSED: i32 = 1;
/// What the first program of the guest says before.
const MARK: &str = "vm-tests ended with 0 ";

/// The tests that passed in the machine.
///
/// # Errors
/// The [`Tally`] with the reason around it, when the run did not pass. The console has been shown.
pub(super) fn of(machine: &Printed) -> Result<Tally> {
    let console = machine.text.replace('\r', "");
    let tally = Tally::of_output(&console);
    let marked = console.lines().any(|line| line.starts_with(MARK));
    let why = match machine.code {
        Some(PASSED) if marked && tally.failed == 0 && tally.passed > 0 => return Ok(tally),
        Some(PASSED) if marked => "no test ran in the virtual machine".to_owned(),
        Some(PASSED) => "the virtual machine ended without saying that its tests passed".to_owned(),
        Some(0) => "the virtual machine's kernel panicked, or shut down".to_owned(),
        Some(124 | 137) => "the virtual machine took too long".to_owned(),
        Some(_) if tally.failed > 0 => format!("in the virtual machine {tally}"),
        Some(code) => format!("the virtual machine ended with {code}"),
        None => "the virtual machine was killed".to_owned(),
    };
    Err(anyhow!(tally).context(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";

    fn ended(text: &str, code: Option<i32>) -> Result<Tally> {
        of(&Printed {
            text: text.to_owned(),
            code,
        })
    }

    #[test]
    fn a_run_passes_with_the_code_the_mark_and_tests() {
        let console = format!("{RESULT}\r\nvm-tests ended with 0 after 9.8 s\r\n");
        assert_eq!(ended(&console, Some(1)).unwrap().passed, 3);
    }

    #[test]
    fn without_any_of_the_three_it_does_not() {
        let marked = format!("{RESULT}\nvm-tests ended with 0 after 9.8 s\n");
        let none = marked.replace("3 passed", "0 passed");
        for (console, code, why) in [
            (RESULT, Some(1), "without saying"),
            (&none, Some(1), "no test ran"),
            (&marked, Some(0), "panicked"),
            (&marked, Some(124), "too long"),
            (&marked, Some(3), "ended with 3"),
            (&marked, None, "killed"),
        ] {
            let error = format!("{:#}", ended(console, code).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn failed_tests_are_counted() {
        let error = ended(&RESULT.replace("0 failed", "2 failed"), Some(203)).unwrap_err();
        assert_eq!(error.downcast_ref::<Tally>().unwrap().failed, 2);
    }
}
