//! What administrators do by the API.

use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::{Named, PoolStep};
use floatingip_core::plan::{Batch, Plan, Write};
use floatingip_core::record::{Record, Value};
use floatingip_core::{Name, PoolName};

use super::leader::{Purpose, address_of};
use super::ops::Op;
use super::{Model, blue, ensure, pick};

impl Model {
    pub(super) fn administer(&mut self, op: &Op) -> Result<bool, String> {
        match *op {
            Op::Release { who, ip, wrong } => self.release(self.acting(who), ip, wrong),
            Op::Quarantine { who, ip } => {
                let (who, ip) = (self.acting(who), self.any_address(ip));
                let lasts = Duration::from_secs(600);
                let engine = &mut self.leaders[who].engine;
                let plan = engine
                    .plan_quarantine(ip, "seen twice".to_owned(), None, lasts, self.now)
                    .ok();
                self.begin_some(who, plan)
            }
            Op::Lift { who, ip } => {
                let marked = |record: &Record| record.mark.is_some();
                let Some((who, ip)) = self.address_where(who, ip, marked) else {
                    return Ok(false);
                };
                let plan = self.leaders[who].engine.plan_lift(ip, self.now).ok();
                self.begin_some(who, plan)
            }
            Op::Reserve { who, ip } => {
                let (who, ip) = (self.acting(who), self.any_address(ip));
                let plan = self.leaders[who]
                    .engine
                    .plan_reserve(ip, "admin".into(), self.now)
                    .ok();
                self.reserved.extend(plan.as_ref().map(|_| ip));
                self.begin_some(who, plan)
            }
            Op::Unreserve { who, ip } => {
                let kept = |record: &Record| {
                    matches!(record.owner, floatingip_core::Owner::Administrator(_))
                };
                let Some((who, ip)) = self.address_where(who, ip, kept) else {
                    return Ok(false);
                };
                let plan = self.leaders[who].engine.plan_unreserve(ip, self.now).ok();
                self.begin_some(who, plan)
            }
            Op::PutPool { who, size, fill } => {
                let who = self.acting(who);
                let plan =
                    self.leaders[who]
                        .engine
                        .plan_put_pool(&blue(), size.into(), fill, self.now);
                self.begin_some(who, plan)
            }
            Op::FillPool { who } => {
                let who = self.acting(who);
                let step = self.leaders[who].engine.plan_fill_pool(&blue(), self.now);
                self.check_fill(who, &step)?;
                self.begin_step(who, step)
            }
            Op::TrimPool { who } => {
                let who = self.acting(who);
                let step = self.leaders[who].engine.plan_trim_pool(&blue(), self.now);
                self.begin_step(who, step)
            }
            Op::DeletePool { who } => {
                let who = self.acting(who);
                let step = self.leaders[who].engine.plan_delete_pool(&blue(), self.now);
                self.begin_step(who, step.unwrap_or(PoolStep::Done))
            }
            _ => Err(format!("nobody does {op}")),
        }
    }

    fn any_address(&self, n: u8) -> IpAddr {
        *pick(&self.universe, n).expect("there are addresses")
    }

    fn address_where(
        &self,
        who: bool,
        n: u8,
        good: impl Fn(&Record) -> bool,
    ) -> Option<(usize, IpAddr)> {
        let who = self.acting(who);
        let records = self.records_of(who);
        let good: Vec<IpAddr> = records
            .iter()
            .filter(|(_, record)| good(record))
            .map(|(ip, _)| *ip)
            .collect();
        Some((who, *pick(&good, n)?))
    }

    fn begin_some(&mut self, who: usize, plan: Option<Plan>) -> Result<bool, String> {
        let Some(plan) = plan else { return Ok(false) };
        self.begin(who, plan, Purpose::Other)?;
        Ok(true)
    }

    fn begin_step(&mut self, who: usize, step: PoolStep) -> Result<bool, String> {
        match step {
            PoolStep::More(plan) => self.begin_some(who, Some(plan)),
            PoolStep::Done | PoolStep::Short => Ok(false),
        }
    }

