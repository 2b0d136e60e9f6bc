use std::time::Duration;

/// Pauses that double, each somewhere between half and the whole of its length.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const LAST: Duration = Duration::from_secs(30);

    /// Nothing has failed.
    pub(super) const fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(Self::LAST);
        whole.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }

    /// Begins anew; says whether something had failed.
    pub(super) fn reset(&mut self) -> bool {
        let failed = self.next != Self::FIRST;
        self.next = Self::FIRST;
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::new();
        assert!(!backoff.reset());
        for whole in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = backoff.pause();
            let whole = Duration::from_millis(whole);
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{pause:?} of {whole:?}"
            );
        }
        assert!(backoff.reset());
        assert!(backoff.pause() <= Backoff::FIRST);
    }
}
