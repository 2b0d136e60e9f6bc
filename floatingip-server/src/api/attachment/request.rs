//! From the body of an allocation to what core is asked for it.

use floatingip_core::orchestrator::Place;
use floatingip_core::owner::{Pod, Slot, Tenant};
use floatingip_core::range::{Family, IpRange, RangeSet};
use floatingip_core::record::Attachment;
use floatingip_core::request::{PodRequest, Want, wants};
use floatingip_core::workload::Workload;
use floatingip_core::{Name, PoolName, ReleasePolicy};
use serde::Deserialize;

use super::super::apps::{AppFields, DEFAULT_NAMESPACE};
use super::super::error::ApiError;
use super::super::field::{
    Fault, FieldFault, Policy, addresses, attachment, given, optional, whole,
};
use super::super::refused::{Reason, Refused};
use crate::native::Wanted;

/// The most ranges of one list.
const MOST_RANGES: usize = 256;
/// The most addresses of one node.
const MOST_NODE_IPS: usize = 64;

/// What a container interface asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AttachRequest {
    node_name: String,
    network: String,
    #[serde(rename = "containerID")]
    container_id: String,
    interface: String,
    #[serde(default)]
    attempt: String,
    #[serde(default, rename = "nodeIPs", deserialize_with = "given")]
    node_ips: Option<Vec<String>>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    pod_name: String,
    #[serde(default, rename = "podUID")]
    pod_uid: String,
    #[serde(default)]
    app_type: String,
    #[serde(default)]
    app_group: String,
    #[serde(default)]
    app_name: String,
    #[serde(default, rename = "appUID")]
    app_uid: String,
    #[serde(default)]
    pool_name: String,
    #[serde(default, deserialize_with = "given")]
    policy: Option<Policy>,
    #[serde(default, deserialize_with = "whole")]
    count: Option<u32>,
    #[serde(default, rename = "ipFamilies")]
    ip_families: Vec<String>,
    #[serde(default, rename = "requestIPRange")]
    request_ip_range: Vec<Vec<String>>,
}

impl AttachRequest {
    /// What core is asked.
    ///
    /// # Errors
    /// The first field that cannot be meant, or a policy that has nobody to keep an address for.
    pub(crate) fn wanted(self) -> Result<Wanted, ApiError> {
        let attachment = self.attachment()?;
        let place = self.place()?;
        let wants = self.wants()?;
        let pool = self.pool()?;
        let workload = self.workload()?;
        let named = optional("podName", &self.pod_name)?;
        let policy = self.policy()?;
        if named.is_none() && workload == Workload::Bare && pool.is_none() && policy.is_sticky() {
            return Err(nothing_to_keep_for(policy).into());
        }
        let policy = workload.effective_policy(policy, pool.as_ref())?;
        let pod = self.pod(named.clone(), &attachment)?;
        let slot = match (&named, &workload) {
            (None, Workload::Bare) => Some(Slot::Once(pod.name.clone())),
            _ => workload.slot_rule(&pod.name)?.on(Some(&pod.node)),
        };
        let tenant = Tenant {
            namespace: optional("namespace", &self.namespace)?
                .unwrap_or_else(|| Name::from(DEFAULT_NAMESPACE)),
            app: workload.app().cloned(),
            slot: slot.unwrap_or_else(|| Slot::Once(pod.name.clone())),
            pool,
            pod: None,
        };
        let request = PodRequest::new(tenant, pod, policy)?.with_wants(wants)?;
        Ok(Wanted {
            request: request.with_attachment(attachment),
            place,
            attempt: optional("attempt", &self.attempt)?,
        })
    }

    fn attachment(&self) -> Result<Attachment, FieldFault> {
        let Self {
            node_name,
            network,
            container_id,
            interface,
            ..
        } = self;
        attachment([node_name, network, container_id, interface])
    }

    fn place(&self) -> Result<Place, FieldFault> {
        const FIELD: &str = "nodeIPs";
        let Some(texts) = &self.node_ips else {
            return Ok(Place::Anywhere);
        };
        if texts.is_empty() || texts.len() > MOST_NODE_IPS {
            let found = texts.len();
            let text = format!(
                "has {found} addresses: give 1 to {MOST_NODE_IPS}, or leave it out for any subnet"
            );
            return Err(Fault::Text(text).at(FIELD));
        }
        Ok(Place::Node(addresses(FIELD, texts)?))
    }

    fn pool(&self) -> Result<Option<PoolName>, FieldFault> {
        let named = Some(&self.pool_name).filter(|text| !text.is_empty());
        let pool = named.map(|text| text.parse::<PoolName>()).transpose();
        pool.map_err(|error| Fault::Text(error.to_string()).at("poolName"))
    }

