//! The annotations of a pod: what is accepted is within its limits and means what it says.

use floatingip_core::annotation::{
    MAX_ADDRESSES, ip_families, pool, release_policy, request_ip_range, surge,
};

/// Takes one value, given to every annotation in turn.
pub fn check(data: &[u8]) {
    let value = std::str::from_utf8(data).ok();
    if let Ok(policy) = release_policy(value) {
        assert_eq!(release_policy(Some(&policy.to_string())), Ok(policy));
    }
    if let Ok(Some(pool)) = pool(value) {
        assert_eq!(Some(pool.as_str()), value);
    }
    if let Ok(Some(families)) = ip_families(value) {
        assert!(matches!(families.len(), 1 | 2), "{families:?}");
        assert!(families.len() == 1 || families.first() != families.last());
    }
    if let Ok(true) = surge(value) {
        assert_eq!(value, Some("allow"));
    }
    if let Ok(lists) = request_ip_range(value) {
        assert!(lists.len() <= MAX_ADDRESSES);
        assert!(lists.iter().all(|list| !list.is_empty()));
    }
}
