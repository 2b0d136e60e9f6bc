//! Apps: what they have, and what is freed when they change or end.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Engine;
use super::lifecycle::MOST_WRITES;
use super::stage::Draft;
use super::standing::AppStanding;
use crate::fact::World;
use crate::owner::{AppRef, Slot};
use crate::plan::Plan;
use crate::time::Now;

/// What an app has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppHolding {
    /// The app.
    pub app: AppRef,
    /// Its addresses, those of pods and those in reserve.
    pub addresses: usize,
    /// Its pods that have some of them.
    pub pods: u64,
    /// How many of the addresses its end would free, at once or with their pods: `immutable` ones
    /// outside of pools. Where there are none, nothing depends on whether the app is there.
    pub freed_with_it: u64,
}

impl AppHolding {
    fn of(app: &AppRef, standing: &AppStanding) -> Self {
        Self {
            app: app.clone(),
            addresses: standing.slots.len(),
            pods: standing.pods,
            freed_with_it: standing.immutable,
        }
    }
}

/// One slice of the addresses of an app.
#[derive(Debug)]
#[must_use = "the plan holds its addresses until it is settled"]
pub struct AppSlice {
    /// Frees what the app has no slot for any more.
    pub plan: Plan,
    /// Where the next slice starts. None: all of the app's addresses have been looked at.
    pub next: Option<AppCursor>,
}

/// How far the addresses of an app have been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCursor((Slot, IpAddr));

impl Engine {
    /// Up to `most` apps that have addresses, in order, behind `after`: for those who confirm from
    /// time to time that apps are still there. Bare pods have no app. O(log n + most), and a step for
    /// each namespace with bare pods.
    pub fn apps_after(&self, after: Option<&AppRef>, most: usize) -> Vec<AppHolding> {
        let apps = self.ledger.apps_after(after);
        let apps =
            apps.filter(|(app, standing)| !app.kind.is_empty() && !standing.slots.is_empty());
        apps.take(most)
            .map(|(app, standing)| AppHolding::of(app, standing))
            .collect()
    }

    /// What an app has; none where it has no addresses. O(log n).
    pub fn holding(&self, app: &AppRef) -> Option<AppHolding> {
        let standing = self.ledger.app(app);
        let standing = standing.filter(|standing| !standing.slots.is_empty())?;
        Some(AppHolding::of(app, standing))
    }

    /// Whether an app has addresses, or open plans are about to give it some. O(log n).
    pub fn knows_app(&self, app: &AppRef) -> bool {
        let standing = self.ledger.app(app);
        standing.is_some_and(|standing| !standing.is_empty())
    }

    /// Whether an app has addresses, those of its pods included. O(log n).
    pub fn has_addresses(&self, app: &AppRef) -> bool {
        let standing = self.ledger.app(app);
        standing.is_some_and(|standing| !standing.slots.is_empty())
    }

    /// The app has another size, or is gone: frees what it keeps in reserve and has no slot for any
    /// more, the highest addresses first. To be called again until the plan is empty. Looks at all
    /// addresses of the app; [`Engine::plan_app_slice`] keeps the lock for less.
    pub fn plan_app(&mut self, app: &AppRef, world: &dyn World, now: Now) -> Plan {
        self.plan_app_slice(app, None, usize::MAX, world, now).plan
    }

    /// The same for up to `slice` addresses behind where the last slice ended. O(slice · log n).
    pub fn plan_app_slice(
        &mut self,
        app: &AppRef,
        from: Option<&AppCursor>,
        slice: usize,
        world: &dyn World,
        now: Now,
    ) -> AppSlice {
        self.learn(Some(app), world);
        let mut draft = self.draft(now);
        let batch = self.app_batch(app, from, slice.max(1));
        let mut next = None;
        for place in batch {
            if draft.len() >= MOST_WRITES {
                break;
            }
            self.stage_app_check(&mut draft, place.1, world, now);
            next = Some(AppCursor(place));
        }
        AppSlice {
            plan: self.finish(draft),
            next,
        }
    }

    /// The next addresses of an app, the highest first.
    fn app_batch(
        &self,
        app: &AppRef,
        from: Option<&AppCursor>,
        slice: usize,
    ) -> Vec<(Slot, IpAddr)> {
        let Some(standing) = self.ledger.app(app) else {
            return Vec::new();
        };
        let slots: &BTreeSet<(Slot, IpAddr)> = &standing.slots;
        match from {
            Some(AppCursor(from)) => slots.range(..from).rev().take(slice).cloned().collect(),
            None => slots.iter().rev().take(slice).cloned().collect(),
        }
    }

    fn stage_app_check(&mut self, draft: &mut Draft, ip: IpAddr, world: &dyn World, now: Now) {
        let resting = self.ledger.record(ip);
        if !resting.is_some_and(|record| self.is_resting(ip, record, now)) {
            self.stage_reserve_check(draft, ip, world, now);
        }
    }
}
