//! Quiescence: once the faults are over, sweeps leave what the policies say, and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::owner::{Owner, Slot, SlotRef, Tenant};
use floatingip_core::range::Family;
use floatingip_core::record::{Record, Target, Value};
use floatingip_core::testing::block_on;
use floatingip_core::{Name, ReleasePolicy};

use super::world::{Asks, Kind, Pod, uid_of};
use super::{Checked, Model, blue, ensure};

impl Model {
    /// The faults end, one leads, everything is known and told, and time passes.
    pub(super) fn quiesce(&mut self) -> Checked {
        block_on(self.store.deliver());
        self.switch(false)?;
        self.leaders
            .iter_mut()
            .for_each(|leader| leader.ready.clear());
        let who = self.active;
        for round in 0..7 {
            self.wait(Duration::from_secs(700));
            self.caught_up(who);
            let repaired = self.sweep_through(who)?;
            self.check()?;
            // At worst: a lost record is written again, its mark is taken off, the pod has its time to
            // get bound, the address is freed, and so is what it was kept for.
            ensure!(
                round < 6 || !repaired,
                "PROMPT: the sweep number {round} still finds something to repair"
            );
        }
        self.check_nothing_open()?;
        self.check_usage(who, self.robbed.is_empty())?;
        self.check_kept()?;
        self.check_live_have()
    }

    fn sweep_through(&mut self, who: usize) -> Result<bool, String> {
        let bound: Vec<Name> = self
            .truth
            .pods
            .iter()
            .filter(|pod| !pod.uses().is_empty())
            .map(|pod| pod.uid.clone())
            .collect();
        for uid in bound {
            self.tell_bound(who, &uid)?;
        }
        let mut repaired = !self.leaders[who].open.is_empty();
        self.settle_all(who)?;
        repaired |= self.sweep(who, 255, 0)?;
        self.settle_all(who)?;
        Ok(repaired)
    }

    fn check_nothing_open(&self) -> Checked {
        for leader in &self.leaders {
            let engine = &leader.engine;
            ensure!(
                engine.open_plans() == 0,
                "{} plans are left open",
                engine.open_plans()
            );
        }
        let claimed = self.leaders[self.active].engine.claimed();
        ensure!(claimed == 0, "{claimed} claims never end");
        let same = |ip: &IpAddr| {
            self.leaders[self.active]
                .engine
                .record(*ip)
                .map(|record| (**record).clone())
                == self.stored(*ip)
        };
        ensure!(
            self.universe.iter().all(same),
            "the engine and the store differ"
        );
        Ok(())
    }

    /// PROMPT: nothing is there that nobody keeps; ONE-SLOT.
    fn check_kept(&self) -> Checked {
        let stored: Vec<(IpAddr, Record)> = self
            .universe
            .iter()
            .filter_map(|ip| Some((*ip, self.stored(*ip)?)))
            .collect();
        let mut slots: BTreeMap<SlotRef, Vec<bool>> = BTreeMap::new();
        for (ip, record) in &stored {
            let kept = match &record.owner {
                Owner::Slot(tenant) => self.is_kept(*ip, tenant, record, &stored),
                Owner::Pool(pool) => self.has_room(pool, &stored),
                Owner::Administrator(_) => self.reserved.contains(ip),
                Owner::Nobody => false,
            };
            ensure!(kept, "PROMPT: {ip} is kept for nobody: {record:?}");
            ensure!(
                record.mark.is_none(),
                "PROMPT: the mark of {ip} never ends: {record:?}"
            );
            if let Some(slot) = record.owner.tenant().and_then(Tenant::slot_ref) {
                slots.entry(slot).or_default().push(record.is_live());
            }
        }
        for (slot, live) in slots {
            let all = live.iter().all(|live| *live) || live.iter().all(|live| !*live);
            ensure!(
                all,
                "ONE-SLOT: {slot:?} has addresses beside those of its pod"
            );
        }
        Ok(())
    }

    fn is_kept(
        &self,
        ip: IpAddr,
        tenant: &Tenant,
        record: &Record,
        stored: &[(IpAddr, Record)],
    ) -> bool {
        if let Some(pod) = &tenant.pod {
            let uses = |pod: &Pod| pod.uses().contains(&ip);
            return self.truth.pod(&pod.uid).is_some_and(uses);
        }
        if let Some(pool) = &tenant.pool {
            return self.has_room(pool, stored);
        }
        match record.policy {
            ReleasePolicy::PodDelete => false,
            ReleasePolicy::Never => true,
            ReleasePolicy::Immutable => self.app_keeps(ip, tenant, stored),
        }
    }

    /// A pool above its size keeps nothing in reserve.
    fn has_room(&self, pool: &floatingip_core::PoolName, stored: &[(IpAddr, Record)]) -> bool {
        let size = match self.base.current(&Target::Pool(blue())) {
            Some((_, Value::Pool(record))) if *pool == blue() => record.size as usize,
            _ => return true,
        };
        stored
            .iter()
            .filter(|(_, record)| record.owner.pool() == Some(pool))
            .count()
            <= size
    }

    fn app_keeps(&self, ip: IpAddr, tenant: &Tenant, stored: &[(IpAddr, Record)]) -> bool {
        let Some(app) = tenant.app_ref() else {
            return true;
        };
        let Some(found) = self.truth.app_of(&app).filter(|found| found.exists) else {
            return false;
        };
        let same = tenant.app.as_ref().and_then(|app| app.uid.clone()) == Some(uid_of(found));
        let has_slot = match &tenant.slot {
            Slot::Ordinal(n) => (found.start..found.start + u64::from(found.replicas)).contains(n),
            Slot::Node(node) => {
                super::network::node_named(node).is_some_and(|n| self.truth.nodes[n].exists)
            }
            Slot::Any => {
                let of_app = |(other, record): &&(IpAddr, Record)| {
                    let tenant = record.owner.tenant();
                    let any = tenant
                        .is_some_and(|tenant| tenant.slot == Slot::Any && tenant.pool.is_none());
                    any && record.owner.app().as_ref() == Some(&app)
                        && Family::of(*other) == Family::of(ip)
                };
                let limit = (found.replicas + found.surge) as usize;
                // How many addresses a slot of several is worth, only its live pods tell.
                found.asks != Asks::One || stored.iter().filter(of_app).count() <= limit
            }
            Slot::Pod(_) | Slot::Once(_) => found.kind == Kind::Bare,
        };
        same && has_slot
    }

    /// Nobody was forgotten.
    fn check_live_have(&self) -> Checked {
        for pod in &self.truth.pods {
            for ip in pod.uses().iter().filter(|ip| !self.robbed.contains_key(ip)) {
                let holder = self
                    .stored(*ip)
                    .and_then(|record| Some(record.owner.pod()?.uid.clone()));
                ensure!(
                    holder.as_ref() == Some(&pod.uid),
                    "LIVE-KEEPS: {} lost {ip}",
                    pod.name
                );
            }
        }
        Ok(())
    }
}
