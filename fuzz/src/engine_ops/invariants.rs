//! What holds after every operation, and what holds when every plan is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::Plan;
use floatingip_core::query::{PageRequest, Query};
use floatingip_core::record::Target;
use floatingip_core::topology::Reach;

use super::World;

/// The addresses that a plan changes.
pub(super) fn addresses(plan: &Plan) -> impl Iterator<Item = IpAddr> {
    let targets = plan.batch().writes.iter().map(|write| &write.target);
    targets.filter_map(|target| match target {
        Target::Address(ip) => Some(*ip),
        Target::Pool(_) => None,
    })
}

impl World {
    /// What is given is in the ranges that the node may use, unless the pod's slot or pool has it
    /// already; and never twice.
    pub(super) fn check_given(&self, given: &[IpAddr], reach: &Reach) {
        let distinct: BTreeSet<&IpAddr> = given.iter().collect();
        assert_eq!(distinct.len(), given.len(), "{given:?}");
        for ip in given.iter().filter(|ip| self.engine.record(**ip).is_none()) {
            let subnet = self.engine.topology().subnet_of(*ip);
            let subnet = subnet.filter(|subnet| reach.contains(subnet.id()));
            assert!(
                subnet.is_some_and(|subnet| subnet.usable().contains(*ip)),
                "{ip}"
            );
        }
    }

    pub(super) fn check(&self) {
        self.check_owners();
        self.check_held();
        for usage in self.engine.usage() {
            assert!(usage.free <= usage.total, "{usage:?}");
        }
    }

    /// What a running pod was bound with is its own, and nobody else's.
    fn check_owners(&self) {
        let mut owners = BTreeMap::new();
        for (uid, addresses) in &self.bound {
            for ip in addresses {
                assert_eq!(owners.insert(ip, uid), None, "{ip} is used twice");
                let record = self.engine.record(*ip);
                let owner = record.and_then(|record| record.owner.pod());
                assert_eq!(owner.map(|pod| &pod.uid), Some(uid), "{ip} was taken away");
            }
        }
    }

    /// No two open plans change the same address.
    fn check_held(&self) {
        let plans = || self.open.iter().map(|open| &open.plan);
        let changed: Vec<IpAddr> = plans().flat_map(addresses).collect();
        assert_eq!(
            self.held().len(),
            changed.len(),
            "changed twice: {changed:?}"
        );
        let open = plans().filter(|plan| !plan.is_empty()).count();
        assert_eq!(self.engine.open_plans(), open);
    }

    /// The engine knows what the store has, and lists it once.
    pub(super) fn check_settled(&self) {
        assert_eq!(self.engine.open_plans(), 0);
        let snapshot = self.snapshot();
        assert_eq!(self.engine.len(), snapshot.addresses.len());
        for (ip, _, record) in &snapshot.addresses {
            assert_eq!(
                self.engine.record(*ip).map(AsRef::as_ref),
                Some(record),
                "{ip}"
            );
        }
        let mut listed = BTreeSet::new();
        for number in 0..=u32::try_from(self.engine.len() / 3).unwrap_or(0) {
            let query = Query {
                page: PageRequest::new(number, 3).unwrap_or_default(),
                ..Query::default()
            };
            let page = self.engine.page(&query);
            for row in page.into_iter().flat_map(|page| page.content) {
                assert!(listed.insert(row.ip), "{row} is on two pages");
            }
        }
        assert_eq!(listed.len(), self.engine.len());
    }
}