    fn policy(&self) -> Result<ReleasePolicy, ApiError> {
        let policy = match &self.policy {
            None => Ok(ReleasePolicy::default()),
            Some(Policy::Text(text)) => text.parse(),
            Some(Policy::Number(code)) => {
                // What is no code of a policy is none of `u8`'s either.
                ReleasePolicy::try_from(u8::try_from(*code).unwrap_or(u8::MAX))
            }
        };
        policy.map_err(|error| {
            let fault = Fault::Text(error.to_string()).at("policy");
            Refused::field(Reason::UnknownPolicy, &fault).into()
        })
    }

    fn workload(&self) -> Result<Workload, FieldFault> {
        let fields = AppFields {
            kind: &self.app_type,
            group: &self.app_group,
            name: &self.app_name,
            uid: &self.app_uid,
        };
        Ok(fields.app()?.map_or(Workload::Bare, Workload::of_app))
    }

    /// The pod that is named. Without one the container interface is the owner itself, so that two
    /// interfaces of a container have addresses of their own.
    fn pod(&self, named: Option<Name>, attachment: &Attachment) -> Result<Pod, FieldFault> {
        let uid = optional("podUID", &self.pod_uid)?;
        let container = &attachment.container;
        let (name, uid) = match (named, uid) {
            (Some(name), uid) => (name, uid.unwrap_or_else(|| container.clone())),
            (None, Some(_)) => {
                let text = "belongs to a pod: give podName too".to_owned();
                return Err(Fault::Text(text).at("podUID"));
            }
            (None, None) => {
                let Attachment {
                    node, interface, ..
                } = attachment;
                let own = format!("{node}/{container}/{interface}");
                (container.clone(), Name::from(own))
            }
        };
        let node = attachment.node.clone();
        Ok(Pod { name, uid, node })
    }

    fn wants(&self) -> Result<Vec<Want>, FieldFault> {
        let families = self.families()?;
        let ranges = self.ranges()?;
        match self.count {
            None => {
                let wants = wants(families.as_deref(), ranges);
                wants.map_err(|error| Fault::Text(error.to_string()).at("requestIPRange"))
            }
            Some(_) if families.is_some() || !ranges.is_empty() => {
                let text =
                    "says how many addresses, as ipFamilies and requestIPRange do: leave it out";
                Err(Fault::Text(text.to_owned()).at("count"))
            }
            Some(count) => counted(count),
        }
    }

    fn families(&self) -> Result<Option<Vec<Family>>, FieldFault> {
        let fault = |text: String| Fault::Text(text).at("ipFamilies");
        let mut families = Vec::new();
        for text in &self.ip_families {
            let family: Family = text.parse().map_err(|error| fault(format!("{error}")))?;
            if families.contains(&family) {
                return Err(fault(format!("`{family}` stands there twice")));
            }
            families.push(family);
        }
        Ok(Some(families).filter(|families| !families.is_empty()))
    }

    fn ranges(&self) -> Result<Vec<RangeSet>, FieldFault> {
        let lists = &self.request_ip_range;
        if lists.len() > PodRequest::MAX_WANTS {
            return Err(too_many(lists.len()).at("requestIPRange"));
        }
        lists.iter().enumerate().map(range_set).collect()
    }
}

fn range_set((list, texts): (usize, &Vec<String>)) -> Result<RangeSet, FieldFault> {
    let fault = |text: String| Fault::Text(text).at("requestIPRange");
    if texts.is_empty() {
        return Err(fault(format!(
            "list {list} is empty: name a range, or remove it"
        )));
    }
    if texts.len() > MOST_RANGES {
        let found = texts.len();
        return Err(fault(format!(
            "list {list} has {found} ranges: name at most {MOST_RANGES}"
        )));
    }
    let range = |text: &String| {
        let range = text.parse::<IpRange>();
        range.map_err(|error| fault(format!("list {list}: {error}")))
    };
    texts.iter().map(range).collect()
}

fn counted(count: u32) -> Result<Vec<Want>, FieldFault> {
    match usize::try_from(count) {
        Ok(count @ 1..=PodRequest::MAX_WANTS) => Ok(vec![Want::default(); count]),
        _ => Err(too_many(count).at("count")),
    }
}

fn too_many(found: impl std::fmt::Display) -> Fault {
    let most = PodRequest::MAX_WANTS;
    Fault::Text(format!("asks for {found} addresses: ask for 1 to {most}"))
}

fn nothing_to_keep_for(policy: ReleasePolicy) -> Refused {
    let message = format!(
        "bad request: release policy `{policy}` keeps an address for the container that comes next, \
         and this one has no name to be recognised by: give podName, or poolName, or no policy"
    );
    Refused::because(Reason::PolicyNeedsSlot, message)
}
