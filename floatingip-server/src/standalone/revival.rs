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
use floatingip_core::orchestrator::{AllocateError, Announced, Limits, Place, Stuck};
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

/// What a container of a deleted app gets.
enum Planned {
    /// Nothing new: its interface has it already, which says nothing of the app.
    Again(Allocation),
    /// What says that the app is there again.
    Revival(Allocation),
}

/// Gives a container its addresses, and revives its app if that was deleted.
pub(super) async fn allocate(
    core: &Core,
    announced: &Announced,
    wanted: &Wanted,
) -> Result<Vec<IpAddr>, NativeError> {
    let until = Instant::now() + Limits::default().patience;
    while let Some(app) = deleted(core, &wanted.request) {
        match plan(core, announced, &app, wanted) {
            Err(refusal) if refusal.is_transient() && Instant::now() < until => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(refusal) => return Err(noted(core, refusal)),
            Ok(Planned::Again(allocation)) => return write(core, allocation).await,
            Ok(Planned::Revival(allocation)) => return revive(core, app, allocation).await,
        }
    }
    let allocated = core.allocate_announced(announced, &wanted.request, &wanted.place);
    Ok(allocated.await?)
}

/// The request's app, if that was deleted.
fn deleted(core: &Core, request: &PodRequest) -> Option<AppRef> {
    let app = request.tenant().app_ref()?;
    core.world().app(&app).is_gone().then_some(app)
}

/// Looks and plans under one lock: while the end of what the interface has is under way, or owed, nothing is
/// planned, and afterwards the container is a new one.
fn plan(
    core: &Core,
    announced: &Announced,
    app: &AppRef,
    wanted: &Wanted,
) -> Result<Planned, Refusal> {
    let revived = Revived {
        app,
        told: core.world(),
    };
    let now = core.now();
    let mut engine = core.engine();
    announced.check()?;
    let reach = match &wanted.place {
        Place::Node(addresses) => engine.topology().reach(addresses),
        Place::Anywhere => engine.topology().reach_all(),
    };
    let attachment = wanted.request.attachment();
    let again = attachment.is_some_and(|it| !engine.attached_to(it).is_empty());
    let mut plan = |world: &dyn World| engine.plan_allocate(&wanted.request, &reach, world, now);
    match again {
        true => plan(core.world()).map(Planned::Again),
        false => plan(&revived).map(Planned::Revival),
    }
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
    if let Err(error) = core.store().change_app(AppChange::Revive(app)).await {
        abandon(core, allocation.plan);
        return Err(error.into());
    }
    write(core, allocation).await
}

async fn write(core: &Core, allocation: Allocation) -> Result<Vec<IpAddr>, NativeError> {
    let settled = core.carry_out_patiently(allocation.plan).await?;
    match settled.is_complete() {
        true => Ok(allocation.addresses),
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
