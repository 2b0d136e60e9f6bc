use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::testing::{block_on, poll_once, together};
use crate::time::WallTime;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn time_stands_still_until_it_is_moved_and_both_clocks_move_alike() {
    let timer = VirtualTimer::new();
    assert_eq!(timer.now(), Now::default());
    let handle = timer.clone();
    handle.advance(ms(1500));
    assert_eq!(timer.now().elapsed, ms(1500));
    assert_eq!(timer.now().wall, WallTime::from_nanos(1_500_000_000));
    timer.advance(Duration::MAX);
    assert_eq!(handle.now().elapsed, Duration::MAX);
}

#[test]
fn a_sleep_counts_from_when_it_was_asked_for_and_ends_on_time() {
    let timer = VirtualTimer::new();
    let mut sleep = pin!(timer.sleep(ms(10)));
    timer.advance(ms(4));
    assert_eq!(poll_once(sleep.as_mut()), None);
    timer.advance(ms(5));
    assert_eq!(poll_once(sleep.as_mut()), None);
    timer.advance(ms(1));
    assert_eq!(poll_once(sleep.as_mut()), Some(()));
    assert_eq!(poll_once(pin!(timer.sleep(Duration::ZERO))), Some(()));
}

#[test]
fn the_last_waker_of_each_sleep_that_is_over_is_called_once() {
    let timer = VirtualTimer::new();
    let (former, soon, late) = (counter(), counter(), counter());
    let mut first = pin!(timer.sleep(ms(10)));
    let mut second = pin!(timer.sleep(ms(20)));
    assert!(poll_with(first.as_mut(), &former).is_pending());
    assert!(poll_with(first.as_mut(), &soon).is_pending());
    assert!(poll_with(second.as_mut(), &late).is_pending());
    timer.advance(ms(10));
    timer.advance(ms(5));
    assert_eq!((calls(&former), calls(&soon), calls(&late)), (0, 1, 0));
}

fn counter() -> Arc<Calls> {
    Arc::default()
}

fn calls(calls: &Calls) -> usize {
    calls.0.load(Ordering::Relaxed)
}

fn poll_with(future: Pin<&mut impl Future<Output = ()>>, calls: &Arc<Calls>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(calls));
    future.poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_sleep_that_is_dropped_or_over_sleeps_no_more() {
    let timer = VirtualTimer::new();
    let mut over = pin!(timer.sleep(ms(10)));
    assert_eq!(timer.sleeping(), 0);
    {
        let mut dropped = pin!(timer.sleep(ms(10)));
        assert_eq!(poll_once(dropped.as_mut()), None);
        assert_eq!(poll_once(over.as_mut()), None);
        assert_eq!(timer.sleeping(), 2);
    }
    assert_eq!(timer.sleeping(), 1);
    timer.advance(ms(10));
    assert_eq!(timer.sleeping(), 0);
}

#[test]
fn automatic_time_goes_from_one_end_of_a_sleep_to_the_next() {
    let timer = VirtualTimer::automatic();
    let seen = RefCell::new(Vec::new());
    let sleeper = async |naps: &[u64]| {
        for nap in naps {
            timer.sleep(ms(*nap)).await;
            seen.borrow_mut().push(timer.now().elapsed.as_millis());
        }
    };
    block_on(together(vec![
        Box::pin(sleeper(&[30, 30])),
        Box::pin(sleeper(&[10, 10, 20])),
    ]));
    assert_eq!(seen.into_inner(), [10, 20, 30, 40, 60]);
}

#[test]
fn automatic_time_heeds_no_sleep_that_was_dropped() {
    let timer = VirtualTimer::automatic();
    drop_polled(&timer, ms(1));
    block_on(timer.sleep(ms(50)));
    assert_eq!(timer.now().elapsed, ms(50));
}

fn drop_polled(timer: &VirtualTimer, duration: Duration) {
    let mut sleep = pin!(timer.sleep(duration));
    assert_eq!(poll_once(sleep.as_mut()), None);
}

#[test]
fn automatic_sleeps_wake_themselves() {
    let timer = VirtualTimer::automatic();
    let woken = counter();
    let mut sleep = pin!(timer.sleep(ms(10)));
    let polls = VirtualTimer::IDLE_POLLS;
    for _ in 0..polls {
        assert!(poll_with(sleep.as_mut(), &woken).is_pending());
    }
    assert_eq!(u32::try_from(calls(&woken)), Ok(polls));
    assert!(poll_with(sleep.as_mut(), &woken).is_ready());
}
