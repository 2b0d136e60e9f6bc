//! What is to be done: each thing once, however often it is asked for, and one at a time for each object.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::Ending;
use floatingip_core::owner::AppRef;
use floatingip_core::{Name, PoolName};
use tokio::time::Instant;

use crate::index::NodeChange;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// The pod of that UID has ended.
    Ended(Name, Ending),
    /// The pod of that UID is bound with these addresses.
    Bound(Name, Vec<IpAddr>),
    /// The app has other slots.
    App(AppRef),
    /// The app is not listed any more: it is gone if it cannot be read either.
    AppPerhapsGone(AppRef),
    /// The record of the address was deleted, and its pod may be live.
    Restore(IpAddr),
    /// The pool has another specification.
    Pool(PoolName),
    /// The pool was deleted by somebody else.
    PoolGone(PoolName),
    /// The node came, changed or went.
    Node(Name, NodeChange),
}

/// What a task is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Pod(Name),
    App(AppRef),
    Address(IpAddr),
    Pool(PoolName),
    Node(Name),
}

impl Task {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Ended(uid, _) | Self::Bound(uid, _) => Key::Pod(uid.clone()),
            Self::App(app) | Self::AppPerhapsGone(app) => Key::App(app.clone()),
            Self::Restore(ip) => Key::Address(*ip),
            Self::Pool(pool) | Self::PoolGone(pool) => Key::Pool(pool.clone()),
            Self::Node(name, _) => Key::Node(name.clone()),
        }
    }

    /// Whether it may take the place of `former`, which is about the same object. Nothing comes after a
    /// pod's end.
    fn overrides(&self, former: &Self) -> bool {
        !matches!((former, self), (Self::Ended(..), Self::Bound(..)))
    }
}

/// A task that is taken up, for the how-manieth time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) task: Task,
    number: u32,
}

/// After so many attempts it is left to the next sweep.
const MOST_ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tasks that wait, are worked on, or are to be tried again. As many as there are objects, at most.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<Key>,
    waiting: HashMap<Key, Attempt>,
    active: HashSet<Key>,
    /// What failed, and when it is to be tried again.
    resting: HashMap<Key, (Instant, Attempt)>,
    /// The same by time; some of it does not rest any more.
    later: BTreeMap<Instant, Vec<Key>>,
}

impl Queue {
    /// Asks for a task; what waits for the same object, or is to be tried again, is overridden.
    pub(super) fn push(&mut self, task: Task) {
        match self.resting.remove(&task.key()) {
            Some((_, former)) if !task.overrides(&former.task) => self.put(former),
            _ => self.put(Attempt { task, number: 1 }),
        }
    }

    fn put(&mut self, attempt: Attempt) {
        let key = attempt.task.key();
        match self.waiting.get_mut(&key) {
            Some(former) if attempt.task.overrides(&former.task) => *former = attempt,
            Some(_) => {}
            None => {
                self.waiting.insert(key.clone(), attempt);
                self.order.push_back(key);
            }
        }
    }

    /// The next task of an object that nobody works on.
    pub(super) fn next(&mut self, now: Instant) -> Option<Attempt> {
        self.recall(now);
        let place = self
            .order
            .iter()
            .position(|key| !self.active.contains(key))?;
        let key = self.order.remove(place)?;
        let attempt = self.waiting.remove(&key)?;
        self.active.insert(key);
        Some(attempt)
    }

    /// It is done.
    pub(super) fn done(&mut self, key: &Key) {
        self.active.remove(key);
    }

    /// It is not done; whether it is tried again. What was asked for meanwhile counts instead.
    pub(super) fn failed(&mut self, attempt: Attempt, now: Instant) -> bool {
        let key = attempt.task.key();
        self.active.remove(&key);
        let overrides = |newer: &Attempt| newer.task.overrides(&attempt.task);
        if self.waiting.get(&key).is_some_and(overrides) {
            return true;
        }
        if attempt.number >= MOST_ATTEMPTS {
            return false;
        }
        let at = now + pause_after(attempt.number);
        let number = attempt.number + 1;
        self.later.entry(at).or_default().push(key.clone());
        self.resting
            .insert(key, (at, Attempt { number, ..attempt }));
        true
    }

