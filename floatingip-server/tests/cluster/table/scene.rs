//! What happens to an app, and whether the addresses fare as expected: one function for each happening.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use super::app::{App, Update};
use super::axes::{Happening, Kind, Policy, Slot};
use super::fate::Fate;
use super::standing::Reserve;
use crate::lot::Lot;
use crate::view::PodView;

/// Makes an app, lets it happen, and checks the fate of the addresses.
pub(super) async fn play(
    lot: Lot,
    kind: Kind,
    policy: Policy,
    happening: Happening,
    fate: Fate,
) -> Result<()> {
    let update = match happening {
        Happening::SurgeAllowed => Update::NewPodsFirst {
            surge_allowed: true,
        },
        Happening::SurgeNotAllowed => Update::NewPodsFirst {
            surge_allowed: false,
        },
        _ => Update::OldPodsFirst,
    };
    // Only a lost node is waited for.
    let seconds_to_end = match happening {
        Happening::NodeLost => 30,
        _ => 0,
    };
    let mut app = App::create(lot, kind, policy, update, seconds_to_end).await?;
    if fate == Fate::Refused {
        return refused(&app).await;
    }
    let before = app.complete(&[]).await.context("at the beginning")?;
    app.stands(&before, &Reserve::new())
        .await
        .context("at the beginning")?;
    match happening {
        Happening::PodDeleted => pod_deleted(&app, &before, fate).await,
        Happening::NodeLost if kind == Kind::DaemonSet => node_deleted(&app, &before, fate).await,
        Happening::NodeLost => node_lost(&app, &before, fate).await,
        Happening::ScaledDownAndUp => scaled(&mut app, &before, fate).await,
        Happening::AppDeleted => app_deleted(&app, &before, fate).await,
        Happening::AppRecreated => app_recreated(&mut app, &before, fate).await,
        Happening::OldPodsFirst => updated(&mut app, &before, fate).await,
        Happening::SurgeAllowed | Happening::SurgeNotAllowed => match fate {
            Fate::Waits => update_waits(&mut app, &before).await,
            Fate::Grows => set_grows(&mut app, &before).await,
            _ => surges(&mut app, &before, fate).await,
        },
        Happening::PolicyChanged => policy_changed(&mut app, &before, fate).await,
    }
}

async fn refused(app: &App) -> Result<()> {
    app.told("FloatingIPMisconfigured", "needs a pod that comes back")
        .await?;
    let pods = app.pods().await?;
    ensure!(
        !pods.is_empty()
            && pods
                .iter()
                .all(|pod| pod.node.is_none() && pod.infos.is_empty()),
        "{pods:?}"
    );
    app.stands(&[], &Reserve::new()).await
}

async fn pod_deleted(app: &App, before: &[PodView], fate: Fate) -> Result<()> {
    let gone = before.last().context("no pods")?;
    let gone = std::slice::from_ref(gone);
    if app.kind == Kind::Pod && app.policy == Policy::Immutable {
        app.told("FloatingIPKept", "as under `never`").await?;
    }
    app.delete_pod(&gone[0]).await?;
    if app.kind.is_made_by_test() {
        app.gone(gone).await?;
        let kept = match fate {
            Fate::Freed => Reserve::new(),
            _ => app.reserve_of(gone),
        };
        app.stands(without(before, gone), &kept).await?;
    }
    let after = app.complete(gone).await?;
    fares(app, before, &after, fate).await
}

/// The node's pods are evicted, and gone once somebody deletes them by force. Nobody is certain that they are.
async fn node_lost(app: &App, before: &[PodView], fate: Fate) -> Result<()> {
    let node = before
        .first()
        .and_then(|pod| pod.node.clone())
        .context("no pod with a node")?;
    app.lot.lose(&node).await?;
    let lost: Vec<PodView> = before
        .iter()
        .filter(|pod| pod.node.as_ref() == Some(&node))
        .cloned()
        .collect();
    app.evicted(&lost).await?;
    for pod in &lost {
        app.delete_by_force(pod).await?;
    }
    let after = app.complete(&lost).await?;
    if fate == Fate::Own {
        fares(app, before, &after, fate).await?;
        return app.lot.recover(&node).await;
    }
    rest(app, &after, &lost)
        .await
        .context("while the node is lost")?;
    app.lot.recover(&node).await?;
    let kept = match fate {
        Fate::RestsThenKept => app.reserve_of(&lost),
        _ => Reserve::new(),
    };
    app.stands(&after, &kept)
        .await
        .context("once the node is back")
}