    /// Two addresses are named by their owner, or wrongly.
    fn release(&mut self, who: usize, n: u8, wrong: bool) -> Result<bool, String> {
        let records = self.records_of(who);
        let two = [n, n.wrapping_add(1)].map(|n| pick(&records, n).cloned());
        let names: Vec<Named> = two
            .iter()
            .flatten()
            .map(|(ip, record)| named(*ip, record, wrong))
            .collect();
        let held = self.leaders[who].held();
        let engine = &mut self.leaders[who].engine;
        match engine.plan_release(&names, self.now) {
            Err(live) => {
                ensure!(!wrong, "a wrong owner named, and {live}");
                let is_live = |ip: &IpAddr| {
                    held.contains(ip) || engine.record(*ip).is_some_and(|record| record.is_live())
                };
                ensure!(live.0.iter().all(is_live), "{live}, but it is not live");
                Ok(false)
            }
            Ok(releasing) => {
                let freed: Vec<IpAddr> = releasing
                    .plan
                    .batch()
                    .writes
                    .iter()
                    .filter_map(|write| address_of(&write.target))
                    .collect();
                ensure!(
                    !wrong || freed.is_empty(),
                    "{freed:?} released to somebody who named a wrong owner"
                );
                for ip in &freed {
                    self.expected.remove(ip);
                }
                self.begin(who, releasing.plan, Purpose::Other)?;
                Ok(!freed.is_empty())
            }
        }
    }

    /// CAP: filling stays within the size, with everything that is on its way.
    fn check_fill(&self, who: usize, step: &PoolStep) -> Result<(), String> {
        let (PoolStep::More(plan), Some(pool)) = (step, self.leaders[who].engine.pool(&blue()))
        else {
            return Ok(());
        };
        let filling = |value: &&Value| matches!(value, Value::Address(_));
        let new = plan
            .batch()
            .writes
            .iter()
            .filter_map(|write| write.put.as_ref())
            .filter(filling)
            .count() as u64;
        let records = self.records_of(who);
        let has = records
            .iter()
            .filter(|(_, record)| record.owner.pool() == Some(&blue()))
            .count() as u64;
        let after = has + self.entering(who, &blue()) + new;
        ensure!(
            new == 0 || after <= pool.size.into(),
            "CAP: pool of size {} filled to {after}",
            pool.size
        );
        Ok(())
    }

    /// Addresses that open plans bring into a pool.
    pub(super) fn entering(&self, who: usize, pool: &PoolName) -> u64 {
        let leader = &self.leaders[who];
        let inside = |write: &Write| {
            let was = address_of(&write.target).and_then(|ip| leader.engine.record(ip));
            was.is_some_and(|was| was.owner.pool() == Some(pool))
        };
        let put_inside = |write: &Write| match &write.put {
            Some(Value::Address(record)) => record.owner.pool() == Some(pool),
            _ => false,
        };
        let of_plan = |batch: &Batch| {
            let writes = || batch.writes.iter();
            let enters = writes().filter(|w| !inside(w) && put_inside(w)).count();
            let leaves = writes().filter(|w| inside(w) && !put_inside(w)).count();
            // In order, what enters comes only after what leaves has left.
            let before = if batch.in_order { leaves } else { 0 };
            enters.saturating_sub(before) as u64
        };
        let open = leader.open.iter();
        open.map(|open| of_plan(open.plan.batch())).sum()
    }
}

fn named(ip: IpAddr, record: &Record, wrong: bool) -> Named {
    let owner = &record.owner;
    let app = owner.app();
    Named {
        ip,
        pool: owner.pool().map(|pool| pool.name().clone()),
        namespace: match wrong {
            true => Some(Name::from("elsewhere")),
            false => owner.namespace().cloned(),
        },
        app: app.as_ref().map(|app| app.name.clone()),
        kind: app.map(|app| app.kind),
        pod: owner.pod().map(|pod| pod.name.clone()),
    }
}