    /// When the next one is to be tried again.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.later.keys().next().copied()
    }

    /// How many are not done yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.active.len() + self.resting.len()
    }

    fn recall(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            let at = *entry.key();
            for key in entry.remove() {
                if let Entry::Occupied(resting) = self.resting.entry(key)
                    && resting.get().0 == at
                {
                    let (_, attempt) = resting.remove();
                    self.put(attempt);
                }
            }
        }
    }
}

fn pause_after(attempts: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << attempts);
    let jitter = 0.5 + fastrand::f64();
    pause.min(LONGEST_PAUSE).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(uid: &str) -> Task {
        Task::Bound(uid.into(), Vec::new())
    }

    fn ended(uid: &str) -> Task {
        Task::Ended(uid.into(), Ending::Certain)
    }

    #[test]
    fn what_is_asked_for_twice_is_done_once_and_in_order() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for uid in ["a", "b", "a"] {
            queue.push(bound(uid));
        }
        assert_eq!(queue.next(now).unwrap().task, bound("a"));
        assert_eq!(queue.next(now).unwrap().task, bound("b"));
        assert_eq!(queue.next(now), None);
    }

    #[test]
    fn nothing_comes_after_a_pods_end() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(bound("a"));
        queue.push(ended("a"));
        queue.push(bound("a"));
        assert_eq!(queue.next(now).unwrap().task, ended("a"));
        assert_eq!(queue.next(now), None);
    }

    #[test]
    fn one_at_a_time_for_each_object() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(bound("a"));
        let first = queue.next(now).unwrap();
        queue.push(ended("a"));
        assert_eq!(queue.next(now), None);
        queue.done(&first.task.key());
        assert_eq!(queue.next(now).unwrap().task, ended("a"));
    }

    #[test]
    fn what_fails_is_tried_again_later_and_not_for_ever() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.push(bound("a"));
        for _ in 1..MOST_ATTEMPTS {
            let attempt = queue.next(now).unwrap();
            assert!(queue.failed(attempt, now));
            assert_eq!(queue.next(now), None);
            now = queue.next_time().unwrap();
        }
        let last = queue.next(now).unwrap();
        assert!(!queue.failed(last, now));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_failure_does_not_undo_what_was_asked_for_meanwhile() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(bound("a"));
        let attempt = queue.next(now).unwrap();
        queue.push(ended("a"));
        assert!(queue.failed(attempt, now));
        let after = now + LONGEST_PAUSE * 2;
        assert_eq!(queue.next(after).unwrap().task, ended("a"));
        queue.done(&ended("a").key());
        assert_eq!(queue.next(after), None);
    }

    /// A node that is gone stays so, though the news that it came was not dealt with at once.
    #[test]
    fn what_failed_does_not_come_back_after_newer_news() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let came = NodeChange::Present {
            addresses: Vec::new(),
            ready: true,
        };
        queue.push(Task::Node("a".into(), came));
        let attempt = queue.next(now).unwrap();
        assert!(queue.failed(attempt, now));
        let gone = Task::Node("a".into(), NodeChange::Gone);
        queue.push(gone.clone());
        assert_eq!(queue.next(now).unwrap().task, gone);
        queue.done(&gone.key());
        assert_eq!(queue.next(now + LONGEST_PAUSE * 2), None);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_pods_end_that_failed_is_not_forgotten_for_a_binding() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(ended("a"));
        let attempt = queue.next(now).unwrap();
        assert!(queue.failed(attempt, now));
        queue.push(bound("a"));
        assert_eq!(queue.next(now).unwrap().task, ended("a"));
    }
}
