//! The custom resources `floatingips.galaxy.k8s.io` and `pools.galaxy.k8s.io`.
