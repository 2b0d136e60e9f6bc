//! Kubernetes adapter of `floatingip-core`: CRDs, indexes, the scheduler extender and the life cycle.
//!
//! Nothing is here yet; the adapter arrives with the Kubernetes mode of the server.
