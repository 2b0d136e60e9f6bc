//! Where a pod's addresses come from.

use crate::spec::{Args, Code, Failure, IpInfos, Network};

/// Those that the pod was bound with: from the arguments, as galaxy's daemon passes them, else from the annotations
/// that a runtime passes on.
pub(crate) fn bound(network: &Network, args: &Args) -> Result<Option<IpInfos>, Failure> {
    let found = args.ip_infos()?;
    Ok(found.map_or_else(|| network.annotated(), |infos| Ok(Some(infos)))?)
}

/// Nobody bound the pod, and no IPAM plugin lends addresses.
pub(super) fn no_address() -> Failure {
    Failure::new(
        Code::InvalidEnvironment,
        "the pod has no floating IP: CNI_ARGS has no ipinfos, nor has a pod annotation of runtimeConfig; does it request tke.cloud.tencent.com/eni-ip, and was it bound by the floating-IP scheduler extender?",
    )
}
