//! The oracle: what must hold after every step.

use std::collections::BTreeMap;
use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::plan::{Event, Plan};
use floatingip_core::record::{Record, Value};

use super::leader::address_of;
use super::network::{self, Entry};
use super::world::Pod;
use super::{Checked, Model, at, ensure};

impl Model {
    pub(super) fn check(&mut self) -> Checked {
        self.forget_robbed();
        self.check_live()?;
        self.check_expected()?;
        (0..2).try_for_each(|who| self.check_usage(who, false))
    }

    /// What an engine has, address by address.
    pub(super) fn records_of(&self, who: usize) -> Vec<(IpAddr, Record)> {
        let engine = &self.leaders[who].engine;
        let record = |ip: &IpAddr| Some((*ip, (**engine.record(*ip)?).clone()));
        self.universe.iter().filter_map(record).collect()
    }

    pub(super) fn entries_of(&self, who: usize) -> Vec<Entry> {
        network::entries(self.leaders[who].config)
    }

    pub(super) fn stored(&self, ip: IpAddr) -> Option<Record> {
        match self.base.current(&at(ip))?.1 {
            Value::Address(record) => Some(record),
            Value::Pool(_) => None,
        }
    }

    pub(super) fn holder(&self, ip: IpAddr) -> Option<Name> {
        Some(self.stored(ip)?.owner.pod()?.uid.clone())
    }

    fn users(&self) -> BTreeMap<IpAddr, Vec<&Pod>> {
        let mut users: BTreeMap<IpAddr, Vec<&Pod>> = BTreeMap::new();
        for pod in &self.truth.pods {
            for ip in pod.uses() {
                users.entry(*ip).or_default().push(pod);
            }
        }
        users
    }

    /// A robbed address is nobody's business until its victim is gone or has it again, alone.
    fn forget_robbed(&mut self) {
        let users = self.users();
        let mut robbed = self.robbed.clone();
        robbed.retain(|ip, victim| {
            let holder = self.holder(*ip);
            let suffers = |pod: &Pod| pod.is_live() && holder.as_ref() != Some(&pod.uid);
            let victim = victim.as_ref().and_then(|uid| self.truth.pod(uid));
            let others = users.get(ip).into_iter().flatten().any(|pod| suffers(pod));
            others || victim.is_some_and(suffers)
        });
        self.robbed = robbed;
    }

    /// ONE-OWNER and LIVE-KEEPS: what a live pod uses, it has alone, and the store says so.
    fn check_live(&self) -> Checked {
        for (ip, pods) in self.users() {
            if self.robbed.contains_key(&ip) {
                continue;
            }
            let names: Vec<_> = pods.iter().map(|pod| (&pod.name, &pod.uid)).collect();
            ensure!(names.len() == 1, "ONE-OWNER: {ip} is used by {names:?}");
            let stored = self.stored(ip);
            let holder = stored.as_ref().and_then(|record| record.owner.pod());
            let keeps = holder.is_some_and(|holder| holder.uid == pods[0].uid);
            ensure!(
                keeps,
                "LIVE-KEEPS: {ip} is used by {names:?}, the store has {stored:?}"
            );
        }
        Ok(())
    }

    /// STICKY: what a slot is to find again is its own all the time.
    fn check_expected(&self) -> Checked {
        for (ip, slot) in &self.expected {
            let stored = self.stored(*ip);
            let tenant = stored.as_ref().and_then(|record| record.owner.tenant());
            let found = tenant.and_then(|tenant| tenant.slot_ref());
            ensure!(
                found.as_ref() == Some(slot),
                "STICKY: {ip} was {slot:?}'s, the store has {stored:?}"
            );
        }
        Ok(())
    }

    /// Free, owned and held addresses make up the whole.
    pub(super) fn check_usage(&self, who: usize, exact: bool) -> Checked {
        let leader = &self.leaders[who];
        let held = leader.held();
        let taken = |ip: &&IpAddr| {
            let engine = &leader.engine;
            engine.record(**ip).is_some() || held.contains(*ip) || self.node_joined == Some(**ip)
        };
        for (usage, subnet) in leader
            .engine
            .usage()
            .iter()
            .zip(leader.engine.topology().subnets())
        {
            let usable: Vec<IpAddr> = subnet.usable().iter().collect();
            let free = (usable.len() - usable.iter().filter(taken).count()) as u128;
            ensure!(usage.total == usable.len() as u128, "total of {usage:?}");
            // What others free under a pod that lives as far as is known is held until a sweep.
            let fits = usage.free == free || !exact && usage.free < free;
            ensure!(fits, "{usage:?}, but {free} are free");
        }
        Ok(())
    }

    /// What holds of every plan, whoever made it.
    pub(super) fn check_plan(&self, who: usize, plan: &Plan) -> Checked {
        let leader = &self.leaders[who];
        let held = leader.held();
        let users = self.users();
        for write in &plan.batch().writes {
            let sure = !leader.uncertain.contains(&write.target);
            ensure!(sure, "an uncertain write of {} was settled", write.target);
            let Some(ip) = address_of(&write.target) else {
                continue;
            };
            ensure!(!held.contains(&ip), "ONE-OWNER: two open plans for {ip}");
            let put = match &write.put {
                Some(Value::Address(record)) => Some(record),
                _ => None,
            };
            let event = write.entry.as_ref().map(|entry| entry.event);
            if write.expect.is_none() && matches!(event, Some(Event::Allocate | Event::PreAllocate))
            {
                let gives = self.entries_of(who).iter().any(|entry| entry.gives(ip));
                ensure!(
                    gives && self.node_joined != Some(ip),
                    "IN-RANGE: {ip} is given by {plan:?}"
                );
            }
            let user = users
                .get(&ip)
                .filter(|_| !self.robbed.contains_key(&ip))
                .and_then(|pods| pods.first());
            let knows = leader
                .engine
                .record(ip)
                .and_then(|record| Some(record.owner.pod()?.uid.clone()));
            if let Some(user) = user.filter(|user| knows.as_ref() == Some(&user.uid)) {
                let keeps = put
                    .and_then(|record| record.owner.pod())
                    .is_some_and(|pod| pod.uid == user.uid);
                ensure!(
                    keeps,
                    "LIVE-KEEPS: {ip} is taken from {} ({}) by {plan:?}",
                    user.name,
                    user.uid
                );
            }
        }
        Ok(())
    }
}
