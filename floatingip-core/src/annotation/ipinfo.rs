//! What a node is told of a pod's address, in the form that galaxy's plugins read.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::topology::AddressInfo;

/// One element of `ipinfos`: of `common` in the annotation [`ARGS`](super::ARGS), and of what the
/// standalone server answers.
///
/// ```
/// use floatingip_core::annotation::IpInfo;
/// use floatingip_core::config::{Config, Strictness};
///
/// let config = Config::parse(
///     r#"[{"routableSubnet": "10.0.0.0/16", "ips": ["10.0.70.2~10.0.70.241"],
///          "subnet": "10.0.70.0/24", "gateway": "10.0.70.1", "vlan": 2}]"#,
///     Strictness::Strict,
/// )?;
/// let info = config.topology().address_info("10.0.70.70".parse()?).ok_or("not in range")?;
/// let text = serde_json::to_string(&IpInfo::from(&info))?;
/// assert_eq!(text, r#"{"ip":"10.0.70.70/24","vlan":2,"gateway":"10.0.70.1"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpInfo {
    ip: String,
    vlan: u16,
    gateway: IpAddr,
}

impl From<&AddressInfo> for IpInfo {
    fn from(info: &AddressInfo) -> Self {
        let ip = IpNet::new(info.ip, info.prefix_len);
        Self {
            ip: ip.map_or_else(|_| info.ip.to_string(), |ip| ip.to_string()),
            vlan: info.vlan.get(),
            gateway: info.gateway,
        }
    }
}
