//! What the server is asked for; see `docs/api.md`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Question, Server};
use super::error::ServerError;
use crate::delegate::Limit;
use crate::link::Mac;
use crate::spec::{Attachment, IpInfo, IpInfos, NetworkName};

/// `POST /v1/attachment`: whom addresses are for. Empty fields are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/api.md says what each field means")]
pub struct AttachRequest {
    pub node_name: String,
    pub network: String,
    #[serde(rename = "containerID")]
    pub container: String,
    pub interface: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    #[serde(rename = "nodeIPs", skip_serializing_if = "Vec::is_empty")]
    pub node_ips: Vec<IpAddr>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_name: String,
    #[serde(rename = "podUID", skip_serializing_if = "String::is_empty")]
    pub pod_uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pool_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    #[serde(rename = "ipFamilies", skip_serializing_if = "Vec::is_empty")]
    pub ip_families: Vec<String>,
    #[serde(rename = "requestIPRange", skip_serializing_if = "Vec::is_empty")]
    pub request_ip_range: Vec<Vec<String>>,
}

/// `GET /v1/explain/{namespace}/{pod}`: which pod of that name there is, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Explained {
    /// Which one.
    #[serde(default)]
    pub uid: String,
    /// Its addresses.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

/// `POST /v1/ip/{ip}/quarantine`: keeps everybody from an address for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The address.
    pub ip: IpAddr,
    /// Who uses it, where that is known.
    pub mac: Option<Mac>,
    /// In people's words.
    pub reason: String,
    /// For how long, in seconds.
    pub seconds: u64,
}

impl Server {
    /// Gives a container's interface its addresses, or says again which it has.
    ///
    /// # Errors
    /// It gives none, or it is not known whether it did.
    pub fn attach(&self, request: &AttachRequest, within: Limit) -> Result<IpInfos, ServerError> {
        #[derive(Deserialize)]
        struct Answer {
            ipinfos: Vec<IpInfo>,
        }
        let question = post("/v1/attachment", to_value(request)?);
        let answer: Answer = self.read_json(&self.ask(&question, within)?)?;
        IpInfos::new(answer.ipinfos).map_err(|error| ServerError::Addresses {
            url: self.url().clone(),
            error,
        })
    }

    /// A container's interface is no more; it need not be known. Nor does it become one by requests of that attempt
    /// which arrive later.
    ///
    /// # Errors
    /// It is not known whether the server has heard.
    pub fn detach(
        &self,
        node: &str,
        network: &NetworkName,
        attachment: &Attachment,
        attempt: Option<&str>,
        within: Limit,
    ) -> Result<(), ServerError> {
        let (container, interface) = (&attachment.container, &attachment.interface);
        let parts = [
            node,
            network.as_str(),
            container.as_str(),
            interface.as_str(),
        ];
        let attempt = attempt.map(|attempt| format!("?attempt={}", segment(attempt)));
        let attempt = attempt.unwrap_or_default();
        let path = format!("/v1/attachment/{}{attempt}", parts.map(segment).join("/"));
        let question = Question {
            method: Method::DELETE,
            path,
            body: None,
        };
        self.ask(&question, within).map(drop)
    }

    /// Of a node's network only these interfaces are left.
    ///
    /// # Errors
    /// It is not known whether the server has heard.
    pub fn collect(
        &self,
        node: &str,
        network: &NetworkName,
        valid: &[Attachment],
        within: Limit,
    ) -> Result<(), ServerError> {
        let valid = valid.iter().map(|left| {
            let names = [
                ("containerID", left.container.as_str()),
                ("interface", left.interface.as_str()),
            ];
            BTreeMap::from(names)
        });
        let valid: Vec<_> = valid.collect();
        let body = json!({"nodeName": node, "network": network, "valid": valid});
        let question = post("/v1/attachment/gc", body);
        self.ask(&question, within).map(drop)
    }

    /// What the server knows of a pod.
    ///
    /// # Errors
    /// It does not answer.
    pub fn explain(
        &self,
        namespace: &str,
        pod: &str,
        within: Limit,
    ) -> Result<Option<Explained>, ServerError> {
        #[derive(Deserialize)]
        struct Answer {
            pod: Explained,
        }
        let path = format!("/v1/explain/{}/{}", segment(namespace), segment(pod));
        let question = Question {
            method: Method::GET,
            path,
            body: None,
        };
        match self.ask(&question, within) {
            Ok(bytes) => Ok(Some(self.read_json::<Answer>(&bytes)?.pod)),
            Err(ServerError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps everybody from an address for a while. Is asked once, as whoever asks has no time.
    ///
    /// # Errors
    /// It is not known whether the server has heard, or it refuses.
    pub fn quarantine(&self, wanted: &Quarantine, within: Limit) -> Result<(), ServerError> {
        let mac = wanted.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let body = json!({"reason": wanted.reason, "mac": mac, "seconds": wanted.seconds});
        let path = format!("/v1/ip/{}/quarantine", wanted.ip);
        self.ask_once(&post(&path, body), within).map(drop)
    }

    fn read_json<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, ServerError> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        serde_path_to_error::deserialize(&mut json).map_err(|error| ServerError::Form {
            url: self.url().clone(),
            path: error.path().to_string(),
            error: error.into_inner(),
        })
    }
}

fn to_value(request: &AttachRequest) -> Result<Value, ServerError> {
    serde_json::to_value(request).map_err(|error| ServerError::Question(error.to_string()))
}

fn post(path: &str, body: Value) -> Question {
    Question {
        method: Method::POST,
        path: path.to_owned(),
        body: Some(body),
    }
}

/// A part of a path, with all but plain characters in their percent form.
fn segment(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_leave_their_part_of_a_path() {
        assert_eq!(segment("node-1.lan_~"), "node-1.lan_~");
        assert_eq!(segment("a/b c?d%é"), "a%2Fb%20c%3Fd%25%C3%A9");
    }

    #[test]
    fn what_is_not_wished_for_is_not_sent() {
        let request = AttachRequest {
            node_name: "n1".to_owned(),
            container: "c1".to_owned(),
            ..AttachRequest::default()
        };
        let expected =
            json!({"nodeName": "n1", "network": "", "containerID": "c1", "interface": ""});
        assert_eq!(to_value(&request).unwrap(), expected);
    }
}
