//! CNI plugins of floatingip: `galaxy-k8s-vlan`, `galaxy-k8s-sriov`, `floatingip-ipam` and `floatingip`.
//!
//! Nothing is here yet; the plugins arrive with a later release.
