//! Apps that were deleted and are there again with a container that starts.
//!
//! A deleted app says what becomes of the addresses of its last pods, so it is revived only for a container
//! that gets its addresses, and before it is told of them. In this order:
//!
//! 1. A plan as if the app were there again. What is refused here revives nothing; what is planned is held,
//!    so that nobody takes it away before the end.
//! 2. The app is revived, durably.
//! 3. The plan is written, and the container answered.
//!
//! Killed after 2, the server leaves an app that is there again with one container less than were asked for:
//! nobody was answered, and whoever asks again gets its address. The other way round an address could be
//! used by a container whose app counts as gone, and what the app keeps would be freed under it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use floatingip_core::engine::Allocation;
use floatingip_core::fact::{AppState, NodeState, PodState};
use floatingip_core::orchestrator::{AllocateError, Limits, Place, Stuck};
use floatingip_core::owner::AppRef;
use floatingip_core::plan::Plan;
use floatingip_core::refusal::Refusal;
use floatingip_core::request::PodRequest;
use floatingip_core::store::Outcome;
use floatingip_core::{Fact, World};

use super::Core;
use crate::native::{NativeError, Wanted};
use crate::store::{AppChange, Apps};

/// How often it is looked whether another change of the slot's addresses is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was told of the world, and that one app is there again.
struct Revived<'a> {
    app: &'a AppRef,
    told: &'a Apps,
}

impl World for Revived<'_> {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        match app == self.app {
            true => Fact::Unknown,
            false => self.told.app(app),
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Fact<PodState> {
        self.told.pod(namespace, name)
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        self.told.node(name)
    }
}

/// Gives a container its addresses, and revives its app if that was deleted.
pub(super) async fn allocate(core: &Core, wanted: &Wanted) -> Result<Vec<IpAddr>, NativeError> {
    let until = Instant::now() + Limits::default().patience;
    while let Some(app) = deleted(core, &wanted.request) {
        match plan(core, &app, wanted) {
            Err(refusal) if refusal.is_transient() && Instant::now() < until => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(refusal) => return Err(noted(core, refusal)),
            Ok(allocation) => return revive(core, app, allocation).await,
        }
    }
    Ok(core.allocate(&wanted.request, &wanted.place).await?)
}

/// The app that the request says is there again. Who asks once more for what an interface has says nothing.
fn deleted(core: &Core, request: &PodRequest) -> Option<AppRef> {
    let app = request.tenant().app_ref()?;
    let again = || {
        let attachment = request.attachment();
        attachment.is_some_and(|it| !core.engine().attached_to(it).is_empty())
    };
    (core.world().app(&app).is_gone() && !again()).then_some(app)
}

fn plan(core: &Core, app: &AppRef, wanted: &Wanted) -> Result<Allocation, Refusal> {
    let world = Revived {
        app,
        told: core.world(),
    };
    let now = core.now();
    let mut engine = core.engine();
    let reach = match &wanted.place {
        Place::Node(addresses) => engine.topology().reach(addresses),
        Place::Anywhere => engine.topology().reach_all(),
    };
    engine.plan_allocate(&wanted.request, &reach, &world, now)
}

/// Counted like the refusals of apps that are there.
fn noted(core: &Core, refusal: Refusal) -> NativeError {
    let error = AllocateError::Refused(refusal);
    core.engine().note_failure((&error).into());
    error.into()
}

/// Not to be dropped before its end: the plan holds its addresses.
async fn revive(
    core: &Core,
    app: AppRef,
    allocation: Allocation,
) -> Result<Vec<IpAddr>, NativeError> {
    let Allocation {
        addresses, plan, ..
    } = allocation;
    if let Err(error) = core.store().change_app(AppChange::Revive(app)).await {
        abandon(core, plan);
        return Err(error.into());
    }
    match core.carry_out_patiently(plan).await?.is_complete() {
        true => Ok(addresses),
        // Nobody else writes: it was not refused.
        false => Err(Stuck::Unavailable.into()),
    }
}

/// Settles a plan that was never given to the store.
fn abandon(core: &Core, plan: Plan) {
    let outcomes = vec![Outcome::Unavailable; plan.batch().writes.len()];
    let now = core.now();
    core.engine().settle(plan, outcomes, now);
}

#[cfg(test)]
mod tests;
