//! A value that many set at once: which one may stand at the end.

/// The writes of one value, in the order of their beginning.
#[derive(Debug)]
pub(super) struct Register<T> {
    writes: Vec<Write<T>>,
}

#[derive(Debug)]
struct Write<T> {
    began: u64,
    /// None without an acknowledgement.
    ended: Option<u64>,
    value: T,
}

impl<T: PartialEq> Register<T> {
    /// Holds a value before all else.
    pub(super) fn of(value: T) -> Self {
        let first = Write {
            began: 0,
            ended: Some(0),
            value,
        };
        Self {
            writes: vec![first],
        }
    }

    /// Somebody is about to set it; answers with the number of that write.
    pub(super) fn begin(&mut self, value: T, now: u64) -> usize {
        self.writes.push(Write {
            began: now,
            ended: None,
            value,
        });
        self.writes.len() - 1
    }

    pub(super) fn end(&mut self, write: usize, now: u64) {
        self.writes[write].ended = Some(now);
    }

    /// Whether `value` is that of a write which no other one has certainly followed.
    pub(super) fn may_hold(&self, value: &T) -> bool {
        let acknowledged = self.writes.iter().filter(|write| write.ended.is_some());
        let last_began = acknowledged.map(|write| write.began).max().unwrap_or(0);
        let latest = |write: &&Write<T>| write.ended.is_none_or(|ended| ended >= last_began);
        let mut candidates = self.writes.iter().filter(latest);
        candidates.any(|write| write.value == *value)
    }
}

#[test]
fn only_a_write_that_none_has_certainly_followed_may_stand() {
    let mut register = Register::of(1);
    assert!(register.may_hold(&1));
    let second = register.begin(2, 10);
    assert!(register.may_hold(&1) && register.may_hold(&2));
    let third = register.begin(3, 11);
    register.end(second, 12);
    assert!(!register.may_hold(&1));
    register.end(third, 13);
    assert!(register.may_hold(&2) && register.may_hold(&3));
    let fourth = register.begin(4, 14);
    register.end(fourth, 15);
    assert!(!register.may_hold(&3) && register.may_hold(&4));
}
