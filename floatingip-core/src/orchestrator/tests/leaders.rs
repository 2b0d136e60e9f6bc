//! Two processes that both believe that they lead, over one store.

use proptest::prelude::*;

use super::*;
use crate::engine::Observed;

struct Leaders {
    store: MemoryStore,
    leaders: [Lab; 2],
    seen: [Mutex<Version>; 2],
}

impl Leaders {
    fn of(store: MemoryStore, last: u32) -> Self {
        let nets = [Net::to(store.clone()), Net::of_another(store.clone())];
        Self {
            leaders: nets.map(|net| lab_with(net, addresses_to(last), Limits::default())),
            store,
            seen: Default::default(),
        }
    }

    /// Tells a leader up to `count` changes of the store that it was not told yet.
    fn echo(&self, leader: usize, count: usize) {
        let mut seen = self.seen[leader].lock().expect("no test panics here");
        let changes = self.store.changes_since(*seen).expect("all are remembered");
        for change in changes.into_iter().take(count) {
            *seen = change.version;
            let observed = Observed {
                target: change.target,
                version: change.version,
                value: change.value,
            };
            let now = self.leaders[leader].now();
            self.leaders[leader].engine().observe(observed, now);
        }
    }

    /// Settles what is open, echoes everything, and compares both leaders with the store.
    fn check(&self, last: u32) {
        for leader in 0..2 {
            self.leaders[leader].store().faults.always(None);
            block_on(self.leaders[leader].store().store.deliver());
            block_on(self.leaders[leader].tend());
        }
        for leader in 0..2 {
            self.echo(leader, usize::MAX);
            let lab = &self.leaders[leader];
            assert_eq!((lab.uncertain(), lab.open_plans()), (0, 0));
            for n in 2..=last {
                assert_eq!(lab.holder(n), lab.store().holder(n), "10.0.0.{n}");
            }
        }
    }
}

#[test]
fn two_leaders_at_once_never_give_one_address_to_two_pods() {
    for store in each_kind() {
        let two = Leaders::of(store, 9);
        let names: Vec<String> = (0..12).map(|n| format!("web-{n}")).collect();
        let all = names.iter().enumerate().map(|(n, name)| {
            let lab = &two.leaders[n % 2];
            Box::pin(lab.give(name)) as _
        });
        let all: Vec<Allocated> = block_on(together(all.collect()));
        let given: Vec<IpAddr> = all.iter().flatten().flatten().copied().collect();
        let distinct: std::collections::BTreeSet<IpAddr> = given.iter().copied().collect();
        assert_eq!((given.len(), distinct.len()), (8, 8));
        two.check(9);
    }
}

#[test]
fn an_echo_of_ones_own_write_changes_nothing_and_that_of_another_is_taken_over() {
    for store in each_kind() {
        let two = Leaders::of(store, 9);
        block_on(two.leaders[0].give("web")).expect("there is room");
        two.echo(0, 9);
        two.echo(1, 9);
        assert_eq!(two.leaders[1].holder(2).as_deref(), Some("web"));
        let again = block_on(two.leaders[1].give("web"));
        assert_eq!(again, Ok(vec![ip(2)]));
        // The other leader writes it again, so that the first one cannot take it for given up.
        assert_eq!(two.leaders[1].store().changes(), 2);
        two.check(9);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Give(usize, u8, Option<Fault>),
    End(usize, u8, Option<Fault>),
    Echo(usize, usize),
    Tend(usize),
    Deliver(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = || proptest::option::weighted(0.4, proptest::sample::select(&Fault::ALL[..]));
    let step = prop_oneof![
        4 => (0..2usize, 0..6u8, fault()).prop_map(|(leader, pod, fault)| Step::Give(leader, pod, fault)),
        2 => (0..2usize, 0..6u8, fault()).prop_map(|(leader, pod, fault)| Step::End(leader, pod, fault)),
        3 => (0..2usize, 1..4usize).prop_map(|(leader, count)| Step::Echo(leader, count)),
        1 => (0..2usize).prop_map(Step::Tend),
        1 => (0..2usize).prop_map(Step::Deliver),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// ONE-OWNER: whoever was told that a pod has an address finds the pod in the store, until that
    /// pod is ended by somebody.
    #[test]
    fn whatever_fails_an_acknowledged_address_is_its_pods_alone(steps in steps(), atomic: bool) {
        let store = if atomic { MemoryStore::atomic() } else { MemoryStore::per_record() };
        let two = Leaders::of(store.with_history(usize::MAX), 5);
        // Ended pods do not come back: their successors have other names.
        let mut lives = [0; 6];
        let mut told: BTreeMap<IpAddr, String> = BTreeMap::new();
        let name = |pod: u8, lives: &[u32; 6]| format!("web-{pod}-{}", lives[usize::from(pod)]);
        for step in steps {
            match step {
                Step::Give(leader, pod, fault) => {
                    let lab = &two.leaders[leader];
                    lab.store().faults.next([fault]);
                    let name = name(pod, &lives);
                    for given in block_on(lab.give(&name)).into_iter().flatten() {
                        told.insert(given, name.clone());
                    }
                    lab.store().faults.script().next.clear();
                }
                Step::End(leader, pod, fault) => {
                    let lab = &two.leaders[leader];
                    let ended = name(pod, &lives);
                    lab.store().faults.next([fault]);
                    told.retain(|_, name| *name != ended);
                    lives[usize::from(pod)] += 1;
                    let uid = crate::testing::fixture::pod(&ended).pod().uid;
                    _ = block_on(lab.ended(&uid, &Ending::Certain));
                    lab.store().faults.script().next.clear();
                }
                Step::Echo(leader, count) => two.echo(leader, count),
                Step::Tend(leader) => block_on(two.leaders[leader].tend()),
                Step::Deliver(leader) => _ = block_on(two.leaders[leader].store().store.deliver()),
            }
            for (ip, name) in &told {
                let there = two.store.current(&at(*ip));
                let there = there.and_then(|(_, value)| match value {
                    Value::Address(record) => holder(&record),
                    Value::Pool(_) => None,
                });
                prop_assert_eq!(there.as_ref(), Some(name), "{}", ip);
            }
        }
        two.check(5);
    }
}
