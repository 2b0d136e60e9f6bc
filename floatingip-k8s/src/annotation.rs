//! The resource that pods request, and the annotations and labels that this adapter itself writes. Those that
//! users write are core's: [`floatingip_core::annotation`].

/// The extended resource whose request makes a pod ours.
pub const ENI_IP: &str = "tke.cloud.tencent.com/eni-ip";
/// On a waiting pod: when it was woken last. The scheduler looks at a pod again that was changed.
pub const WOKEN: &str = "floatingip.galaxy.k8s.io/woken";
/// On a FloatingIP: galaxy's label of an administrator's reservation.
pub const RESERVED: &str = "reserved";
/// On a Pool: the size up to which it was filled. One that asks to be filled and was not filled up to its
/// present size is owed addresses.
pub const FILLED: &str = "floatingip.galaxy.k8s.io/filled";
/// On a Pool: the decision that wrote it.
pub const PLAN: &str = "floatingip.galaxy.k8s.io/plan";
