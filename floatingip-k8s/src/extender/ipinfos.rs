//! What a binding tells the node: the annotation `k8s.v1.cni.galaxy.io/args` with the pod's addresses.

use floatingip_core::annotation::IpInfo;
use floatingip_core::topology::AddressInfo;
use serde::Serialize;
use serde_json::value::RawValue;

use super::wire::Fields;

#[derive(Serialize)]
struct Common {
    ipinfos: Vec<IpInfo>,
}

const ASKED: &str = "request_ip_range";
const ANSWERED: &str = "common";

/// The annotation's value for a pod that gets `addresses`: what the pod asked for stays, in front, as
/// galaxy-ipam has it; what it claimed to have been given does not.
///
/// # Errors
/// Texts and numbers can be written, so there is none; it is the JSON writer's.
pub(super) fn args(
    present: Option<&str>,
    addresses: &[AddressInfo],
) -> Result<String, serde_json::Error> {
    let common = Common {
        ipinfos: addresses.iter().map(IpInfo::from).collect(),
    };
    let common = serde_json::to_string(&common)?;
    let mut fields = others(present);
    fields.push((ANSWERED.to_owned(), common));
    let written: Result<Vec<String>, _> = fields
        .into_iter()
        .map(|(name, value)| Ok(format!("{}:{value}", serde_json::to_string(&name)?)))
        .collect();
    Ok(format!("{{{}}}", written?.join(",")))
}

/// The fields that are not the binding's, the wish for addresses first.
fn others(present: Option<&str>) -> Vec<(String, String)> {
    let fields = present.and_then(|text| Fields::read(text.as_bytes()).ok());
    let kept = fields.into_iter().flat_map(Fields::into_iter);
    let mut kept: Vec<(String, String)> = kept
        .filter(|(name, _)| name != ANSWERED)
        .map(|(name, value)| (name.into_owned(), compact(value)))
        .collect();
    kept.sort_by_key(|(name, _)| name != ASKED);
    kept
}

/// The value on one line.
fn compact(value: &RawValue) -> String {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(value.get());
    parsed.map_or_else(|_| value.get().to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use floatingip_core::config::{Config, Strictness};

    use super::*;

    fn address() -> AddressInfo {
        let document = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],
            "subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;
        let config = Config::parse(document, Strictness::Strict).unwrap();
        let ip = "10.0.70.70".parse().unwrap();
        config.topology().address_info(ip).unwrap()
    }

    const GIVEN: &str =
        r#""common":{"ipinfos":[{"ip":"10.0.70.70/24","vlan":2,"gateway":"10.0.70.1"}]}"#;

    #[track_caller]
    fn assert_args(present: Option<&str>, expected: &str) {
        assert_eq!(args(present, &[address()]).unwrap(), expected);
    }

    #[test]
    fn addresses_are_written_as_galaxy_writes_them() {
        assert_args(None, &format!("{{{GIVEN}}}"));
        assert_args(Some(""), &format!("{{{GIVEN}}}"));
    }

    #[test]
    fn the_wish_stays_in_front() {
        let wish = r#""request_ip_range":[["10.0.70.2~10.0.70.99"]]"#;
        let expected = format!("{{{wish},{GIVEN}}}");
        assert_args(Some(&format!("{{{wish}}}")), &expected);
        let repeated = format!("{{ \"common\": {{}}, \"x\": 1,\n {wish} }}");
        assert_args(Some(&repeated), &format!("{{{wish},\"x\":1,{GIVEN}}}"));
    }

    #[test]
    fn what_a_pod_says_that_it_was_given_is_not_believed() {
        let claimed = r#"{"common":{"ipinfos":[{"ip":"10.0.0.1/8"}]}}"#;
        assert_args(Some(claimed), &format!("{{{GIVEN}}}"));
    }
}
