//! The gate: whether this process may write, and how long for certain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long this process may write for certain, as its lease says. Clones share it.
///
/// ```
/// use std::time::Duration;
/// use floatingip_k8s::store::Gate;
/// use tokio::time::Instant;
///
/// let gate = Gate::closed();
/// assert_eq!(gate.remaining(), None);
/// gate.open_until(Instant::now() + Duration::from_secs(6));
/// assert!(gate.outlasts(Duration::from_secs(3)));
/// gate.close();
/// assert!(!gate.outlasts(Duration::ZERO));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate {
    until: Arc<Mutex<Until>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Until {
    #[default]
    Closed,
    Time(Instant),
    Ever,
}

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        Self::default()
    }

    /// A gate that is open for ever: where one process alone writes.
    pub fn open() -> Self {
        let gate = Self::default();
        gate.set(Until::Ever);
        gate
    }

    /// Opens it until then, whatever it was before.
    pub fn open_until(&self, end: Instant) {
        self.set(Until::Time(end));
    }

    /// Closes it. What was begun is not stopped.
    pub fn close(&self) {
        self.set(Until::Closed);
    }

    /// How long it is still open; none where it is closed.
    pub fn remaining(&self) -> Option<Duration> {
        match *self.until.lock().unwrap_or_else(PoisonError::into_inner) {
            Until::Closed => None,
            Until::Ever => Some(Duration::MAX),
            Until::Time(end) => end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero()),
        }
    }

    /// Whether it stays open at least so long.
    pub fn outlasts(&self, time: Duration) -> bool {
        self.remaining().is_some_and(|left| left >= time)
    }

    fn set(&self, until: Until) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_by_itself_when_its_time_is_over() {
        let gate = Gate::closed();
        gate.open_until(Instant::now() + Duration::from_secs(6));
        assert!(gate.outlasts(Duration::from_secs(6)));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(gate.clone().remaining(), Some(Duration::from_secs(2)));
        assert!(!gate.outlasts(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(gate.remaining(), None);
    }
}
