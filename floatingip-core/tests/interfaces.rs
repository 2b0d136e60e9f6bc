//! Container interfaces that come and go while the store has not answered yet, against a naive oracle:
//! who was told an address keeps it until its own end, and nothing else is in use in the end.

#![expect(clippy::expect_used, reason = "the helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Engine, Settings};
use floatingip_core::fact::UnknownWorld;
use floatingip_core::plan::Plan;
use floatingip_core::record::{Attachment, Version};
use floatingip_core::request::PodRequest;
use floatingip_core::store::Outcome;
use floatingip_core::testing::fixture::{attachment, pod};
use floatingip_core::{Now, ReleasePolicy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Two containers for each of three pods, one after the other.
const CONTAINERS: usize = 6;

#[derive(Clone, Debug)]
enum Op {
    Attach(usize),
    Detach(usize),
    Collect { valid: [bool; CONTAINERS] },
    Settle { plan: usize, applied: bool },
    EndDue,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..CONTAINERS).prop_map(Op::Attach),
        3 => (0..CONTAINERS).prop_map(Op::Detach),
        1 => any::<[bool; CONTAINERS]>().prop_map(|valid| Op::Collect { valid }),
        4 => (any::<usize>(), prop::bool::weighted(0.8))
            .prop_map(|(plan, applied)| Op::Settle { plan, applied }),
        2 => Just(Op::EndDue),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn who_was_told_an_address_keeps_it_until_its_own_end(ops in vec(op(), 1..60)) {
        let mut lab = Lab::new();
        for op in &ops {
            lab.perform(op)?;
            lab.check(op)?;
        }
        lab.come_to_rest()?;
    }
}

struct Lab {
    engine: Engine,
    version: u64,
    open: Vec<Open>,
    /// For each pod the container that was told its addresses last, while that has not ended.
    told: BTreeMap<usize, (usize, Vec<IpAddr>)>,
}

struct Open {
    plan: Plan,
    /// What a container is told when the plan is durable, unless it has ended meanwhile.
    offer: Option<Offer>,
}

struct Offer {
    container: usize,
    addresses: Vec<IpAddr>,
    ended: bool,
}

impl Lab {
    fn new() -> Self {
        let document = r#"[{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.0.2~10.0.0.9"],"subnet":"10.0.0.0/24","gateway":"10.0.0.1"}]"#;
        let config = Config::parse(document, Strictness::Strict).expect("a good configuration");
        let mut engine = Engine::new(Settings {
            binds_at_once: true,
            ..Settings::default()
        });
        engine.reconfigure(config.into_topology());
        Self {
            engine,
            version: 0,
            open: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    fn perform(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Attach(container) => self.attach(*container)?,
            Op::Detach(container) => self.detach(*container),
            Op::Collect { valid } => self.collect(valid),
            Op::Settle { plan, applied } if !self.open.is_empty() => {
                self.settle(plan % self.open.len(), *applied);
            }
            Op::Settle { .. } => {}
            Op::EndDue => self.end_due(),
        }
        Ok(())
    }

    fn attach(&mut self, container: usize) -> Result<(), TestCaseError> {
        let quiet = self.open.is_empty() && self.engine.due_ends().is_empty();
        let reach = self.engine.topology().reach_all();
        let asked = request(container);
        let planned = self
            .engine
            .plan_allocate(&asked, &reach, &UnknownWorld, Now::default());
        match planned {
            Ok(allocation) => {
                self.open.push(Open {
                    plan: allocation.plan,
                    offer: Some(Offer {
                        container,
                        addresses: allocation.addresses,
                        ended: false,
                    }),
                });
            }
            Err(refusal) => prop_assert!(!quiet, "nothing is in the way: {refusal}"),
        }
        // Where there is nothing to write, there is nothing to wait for.
        let last = self.open.len().saturating_sub(1);
        if self.open.last().is_some_and(|open| open.plan.is_empty()) {
            self.settle(last, true);
        }
        Ok(())
    }

    fn detach(&mut self, container: usize) {
        self.forget(container);
        let plan = self
            .engine
            .plan_detached(&interface(container), &UnknownWorld, Now::default());
        self.begin(plan);
    }

    fn collect(&mut self, valid: &[bool]) {
        let is_valid = |container: &usize| valid[*container];
        let valid: BTreeSet<Attachment> = (0..CONTAINERS).filter(is_valid).map(interface).collect();
        let any = interface(0);
        let mut lost = self.engine.lost(&any.node, &any.network, &valid);
        for container in 0..CONTAINERS {
            if lost.contains(&interface(container)) {
                self.forget(container);
            }
        }
        let plan = self
            .engine
            .plan_gc(&mut lost, &UnknownWorld, Now::default());
        self.begin(plan);
    }

    fn end_due(&mut self) {
        for end in self.engine.due_ends() {
            let plan = self.engine.plan_due(&end, &UnknownWorld, Now::default());
            self.begin(plan);
        }
    }

    fn begin(&mut self, plan: Plan) {
        let offer = None;
        self.open.push(Open { plan, offer });
    }

    /// The container has ended: whatever it was told or will be told is nothing to it.
    fn forget(&mut self, container: usize) {
        self.told.retain(|_, (told, _)| *told != container);
        let offers = self.open.iter_mut().filter_map(|open| open.offer.as_mut());
        for offer in offers.filter(|offer| offer.container == container) {
            offer.ended = true;
        }
    }

    fn settle(&mut self, at: usize, applied: bool) {
        let Open { plan, offer } = self.open.swap_remove(at);
        let outcomes = plan.batch().writes.iter().map(|_| {
            self.version += 1;
            match applied {
                true => Outcome::Applied(Version(self.version)),
                false => Outcome::Unavailable,
            }
        });
        let outcomes = outcomes.collect();
        let settled = self.engine.settle(plan, outcomes, Now::default());
        if let Some(offer) = offer.filter(|_| settled.is_complete()) {
            self.take_in(offer);
        }
    }

    /// The pod's addresses are the container's now, and no other's.
    fn take_in(&mut self, offer: Offer) {
        let pod = offer.container / 2;
        self.told.remove(&pod);
        if !offer.ended {
            self.told.insert(pod, (offer.container, offer.addresses));
        }
    }

    fn check(&self, op: &Op) -> Result<(), TestCaseError> {
        for (container, addresses) in self.told.values() {
            let has = self.engine.attached_to(&interface(*container));
            prop_assert_eq!(&has, addresses, "container {} after {:?}", container, op);
        }
        Ok(())
    }

    /// Everything is answered, and all that is due is done.
    fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..4 {
            while !self.open.is_empty() {
                self.settle(0, true);
            }
            self.end_due();
        }
        prop_assert!(self.engine.due_ends().is_empty(), "it comes to an end");
        self.check(&Op::EndDue)?;
        let told = self.told.values().map(|(_, addresses)| addresses.len());
        prop_assert_eq!(self.engine.len(), told.sum::<usize>());
        Ok(())
    }
}

fn request(container: usize) -> PodRequest {
    let pod = pod(&format!("pod-{}", container / 2)).on_node("node-1");
    let owner = pod.owner();
    let tenant = owner.tenant().expect("a pod is a tenant").clone();
    let request = PodRequest::new(tenant, pod.pod(), ReleasePolicy::PodDelete);
    let request = request.expect("a good request");
    request.with_attachment(interface(container))
}

fn interface(container: usize) -> Attachment {
    attachment("node-1", &format!("container-{container}"))
}
