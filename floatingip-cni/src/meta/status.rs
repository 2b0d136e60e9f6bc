//! `STATUS`: could a container be connected? Only for lasting faults of this node it could not: a runtime takes the
//! node out of service for it, and neither a pod nor the API server is a reason for that.

use super::Task;
use super::add::UNDO;
use super::catalogue::Template;
use super::record::version;
use super::release::{each, first};
use crate::delegate::{Call, Limit};
use crate::spec::{Code, Failure, Verb, Version};

impl Task<'_> {
    /// The networks that pods get without naming them have to work; others are for some nodes only.
    pub(super) fn status(&self) -> Result<(), Failure> {
        let within = Limit::starting_now(UNDO);
        self.config.records().try_out().map_err(lasting)?;
        let catalogue = self.config.catalogue().map_err(lasting)?;
        let needed = self.config.needed_kubeconfig(&catalogue);
        if let Some(file) = needed.filter(|file| !file.is_file()) {
            let message = format!(
                "the kubeconfig {} is not there, without which no pod is taken that has no floating IP",
                file.display()
            );
            return Err(lasting(message));
        }
        let networks = catalogue.usual().map_err(lasting)?;
        let mut failed = each(networks.into_iter(), within, |network, share| {
            self.ask(network, share)
        });
        // What passes is no reason beside what lasts.
        failed.retain(|failure| failure.code != Code::TryAgain);
        first(failed)
    }

    fn ask(&self, network: &Template, within: Limit) -> Result<(), Failure> {
        let delegate = self.path.find(&network.kind).map_err(lasting)?;
        if version(&network.config) < Version::V1_1_0 {
            return Ok(());
        }
        let config = network.config.clone().into();
        Ok(delegate.tell(Verb::Status, &Call::default(), &config, within)?)
    }
}

fn lasting(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::NotAvailable, error)
}
