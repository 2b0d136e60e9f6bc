//! `CHECK`: has the interface the addresses that it was given?

use std::time::Duration;

use ipnet::IpNet;

use super::config::IpamConfig;
use super::lease::{Grant, Lease, Origin};
use crate::delegate::Limit;
use crate::spec::{Attachment, Code, Failure, Network};

/// How long the server may take to say what it knows.
const ASKING: Duration = Duration::from_secs(5);

/// Compares what was remembered with what the runtime has and with what the server knows.
///
/// # Errors
/// There is a difference, or the server does not answer.
pub(crate) fn check(
    config: &IpamConfig,
    network: &Network,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let Some(lease) = config.leases().read(&network.name, attachment)? else {
        return Err(Failure::new(
            Code::UnknownContainer,
            format!(
                "{attachment} has no address of {}: ADD was never called, or DEL after it",
                network.name
            ),
        ));
    };
    compare(&lease, network.previous()?)?;
    match &lease.origin {
        Origin::Binding => Ok(()),
        Origin::Server(grant) => ask(config, grant, &lease),
    }
}

/// The main plugin's result may have addresses of others as well.
fn compare(lease: &Lease, previous: &[IpNet]) -> Result<(), Failure> {
    let missing = lease.addresses.iter().find(|ip| !previous.contains(ip));
    match missing {
        Some(ip) => Err(different(format!(
            "prevResult has no {ip}, which was given"
        ))),
        None if lease.addresses.is_empty() => {
            Err(different("the ADD of it did not come to its end"))
        }
        None => Ok(()),
    }
}

fn ask(config: &IpamConfig, grant: &Grant, lease: &Lease) -> Result<(), Failure> {
    let Grant { namespace, pod, .. } = grant;
    let server = grant.server(config);
    let within = Limit::starting_now(ASKING);
    let found = server.explain(namespace, pod, within)?;
    let found = found.filter(|found| found.uid == grant.uid);
    let Some(found) = found else {
        return Err(different(format!(
            "the server knows no pod {namespace}/{pod} with the UID {}",
            grant.uid
        )));
    };
    let mut own = lease.addresses.iter().map(IpNet::addr);
    match own.find(|ip| !found.addresses.contains(ip)) {
        Some(ip) => Err(different(format!(
            "{ip} is not among the addresses that {namespace}/{pod} has on the server"
        ))),
        None => Ok(()),
    }
}

fn different(message: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Different, message)
}
