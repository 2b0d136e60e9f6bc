//! Steps, carried out one after the other, and undone in reverse when one fails.

use std::fmt;
use std::time::Duration;

use crate::link::{Change, Kernel, KernelError};

/// How long undoing may take, whatever the steps took.
const TAKING_BACK: Duration = Duration::from_secs(4);

/// In which namespace a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The node's.
    Host,
    /// The container's.
    Container,
}

/// A change in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where.
    pub place: Place,
    /// What.
    pub change: Change,
}

/// A step that failed.
#[derive(Debug)]
pub struct Broken {
    /// Why.
    pub error: KernelError,
    /// What could not be undone of the steps before it.
    pub left: Vec<String>,
}

impl Broken {
    /// Is all as it was before? A step whose answer was lost may have been done, and was not undone.
    pub fn is_undone(&self) -> bool {
        self.left.is_empty() && !self.error.is_uncertain()
    }
}

impl Place {
    fn other(self) -> Self {
        match self {
            Self::Host => Self::Container,
            Self::Container => Self::Host,
        }
    }
}

impl Step {
    /// In the node's namespace.
    pub fn host(change: Change) -> Self {
        let place = Place::Host;
        Self { place, change }
    }

    /// In the container's.
    pub fn container(change: Change) -> Self {
        let place = Place::Container;
        Self { place, change }
    }

    /// What undoes it.
    pub fn undo(&self) -> Option<Self> {
        let place = match &self.change {
            Change::Create { kind, .. } if kind.lands_inside() => Place::Container,
            Change::Move { .. } => self.place.other(),
            _ => self.place,
        };
        let change = self.change.undo()?;
        Some(Self { place, change })
    }

    fn apply(&self, host: &mut Kernel, container: &mut Kernel) -> Result<(), KernelError> {
        match self.place {
            Place::Host => host.apply(&self.change, container.netns()),
            Place::Container => container.apply(&self.change, None),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Host => write!(f, "{}", self.change),
            Place::Container => write!(f, "{} in the container", self.change),
        }
    }
}

/// Carries out all steps, or none.
///
/// # Errors
/// One of them failed; those before it were undone as far as that went.
pub fn carry_out(steps: &[Step], host: &mut Kernel, container: &mut Kernel) -> Result<(), Broken> {
    for (at, step) in steps.iter().enumerate() {
        if let Err(error) = step.apply(host, container) {
            let done = steps.get(..at).unwrap_or_default();
            let left = take_back(done, host, container);
            return Err(Broken { error, left });
        }
    }
    Ok(())
}

/// Goes on when a step cannot be undone: the others may.
fn take_back(done: &[Step], host: &mut Kernel, container: &mut Kernel) -> Vec<String> {
    host.end_after(TAKING_BACK);
    container.end_after(TAKING_BACK);
    let undo = done.iter().rev().filter_map(Step::undo);
    let failed = undo.filter_map(|step| {
        let error = step.apply(host, container).err()?;
        Some(error.to_string())
    });
    failed.collect()
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_step_whose_answer_was_lost_may_have_been_done() {
        let broken = |error, left: &[&str]| Broken {
            error,
            left: left.iter().map(ToString::to_string).collect(),
        };
        let refused = || KernelError::Refused {
            what: "create veth".to_owned(),
            errno: Errno::EXIST,
            reason: String::new(),
            module: None,
        };
        assert!(broken(refused(), &[]).is_undone());
        assert!(broken(KernelError::Late, &[]).is_undone());
        assert!(!broken(refused(), &["delete v-h"]).is_undone());
        assert!(!broken(KernelError::Silent, &[]).is_undone());
    }
}
