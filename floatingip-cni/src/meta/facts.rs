//! What is found out about the pod before its networks are chosen: from the runtime where that tells, else once from the
//! API server.

use std::path::Path;
use std::time::Duration;

use super::Task;
use super::api::{self, Who};
use super::pod::{Pod, PodError};
use crate::delegate::Limit;
use crate::spec::{Args, Code, Failure};

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Task<'_> {
    /// # Errors
    /// The pod requests a floating IP and has none, or it cannot be found out whether it does.
    pub(super) fn pod(&self, args: &Args, within: Limit) -> Result<Pod, Failure> {
        let who = Who::of(args)?;
        let pod = self.look(args, who.as_ref(), within)?;
        if pod.has_address()? || args.ip_infos()?.is_some() {
            return Ok(pod);
        }
        let name = who.map_or_else(|| "the container".to_owned(), |who| format!("pod {who}"));
        if self.config.require_floating_ip {
            return Err(refused(format!(
                "{name} has no floating IP, and requireFloatingIP is set: does it request tke.cloud.tencent.com/eni-ip, and was it bound by the floating-IP scheduler extender?"
            )));
        }
        if pod.requests == Some(true) {
            return Err(refused(format!(
                "{name} requests tke.cloud.tencent.com/eni-ip and was bound without an address, past the floating-IP scheduler extender: is its scheduler the one with the extender, and the extender's `ignorable` false? Delete the pod to have it scheduled again"
            )));
        }
        Ok(pod)
    }

    fn look(&self, args: &Args, who: Option<&Who>, within: Limit) -> Result<Pod, Failure> {
        let told = self.network.annotations().map(|annotations| Pod {
            annotations: annotations.clone(),
            requests: None,
        });
        let strict = self.config.require_floating_ip;
        match &told {
            Some(pod) if strict || pod.is_static() || pod.has_address()? => return Ok(pod.clone()),
            _ => {}
        }
        if args.ip_infos()?.is_some() {
            return Ok(told.unwrap_or_default());
        }
        match (who, self.config.kubeconfig()) {
            (Some(who), Some(file)) if !file.exists() => Err(unread(who, file)),
            (Some(who), Some(file)) => {
                let limit = within.at_most(PATIENCE).left();
                Ok(api::read(file, who, limit)?)
            }
            // Called by no kubelet: there is nobody to be asked.
            (None, _) => Ok(told.unwrap_or_default()),
            (Some(who), None) => told.ok_or_else(|| unknown(who)),
        }
    }
}

fn unknown(who: &Who) -> Failure {
    Failure::new(
        Code::InvalidNetwork,
        format!(
            "nothing is known of pod {who}: the runtime passes no annotations on (declare the capability io.kubernetes.cri.pod-annotations), and there is no kubeconfig by which the pod could be read"
        ),
    )
}

/// It may have been bound past the scheduler extender, and would come up quietly in another network.
fn unread(who: &Who, file: &Path) -> Failure {
    Failure::new(
        Code::InvalidNetwork,
        format!(
            "pod {who} has no floating IP, and whether it requests one cannot be read, as the kubeconfig {} is not there: have `floatingip-cni install` write it, or set \"kubeconfig\": \"\" to take such pods unread, if no pod is bound past the floating-IP scheduler extender",
            file.display()
        ),
    )
}

fn refused(message: String) -> Failure {
    Failure::new(Code::InvalidEnvironment, message)
}

impl From<PodError> for Failure {
    fn from(error: PodError) -> Self {
        Self::new(Code::InvalidEnvironment, error)
    }
}