/// The addresses of lost pods are nobody else's.
async fn rest(app: &App, after: &[PodView], lost: &[PodView]) -> Result<()> {
    let (used, resting) = (addresses(after), addresses(lost));
    ensure!(
        used.is_disjoint(&resting),
        "{resting:?} are used: {after:?}"
    );
    app.lot
        .eventually("the addresses of lost pods rest", || async {
            let listed: BTreeSet<String> = app.listed().await?.into_keys().collect();
            let expected: BTreeSet<String> = used.union(&resting).cloned().collect();
            ensure!(listed == expected, "{listed:?} instead of {expected:?}");
            Ok(())
        })
        .await
}

/// One node of a DaemonSet leaves for good, and one of the same name comes.
async fn node_deleted(app: &App, before: &[PodView], fate: Fate) -> Result<()> {
    let gone = before.first().context("no pods")?;
    let node = gone.node.clone().context("a pod without a node")?;
    let gone = std::slice::from_ref(gone);
    app.lot.delete_node(&node).await?;
    app.delete_by_force(&gone[0]).await?;
    app.gone(gone).await?;
    let kept = match fate {
        Fate::Freed => Reserve::new(),
        _ => app.reserve_of(gone),
    };
    app.stands(without(before, gone), &kept)
        .await
        .context("without the node")?;
    app.lot.create_node(&node).await?;
    let after = app.complete(gone).await?;
    fares(app, before, &after, fate).await
}

async fn scaled(app: &mut App, before: &[PodView], fate: Fate) -> Result<()> {
    app.scale(app.size - 1).await?;
    let left = app.complete(&[]).await?;
    let gone: Vec<PodView> = before
        .iter()
        .filter(|pod| !left.contains(pod))
        .cloned()
        .collect();
    let kept = match fate {
        Fate::Freed => Reserve::new(),
        _ => app.reserve_of(&gone),
    };
    app.stands(&left, &kept).await.context("scaled down")?;
    app.scale(app.size + 1).await?;
    let after = app.complete(&gone).await?;
    fares(app, before, &after, fate).await
}

async fn app_deleted(app: &App, before: &[PodView], fate: Fate) -> Result<()> {
    app.delete().await?;
    app.gone(before).await?;
    let kept = match fate {
        Fate::Freed => Reserve::new(),
        _ => app.reserve_of(before),
    };
    app.stands(&[], &kept).await.context("without the app")
}

async fn app_recreated(app: &mut App, before: &[PodView], fate: Fate) -> Result<()> {
    app_deleted(app, before, fate).await?;
    app.create_again().await?;
    let after = app.complete(before).await?;
    fares(app, before, &after, fate).await
}

async fn updated(app: &mut App, before: &[PodView], fate: Fate) -> Result<()> {
    app.update().await?;
    let after = app.complete(before).await?;
    fares(app, before, &after, fate).await
}

async fn surges(app: &mut App, before: &[PodView], fate: Fate) -> Result<()> {
    app.update().await?;
    app.a_new_one_runs(before).await?;
    app.finish_update().await?;
    let after = app.complete(before).await?;
    fares(app, before, &after, fate).await
}

async fn update_waits(app: &mut App, before: &[PodView]) -> Result<()> {
    app.update().await?;
    app.told("WaitingForFloatingIP", "maxUnavailable").await?;
    app.stands(before, &Reserve::new())
        .await
        .context("while the update waits")?;
    app.let_old_pods_end().await?;
    app.finish_update().await?;
    let after = app.complete(before).await?;
    let fate = match app.kind.slot() {
        Slot::Any => Fate::Set,
        _ => Fate::Own,
    };
    fares(app, before, &after, fate).await
}

/// One address more than pods from the first update on, and never another one.
async fn set_grows(app: &mut App, before: &[PodView]) -> Result<()> {
    app.update().await?;
    let between = app.complete(before).await?;
    let all: BTreeSet<String> = app.listed().await?.into_keys().collect();
    ensure!(
        all.len() == app.size + 1 && all.is_superset(&addresses(before)),
        "{all:?}"
    );
    let spare = |pods: &[PodView]| {
        let used = addresses(pods);
        all.iter()
            .find(|ip| !used.contains(*ip))
            .cloned()
            .context("no spare address")
    };
    app.stands(&between, &reserve_at(app, &between, &spare(&between)?))
        .await?;
    app.update().await?;
    let after = app.complete(&between).await?;
    app.stands(&after, &reserve_at(app, &after, &spare(&after)?))
        .await
        .context("after the second update")
}

/// An address that any pod of the app may have next.
fn reserve_at(app: &App, pods: &[PodView], ip: &str) -> Reserve {
    let anyone = pods.iter().take(1).map(|pod| pod.with_address(ip));
    app.reserve_of(&anyone.collect::<Vec<_>>())
}

