//! The native resource: what the standalone server is asked for and told beside galaxy-ipam's API, by
//! those who start containers without Kubernetes.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::fact::AppState;
use floatingip_core::orchestrator::{AllocateError, Place, Stuck};
use floatingip_core::owner::AppRef;
use floatingip_core::record::Attachment;
use floatingip_core::refusal::Refusal;
use floatingip_core::request::PodRequest;
use floatingip_core::topology::AddressInfo;
use thiserror::Error;

use crate::store::{AppError, MOST_APPS, MOST_NAMED_NODES};

/// A server that is told of containers, pods and apps.
///
/// Every operation may be repeated: what is done already is not done again. The API never drops the
/// future of one.
pub trait Native: Send + Sync + 'static {
    /// Gives a container interface its addresses, one for each that is asked for. The same again for
    /// the same interface.
    ///
    /// # Errors
    /// Why it cannot have them, or that nobody can say yet.
    fn attach(
        &self,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Vec<AddressInfo>, NativeError>> + Send;

    /// The container interface is no more. One that has no addresses, or no longer, changes nothing. Requests of the
    /// attempt that arrive later are refused.
    ///
    /// # Errors
    /// It was not stored, or is not certain yet.
    fn detach(
        &self,
        attachment: Attachment,
        attempt: Option<Name>,
    ) -> impl Future<Output = Result<(), NativeError>> + Send;

    /// Of a node's network only these container interfaces are still there.
    ///
    /// # Errors
    /// It was not stored, or is not certain yet.
    fn collect(&self, left: Left) -> impl Future<Output = Result<(), NativeError>> + Send;

    /// The pod has ended, by its UID. One that nobody knows changes nothing.
    ///
    /// # Errors
    /// It was not stored, or is not certain yet.
    fn end_pod(&self, uid: Name) -> impl Future<Output = Result<(), NativeError>> + Send;

    /// The app is there, with these slots; answers with how many addresses it had too many.
    ///
    /// # Errors
    /// It was not stored, or is not certain yet, or there are too many apps.
    fn tell_app(
        &self,
        app: AppRef,
        state: AppState,
    ) -> impl Future<Output = Result<usize, NativeError>> + Send;

    /// The app is no more; answers with how many addresses were freed. One that nobody knows changes
    /// nothing.
    ///
    /// # Errors
    /// It was not stored, or is not certain yet, or there are too many apps.
    fn delete_app(&self, app: AppRef) -> impl Future<Output = Result<usize, NativeError>> + Send;

    /// How an app stands; none where nobody told of it and it has no addresses. Quick.
    fn app(&self, app: &AppRef) -> Option<AppView>;
}

/// What a container interface wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Addresses for whom, how many and which; with the container interface.
    pub request: PodRequest,
    /// Where it is.
    pub place: Place,
    /// What whoever asks calls this attempt to connect the interface, to end it as such.
    pub attempt: Option<Name>,
}

/// What is left of a node's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The node.
    pub node: Name,
    /// The network.
    pub network: Name,
    /// The container interfaces that are still there.
    pub valid: BTreeSet<Attachment>,
}

impl Left {
    /// Whether a container interface is of that network on that node, and is not there any more.
    pub(crate) fn lacks(&self, attachment: &Attachment) -> bool {
        let here = attachment.node == self.node && attachment.network == self.network;
        here && !self.valid.contains(attachment)
    }
}

/// How an app stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    /// What was told of it; none where nobody told, or it was deleted.
    pub state: Option<AppState>,
    /// It was deleted, and pods still have addresses of it.
    pub deleted: bool,
    /// How many addresses it has, those in reserve among them.
    pub addresses: usize,
    /// How many of its pods have addresses.
    pub pods: u64,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NativeError {
    /// It cannot have what it wants now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody can say yet whether it is done, or it is not.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// No more apps can be remembered.
    #[error("there are {MOST_APPS} apps already: delete those that are no more")]
    TooManyApps,
    /// No more nodes of apps can be remembered.
    #[error(
        "apps name {MOST_NAMED_NODES} nodes already: leave `nodes` out where an app is on every node"
    )]
    TooManyNodes,
    /// The configuration lost the address while it was given.
    #[error("the configuration no longer covers {0}: try again")]
    Unconfigured(IpAddr),
}

impl From<AllocateError> for NativeError {
    fn from(error: AllocateError) -> Self {
        match error {
            AllocateError::Refused(refusal) => Self::Refused(refusal),
            AllocateError::Stuck(stuck) => Self::Stuck(stuck),
            // A reason of a later version of core: nothing was promised.
            _ => Self::Stuck(Stuck::Unavailable),
        }
    }
}

impl From<AppError> for NativeError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Unavailable => Self::Stuck(Stuck::Unavailable),
            AppError::Unknown => Self::Stuck(Stuck::Uncertain),
            AppError::Full => Self::TooManyApps,
        }
    }
}

/// What a server is that learns of pods from a cluster: nobody tells it of them.
#[derive(Clone, Copy, Debug)]
pub enum FromCluster {}

impl Native for FromCluster {
    async fn attach(&self, _: Wanted) -> Result<Vec<AddressInfo>, NativeError> {
        match *self {}
    }

    async fn detach(&self, _: Attachment, _: Option<Name>) -> Result<(), NativeError> {
        match *self {}
    }

    async fn collect(&self, _: Left) -> Result<(), NativeError> {
        match *self {}
    }

    async fn end_pod(&self, _: Name) -> Result<(), NativeError> {
        match *self {}
    }

    async fn tell_app(&self, _: AppRef, _: AppState) -> Result<usize, NativeError> {
        match *self {}
    }

    async fn delete_app(&self, _: AppRef) -> Result<usize, NativeError> {
        match *self {}
    }

    fn app(&self, _: &AppRef) -> Option<AppView> {
        match *self {}
    }
}
