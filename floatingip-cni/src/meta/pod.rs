//! What is known of the pod whose container it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::spec::{ARGS_ANNOTATION, IpInfos, IpInfosError};

/// What a pod says about its networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Does it request a floating IP? None: that was not looked at, and it has no address.
    pub requests: Option<bool>,
}

/// Why what is written on a pod cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// The annotation with the addresses is not JSON of the right form.
    #[error("the annotation {ARGS_ANNOTATION} cannot be read: {0}")]
    Form(serde_json::Error),
    /// Its addresses cannot be used.
    #[error(transparent)]
    Addresses(#[from] IpInfosError),
    /// A value that would end the argument before its end.
    #[error(
        "the annotation {ARGS_ANNOTATION} has a semicolon in common.{0}, which CNI_ARGS cannot carry"
    )]
    Semicolon(String),
}

/// The kubelet writes there where it has a pod from.
const SOURCE: &str = "kubernetes.io/config.source";
/// The API server's copy of a pod from elsewhere names the original by this.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const FROM_API: &str = "api";

#[derive(Default, Deserialize)]
struct Annotation {
    #[serde(default)]
    common: Option<Map<String, Value>>,
}

impl Pod {
    /// What galaxy-ipam or our server wrote with the binding, as arguments for every network's plugin, as galaxy's
    /// daemon passes it on.
    ///
    /// # Errors
    /// It is not what one of them writes.
    pub fn arguments(&self) -> Result<BTreeMap<String, String>, PodError> {
        let text = self.annotations.get(ARGS_ANNOTATION).map(String::as_str);
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let read: Annotation = serde_json::from_str(text).map_err(PodError::Form)?;
        let mut arguments = BTreeMap::new();
        for (key, value) in read.common.unwrap_or_default() {
            if value.is_null() {
                continue;
            }
            let value = value.to_string();
            if key.contains([';', '=']) || value.contains(';') {
                return Err(PodError::Semicolon(key));
            }
            arguments.insert(key, value);
        }
        if let Some(infos) = arguments.get("ipinfos") {
            infos.parse::<IpInfos>()?;
        }
        Ok(arguments)
    }

    /// Was it bound with an address?
    ///
    /// # Errors
    /// As of [`Pod::arguments`].
    pub fn has_address(&self) -> Result<bool, PodError> {
        Ok(self.arguments()?.contains_key("ipinfos"))
    }

    /// Is it from a file of the node, or another source that no scheduler sees? Such a pod never has a floating IP.
    pub(super) fn is_static(&self) -> bool {
        let source = self.annotations.get(SOURCE);
        source.is_some_and(|source| source != FROM_API)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(args: &str) -> Pod {
        Pod {
            annotations: [(ARGS_ANNOTATION.to_owned(), args.to_owned())].into(),
            requests: None,
        }
    }

    #[test]
    fn all_that_is_common_becomes_arguments() {
        let infos = r#"[{"ip":"10.0.0.3/24","vlan":0,"gateway":"10.0.0.1"}]"#;
        let pod = pod(&format!(
            r#"{{"request_ip_range":[["10.0.0.2~10.0.0.30"]],"common":{{"ipinfos":{infos},"mtu":1400,"none":null}}}}"#
        ));
        let arguments = pod.arguments().unwrap();
        assert_eq!(
            arguments["ipinfos"]
                .parse::<IpInfos>()
                .unwrap()
                .as_slice()
                .len(),
            1
        );
        assert_eq!(arguments["mtu"], "1400");
        assert_eq!(arguments.len(), 2);
        assert!(pod.has_address().unwrap());
    }

    #[test]
    fn a_pod_without_the_annotation_has_no_address() {
        for text in [
            "",
            "{}",
            r#"{"common":null}"#,
            r#"{"common":{}}"#,
            r#"{"common":{"ipinfos":null}}"#,
        ] {
            assert!(!pod(text).has_address().unwrap(), "{text}");
        }
        assert!(!Pod::default().has_address().unwrap());
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        for (text, expected) in [
            ("{", "cannot be read"),
            (r#"{"common":[]}"#, "cannot be read"),
            (r#"{"common":{"a":"b;c"}}"#, "common.a"),
            (r#"{"common":{"a;b":1}}"#, "common.a;b"),
            (r#"{"common":{"ipinfos":[]}}"#, "0 addresses"),
        ] {
            let error = pod(text).arguments().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_pod_of_the_node_itself_is_told_from_one_of_the_api_server() {
        let from = |source: &str| Pod {
            annotations: [(SOURCE.to_owned(), source.to_owned())].into(),
            requests: None,
        };
        assert!(from("file").is_static() && from("http").is_static());
        assert!(!from("api").is_static() && !Pod::default().is_static());
    }
}
