//! The competition for the lease, as a part of the process.

use floatingip_k8s::lease::{Elector, Leadership, LeaseSettings, Places};
use floatingip_k8s::store::Gate;
use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{error, warn};

use crate::args::Kubernetes;

/// The competition for the lease.
pub(super) struct Election {
    /// Who leads.
    pub(super) leadership: watch::Receiver<Leadership>,
    /// None where nobody competes.
    competing: Option<(oneshot::Sender<()>, JoinHandle<Elector>)>,
    /// Keeps the leadership of who competes with nobody.
    _alone: Option<watch::Sender<Leadership>>,
}

impl Election {
    /// Competes from now on, or leads at once where that is said; with the gate that is open meanwhile.
    pub(super) fn begin(
        client: &Client,
        settings: &Kubernetes,
        identity: &str,
        places: Places,
    ) -> (Gate, Self) {
        if settings.leader_elect {
            let (namespace, lease) = (&settings.access.namespace, &settings.lease);
            let lease = LeaseSettings {
                places,
                ..LeaseSettings::new(namespace, lease, identity.to_owned())
            };
            Self::compete(client, lease)
        } else {
            Self::alone()
        }
    }

    fn alone() -> (Gate, Self) {
        let (alone, leadership) = watch::channel(Leadership::Own);
        let election = Self {
            leadership,
            competing: None,
            _alone: Some(alone),
        };
        (Gate::open(), election)
    }

    fn compete(client: &Client, lease: LeaseSettings) -> (Gate, Self) {
        let gate = Gate::closed();
        let mut elector = Elector::new(client.clone(), lease, gate.clone());
        let leadership = elector.leadership();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                // Dropped without a word means the same.
                let _ = stopped.await;
            };
            elector.run(stopped).await;
            elector
        });
        let election = Self {
            leadership,
            competing: Some((stop, task)),
            _alone: None,
        };
        (gate, election)
    }

    /// Ready when nobody competes any more who should.
    pub(super) async fn died(&mut self) {
        match &mut self.competing {
            Some((_, task)) => {
                if let Err(error) = task.await {
                    error!("nobody renews the lease any more: {error}");
                }
                self.competing = None;
            }
            None => std::future::pending().await,
        }
    }

    /// Ends it, and gives the lease back if nothing of ours can still land.
    pub(super) async fn end(self, settled: bool) {
        let Some((stop, task)) = self.competing else {
            return;
        };
        // It is told so by being dropped, if it has ended already.
        let _ = stop.send(());
        match task.await {
            Ok(mut elector) if settled => elector.give_up().await,
            Ok(_) => {
                warn!(
                    "the lease is not given back: changes without a certain outcome may still land"
                );
            }
            Err(error) => warn!("the lease is not given back: {error}"),
        }
    }
}
