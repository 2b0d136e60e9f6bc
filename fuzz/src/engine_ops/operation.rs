//! The operations: what three bytes mean.

use std::time::Duration;

use floatingip_core::engine::{Ending, Named, PoolStep};

use super::cluster::{self, Cluster};
use super::{Fate, World};

/// One step, with what it is about and how it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    what: u8,
    which: u8,
    how: u8,
}

impl Operation {
    pub(super) const fn of([what, which, how]: [u8; 3]) -> Self {
        Self { what, which, how }
    }
}

impl World {
    pub(super) fn run(&mut self, Operation { what, which, how }: Operation) {
        let number = usize::from(which) % Cluster::PODS;
        match what % 20 {
            0..=2 => self.allocate(number, how),
            3..=4 => self.bind(number),
            5 => self.end(number, &Ending::Certain),
            6 => self.end(number, &Ending::Unreachable { rest: seconds(how) }),
            7 => self.vanish(number),
            8 => self.filter(number),
            9 => self.release(which, how),
            10 => self.put_pool(which, how),
            11 => self.step_pool(how),
            12 => self.scale(which, how),
            13 => self.mark(which, how),
            14 => self.reserve(which, how),
            15 => self.sweep(how),
            16 => self.reconfigure(how),
            17 => self.crash(how & 1 == 0),
            18 => self.wait(how),
            _ => {}
        }
        // Most plans are settled at once, the others while later ones are open.
        let fate = match how >> 4 {
            0..=9 => Fate::Applied,
            10..=11 => Fate::Repeated,
            12 => Fate::Unavailable,
            _ => return,
        };
        self.settle_next(fate);
    }

    fn release(&mut self, which: u8, how: u8) {
        let ip = cluster::address(which);
        let pool = (how & 1 == 0).then(|| cluster::pool().name().clone());
        let namespace = (how & 1 == 1).then(|| cluster::NAMESPACE.into());
        let named = Named {
            ip,
            pool,
            namespace,
            app: (how & 2 == 0).then(|| cluster::APPS[usize::from(how >> 2) % 2].into()),
            kind: None,
            pod: None,
        };
        if let Ok(releasing) = self.engine.plan_release(&[named], self.now) {
            self.push(releasing.plan, None);
        }
    }

    fn put_pool(&mut self, size: u8, how: u8) {
        let size = u32::from(size % 8);
        let put = self
            .engine
            .plan_put_pool(&cluster::pool(), size, how & 1 == 0, self.now);
        put.into_iter().for_each(|plan| self.push(plan, None));
    }

    fn step_pool(&mut self, how: u8) {
        let (pool, now) = (cluster::pool(), self.now);
        let step = match how % 3 {
            0 => Some(self.engine.plan_fill_pool(&pool, now)),
            1 => Some(self.engine.plan_trim_pool(&pool, now)),
            _ => self.engine.plan_delete_pool(&pool, now),
        };
        if let Some(PoolStep::More(plan)) = step {
            self.push(plan, None);
        }
    }

    /// An app gets another size, is deleted, or nobody can tell; the engine is told to look.
    fn scale(&mut self, which: u8, how: u8) {
        let app = usize::from(which % 2);
        self.cluster.scale(app, how % 8);
        let app = cluster::app_ref(app);
        let plan = self.engine.plan_app(&app, &self.cluster, self.now);
        self.push(plan, None);
    }

    fn mark(&mut self, which: u8, how: u8) {
        let (ip, now) = (cluster::address(which), self.now);
        let planned = match how & 1 {
            0 => {
                let reason = "seen twice".to_owned();
                self.engine
                    .plan_quarantine(ip, reason, None, seconds(how), now)
            }
            _ => self.engine.plan_lift(ip, now),
        };
        planned.into_iter().for_each(|plan| self.push(plan, None));
    }

    fn reserve(&mut self, which: u8, how: u8) {
        let (ip, now) = (cluster::address(which), self.now);
        let planned = match how & 1 {
            0 => self.engine.plan_reserve(ip, "somebody".into(), now),
            _ => self.engine.plan_unreserve(ip, now),
        };
        planned.into_iter().for_each(|plan| self.push(plan, None));
    }

    fn sweep(&mut self, how: u8) {
        let slice = usize::from(how % 16);
        let swept = self
            .engine
            .plan_sweep(self.swept, slice, &self.cluster, self.now);
        self.swept = swept.next;
        self.push(swept.plan, None);
    }
}

fn seconds(how: u8) -> Duration {
    Duration::from_secs(how.into())
}
