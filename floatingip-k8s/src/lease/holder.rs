//! Who holds the lease, and where that process answers.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;

const EXTENDER: &str = "floatingip.galaxy.k8s.io/extender";
const API: &str = "floatingip.galaxy.k8s.io/api";

/// A process that holds the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub identity: String,
    /// Where it answers.
    pub places: Places,
}

/// Where a process answers other processes, each as `HOST:PORT`; kept in annotations of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The scheduler's questions.
    pub extender: Option<String>,
    /// The API.
    pub api: Option<String>,
}

impl Holder {
    /// Of a lease that somebody holds.
    pub(super) fn of(lease: &Lease) -> Option<Self> {
        let spec = lease.spec.as_ref()?;
        let identity = spec.holder_identity.clone().filter(|it| !it.is_empty())?;
        let places = Places::of(lease);
        Some(Self { identity, places })
    }
}

impl Places {
    fn of(lease: &Lease) -> Self {
        let annotations = lease.metadata.annotations.as_ref();
        let place = |key| annotations?.get(key).filter(|it| !it.is_empty()).cloned();
        Self {
            extender: place(EXTENDER),
            api: place(API),
        }
    }

    /// Those of a former holder do not stay.
    pub(super) fn write(&self, annotations: &mut BTreeMap<String, String>) {
        for (key, place) in [(EXTENDER, &self.extender), (API, &self.api)] {
            match place {
                Some(place) => annotations.insert(key.to_owned(), place.clone()),
                None => annotations.remove(key),
            };
        }
    }
}