async fn policy_changed(app: &mut App, before: &[PodView], fate: Fate) -> Result<()> {
    let formerly = app.reserve_of(before);
    app.change_policy().await?;
    let after = app.complete(before).await?;
    let used = addresses(&after);
    let left: Reserve = formerly
        .into_iter()
        .filter(|(ip, _)| !used.contains(ip))
        .collect();
    match fate {
        Fate::TakenOver => app.stands(&after, &left).await,
        Fate::LeftInPool => {
            ensure!(
                left.len() == before.len(),
                "{after:?} have addresses of the former pool"
            );
            app.stands(&after, &left).await
        }
        fate => fares(app, before, &after, fate).await,
    }
}

/// Compares the pods' addresses with those before, and with all that is written of them.
async fn fares(app: &App, before: &[PodView], after: &[PodView], fate: Fate) -> Result<()> {
    let (had, have) = (by_slot(app, before), by_slot(app, after));
    for pod in after {
        let same = before.iter().find(|former| former.uid == pod.uid);
        ensure!(
            same.is_none_or(|former| former.infos == pod.infos),
            "{same:?} became {pod:?}"
        );
    }
    match fate {
        Fate::Own => ensure!(had == have, "{had:?} became {have:?}"),
        Fate::Set => ensure!(
            addresses(before) == addresses(after),
            "{before:?} became {after:?}"
        ),
        Fate::Freed if app.frees_before_it_fills() => {
            let ended: Vec<PodView> = before
                .iter()
                .filter(|pod| after.iter().all(|other| other.uid != pod.uid))
                .cloned()
                .collect();
            ensure!(
                addresses(&ended).is_disjoint(&addresses(after)),
                "{ended:?} became {after:?}"
            );
        }
        Fate::Freed => {}
        other => bail!("{other:?} is not for this happening"),
    }
    app.stands(after, &Reserve::new()).await
}

impl App {
    /// Whether a slot's address is certainly free before the next pod of the slot asks. Controllers make pods of the
    /// same name so soon that they may find it still there, and take it.
    fn frees_before_it_fills(&self) -> bool {
        matches!(self.kind.slot(), Slot::Any | Slot::Nothing)
    }

    /// Waits for an event at any pod.
    async fn told(&self, reason: &str, text: &str) -> Result<()> {
        let what = format!("an event {reason} that says {text:?}");
        self.lot
            .eventually(&what, || async {
                let pods = self.pods().await?;
                self.make_missing(&pods).await?;
                let events = self.lot.events().await?;
                let told = |event: &String| event.contains(reason) && event.contains(text);
                ensure!(events.iter().any(told), "{events:#?}");
                Ok(())
            })
            .await
    }

    /// Waits until these pods are told to end, which their node does not hear.
    async fn evicted(&self, lost: &[PodView]) -> Result<()> {
        self.lot
            .eventually("the pods of the lost node are evicted", || async {
                let pods = self.pods().await?;
                for pod in lost {
                    let there = pods.iter().find(|there| there.uid == pod.uid);
                    ensure!(there.is_some_and(|pod| pod.deleting), "{there:?}");
                }
                Ok(())
            })
            .await
    }

    async fn a_new_one_runs(&self, former: &[PodView]) -> Result<()> {
        self.lot
            .eventually("a new pod runs", || async {
                let pods = self.pods().await?;
                let new = |pod: &PodView| former.iter().all(|former| former.uid != pod.uid);
                ensure!(
                    pods.iter().any(|pod| pod.is_running() && new(pod)),
                    "{pods:?}"
                );
                Ok(())
            })
            .await
    }
}

/// Pods of slots that are told apart: by name, or by node.
fn by_slot(app: &App, pods: &[PodView]) -> BTreeMap<String, BTreeSet<String>> {
    let slot = |pod: &PodView| match app.kind.slot() {
        Slot::Node => pod.node.clone().unwrap_or_default(),
        _ => pod.name.clone(),
    };
    let entry = |pod: &PodView| (slot(pod), addresses(std::slice::from_ref(pod)));
    pods.iter().map(entry).collect()
}

fn addresses(pods: &[PodView]) -> BTreeSet<String> {
    let each = pods.iter().flat_map(PodView::addresses);
    each.map(str::to_owned).collect()
}

/// The first pods, without those at the end.
fn without<'a>(pods: &'a [PodView], gone: &[PodView]) -> &'a [PodView] {
    match gone.first() == pods.first() {
        true => &pods[gone.len()..],
        false => &pods[..pods.len() - gone.len()],
    }
}
