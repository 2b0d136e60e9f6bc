//! What links are called that are nobody's wish.

use crate::spec::InterfaceName;

/// More links than one node has.
const MOST: usize = 10_000;

/// The container's interfaces after the first: `eth1` and so on, those that are free.
pub(crate) fn next_inside(is_taken: impl Fn(&str) -> bool) -> Option<InterfaceName> {
    let names = (1..MOST).map(|number| format!("eth{number}"));
    let free = names.into_iter().find(|name| !is_taken(name));
    free.and_then(|name| name.parse().ok())
}

/// What a link is called that is made in the container from one of the host: no link of either may have the name.
/// Before 6.13 the kernel looks for it in the host, whose device is often called as the container's interface is.
pub(crate) fn passing(
    rng: &mut fastrand::Rng,
    is_taken: impl Fn(&str) -> bool,
) -> Option<InterfaceName> {
    let names = (0..MOST).map(|_| format!("fip-{:08x}", rng.u32(..)));
    let free = names.into_iter().find(|name| !is_taken(name));
    free.and_then(|name| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_interfaces_are_those_that_are_free() {
        let next = |taken: &[&str]| {
            next_inside(|name| taken.contains(&name))
                .unwrap()
                .to_string()
        };
        assert_eq!(next(&["eth0"]), "eth1");
        assert_eq!(next(&["eth1", "eth2"]), "eth3");
    }
}
