//! Attaching: what a container interface may ask for beside what it has.

use std::net::IpAddr;

use super::Engine;
use crate::owner::Owner;
use crate::record::{Attachment, Record};
use crate::refusal::Refusal;
use crate::request::PodRequest;
use crate::topology::Reach;

impl Engine {
    /// What the request's container interface has already. It may ask for just that once more; and a
    /// pod has its addresses at one interface of a container, not at two.
    pub(super) fn attached(
        &self,
        request: &PodRequest,
        reach: &Reach,
    ) -> Result<Vec<IpAddr>, Refusal> {
        let Some(attachment) = request.attachment() else {
            return Ok(Vec::new());
        };
        let open = self.open.values();
        if let Some(ip) = open.filter_map(|plan| plan.attaches(attachment)).next() {
            return Err(Refusal::Busy { ip });
        }
        let attached = self.ledger.of_attachment(attachment);
        // It has ended, and is about to lose what it has: whoever asks now is the next of that name.
        if let Some(ip) = attached
            .first()
            .filter(|_| self.owes_detachment(attachment))
        {
            return Err(Refusal::Busy { ip: *ip });
        }
        for ip in &attached {
            self.check_attached(*ip, request, reach)?;
        }
        self.check_uid(attachment, request)?;
        Ok(attached)
    }

    fn check_attached(
        &self,
        ip: IpAddr,
        request: &PodRequest,
        reach: &Reach,
    ) -> Result<(), Refusal> {
        let Some(record) = self.ledger.record(ip) else {
            return Ok(());
        };
        if self.is_held(ip) {
            return Err(Refusal::Busy { ip });
        }
        let same_owner = record.owner.tenant() == Some(request.tenant());
        if !same_owner || record.policy != request.policy() {
            return Err(other_request(ip, &record.owner));
        }
        match self.home_of(ip) {
            None => Err(Refusal::Withdrawn { ip }),
            Some(home) if !reach.contains(home.id()) => Err(Refusal::WrongNode {
                ip,
                subnet: home.net(),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Whether what the UID has may be used at this interface. A UID in a request proves nothing: it may
    /// be given to two pods by mistake, and one address would be used twice.
    fn check_uid(&self, attachment: &Attachment, request: &PodRequest) -> Result<(), Refusal> {
        for ip in self.ledger.of_uid(&request.pod().uid) {
            let record = self.ledger.record(ip);
            match record.and_then(|record| contradiction(ip, record, attachment, request)) {
                Some(refusal) => return Err(refusal),
                None => continue,
            }
        }
        Ok(())
    }

    /// Whether what was decided is what the interface has, if it has anything.
    pub(super) fn check_repeated(
        &self,
        attached: &[IpAddr],
        decided: &[IpAddr],
    ) -> Result<(), Refusal> {
        let same =
            attached.len() == decided.len() && attached.iter().all(|ip| decided.contains(ip));
        let record = |ip: &IpAddr| Some((*ip, self.ledger.record(*ip)?));
        match attached.first().and_then(record) {
            Some((ip, record)) if !same => Err(other_request(ip, &record.owner)),
            _ => Ok(()),
        }
    }
}

/// Why an address of the request's UID is not for its interface.
fn contradiction(
    ip: IpAddr,
    record: &Record,
    attachment: &Attachment,
    request: &PodRequest,
) -> Option<Refusal> {
    let asking = request.pod();
    let holder = record.owner.pod()?;
    let (pod, uid) = (holder.name.clone(), holder.uid.clone());
    if record.owner.namespace() != Some(&request.tenant().namespace) || pod != asking.name {
        return Some(Refusal::UidTaken { ip, pod, uid });
    }
    let other = record.attachment.as_ref()?;
    if other.container != attachment.container {
        return None;
    }
    if other.node != attachment.node {
        // By the name of its container alone: containers do not move, so this is another one.
        return (uid == other.container).then_some(Refusal::WaitingFor { pod, uid, ip });
    }
    (other != attachment).then(|| Refusal::OtherInterface {
        ip,
        pod,
        network: other.network.clone(),
        interface: other.interface.clone(),
    })
}

fn other_request(ip: IpAddr, owner: &Owner) -> Refusal {
    let pod = owner.pod();
    Refusal::OtherRequest {
        ip,
        pod: owner.pod_name(),
        uid: pod.map(|pod| pod.uid.clone()).unwrap_or_default(),
    }
}
