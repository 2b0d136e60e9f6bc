//! What of a control plane is to be started, and the start.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::Mutex;

use super::launch::{Extender, Site};
use super::{ControlPlane, client};
use crate::assets::{Assets, Part};
use crate::process::{Launch, Process};

/// How long a node may be silent: short, because tests lose nodes; not shorter, because a busy machine is silent too.
const NODE_GRACE: Duration = Duration::from_secs(8);

/// Control planes of one test program start one after the other: on few processors they would make each other miss
/// the times that their parts wait for each other.
static STARTING: Mutex<()> = Mutex::const_new(());

/// What to start beside etcd and the API server.
#[derive(Clone, Debug)]
pub struct Builder {
    assets: Assets,
    scheduler: Option<Option<Extender>>,
    controller_manager: bool,
    kwok: bool,
    node_grace: Duration,
    for_nodes: Option<IpAddr>,
}

type Launches = Vec<(Part, Launch)>;

impl Builder {
    pub(super) fn new(assets: Assets) -> Self {
        Self {
            assets,
            scheduler: None,
            controller_manager: false,
            kwok: false,
            node_grace: NODE_GRACE,
            for_nodes: None,
        }
    }

    /// Also a scheduler that asks `extender` about pods with a floating IP.
    #[must_use]
    pub fn scheduler(mut self, extender: Extender) -> Self {
        self.scheduler = Some(Some(extender));
        self
    }

    /// Also a scheduler without extender.
    #[must_use]
    pub fn plain_scheduler(mut self) -> Self {
        self.scheduler = Some(None);
        self
    }

    /// Also the controllers of Deployments, StatefulSets, nodes and so on.
    #[must_use]
    pub fn controller_manager(mut self) -> Self {
        self.controller_manager = true;
        self
    }

    /// Also kwok, which plays the kubelets of the nodes of [`node`](crate::node).
    #[must_use]
    pub fn kwok(mut self) -> Self {
        self.kwok = true;
        self
    }

    /// After which silence a node counts as lost; 8 seconds unless said otherwise.
    #[must_use]
    pub fn node_grace(mut self, grace: Duration) -> Self {
        self.node_grace = grace;
        self
    }

    /// Real nodes reach the API server at this address of the machine, or of the network namespace that it runs in: it then
    /// listens at all addresses that there are.
    #[must_use]
    pub fn for_nodes_at(mut self, address: IpAddr) -> Self {
        self.for_nodes = Some(address);
        self
    }

    /// Starts etcd and the API server, then all others at once, and waits until every part is ready. The controller
    /// manager gives up if it has to wait for ten seconds, which a busy machine makes it do.
    ///
    /// # Errors
    /// A part cannot be started, ends at once, or is not ready in time.
    pub async fn start(self) -> Result<ControlPlane> {
        let _alone = STARTING.lock().await;
        let folder = tempfile::Builder::new()
            .prefix("floatingip-plane-")
            .tempdir()?;
        let site = Site::new(self.assets.clone(), folder.path(), self.for_nodes)?;
        let (first, others) = self.launches(&site)?;
        let client = client(&site.kubeconfig()).await?;
        let mut plane = ControlPlane {
            parts: BTreeMap::new(),
            site,
            client,
            _folder: folder,
        };
        for launches in [first, others] {
            for (part, launch) in launches {
                plane.parts.insert(part, Process::start(launch)?);
            }
            plane.wait_all_ready().await?;
        }
        Ok(plane)
    }

    /// Those that the others need, and the others.
    fn launches(&self, site: &Site) -> Result<(Launches, Launches)> {
        let first = vec![
            (Part::Etcd, site.etcd()),
            (Part::ApiServer, site.api_server()),
        ];
        let mut launches = Launches::new();
        if let Some(extender) = &self.scheduler {
            launches.push((Part::Scheduler, site.scheduler(extender.as_ref())?));
        }
        if self.controller_manager {
            launches.push((
                Part::ControllerManager,
                site.controller_manager(self.node_grace),
            ));
        }
        if self.kwok {
            launches.push((Part::Kwok, site.kwok(self.node_grace)));
        }
        Ok((first, launches))
    }
}

impl ControlPlane {
    async fn wait_all_ready(&self) -> Result<()> {
        for (part, process) in &self.parts {
            let ready = self.wait_ready(*part, process).await;
            ready
                .with_context(|| format!("the control plane did not start:\n{}", self.report()))?;
        }
        Ok(())
    }
}
