//! For tests: builders of records and writes, a store with faults at will, time that a test moves, and
//! the suite that every [`Store`](crate::Store) must pass. In the feature `testing`, for stores of other crates too.
//!
//! ```
//! use floatingip_core::memory::MemoryStore;
//! use floatingip_core::testing::{block_on, contract};
//!
//! block_on(contract::check_all(&mut async || MemoryStore::atomic()))?;
//! # Ok::<(), contract::Violations>(())
//! ```

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

pub mod contract;
mod faulty;
pub mod fixture;
mod timer;

pub use faulty::{Counts, Fault, FaultyStore};
pub use timer::VirtualTimer;

/// Runs a future to its end by polling it over and over: for futures that wait for nothing outside,
/// such as those of a store in memory. Others need a runtime.
///
/// # Panics
/// When the future is not ready after a million polls: it waits for what nobody brings.
#[expect(clippy::panic, reason = "a test whose future never ends has failed")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    const POLLS: u32 = 1_000_000;
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future is still pending after {POLLS} polls: it needs a runtime")
}

/// Polls a future once: its output if that was enough. For tests that look at what holds meanwhile.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match future.poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls futures in turns until all have ended; their outputs in the same order.
pub async fn together<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut open: Vec<_> = futures.into_iter().map(|future| (future, None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in open.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *output = Some(value);
            }
        }
        match open.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    open.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Ready after `polls` more polls; notes each of them.
    async fn counted(name: char, mut polls: u32, seen: &RefCell<String>) -> char {
        std::future::poll_fn(|_| {
            seen.borrow_mut().push(name);
            polls -= 1;
            if polls == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        name
    }

    #[test]
    fn together_takes_turns_and_keeps_the_order_of_the_outputs() {
        let seen = RefCell::default();
        let outputs = block_on(together(vec![
            Box::pin(counted('a', 3, &seen)),
            Box::pin(counted('b', 1, &seen)),
            Box::pin(counted('c', 2, &seen)),
        ]));
        assert_eq!(outputs, ['a', 'b', 'c']);
        assert_eq!(seen.into_inner(), "abcaca");
    }

    #[test]
    #[should_panic(expected = "needs a runtime")]
    fn a_future_that_never_ends_fails_the_test_instead_of_hanging_it() {
        block_on(std::future::pending::<()>());
    }
}
