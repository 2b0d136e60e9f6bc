//! Watermarks: when people have to be warned that a subnet runs out of addresses, before it has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::engine::Usage;
use crate::topology::PodSubnet;

/// From this share of its addresses on, in percent, a subnet is nearly full.
pub const HIGH: u8 = 90;
/// Below this share, in percent, it is not any more. What goes to and fro between the two is told once.
pub const LOW: u8 = 85;

/// How full one entry of the configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    /// Its subnet.
    pub subnet: IpNet,
    /// Its first address: several entries may lie in one subnet.
    pub first: IpAddr,
    /// How many of each hundred addresses cannot be handed out.
    pub percent: u8,
    /// How many can.
    pub free: u128,
}

impl Level {
    /// How full the subnet is; none where it gives nothing anyhow: a disabled one, or one without
    /// addresses.
    pub fn of(subnet: &PodSubnet, usage: &Usage) -> Option<Self> {
        if subnet.disabled() || usage.total == 0 {
            return None;
        }
        Some(Self {
            subnet: subnet.net(),
            first: subnet.configured().first()?,
            percent: usage.percent(),
            free: usage.free,
        })
    }
}

/// What people have to be told of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It is nearly full.
    Filled(Level),
    /// It has room again.
    Relieved(Level),
}

/// Which subnets are nearly full, as far as people were told.
///
/// ```
/// use floatingip_core::watermark::{Crossing, Level, Watermarks};
///
/// let at = |percent| Level {
///     subnet: "10.0.70.0/24".parse().unwrap(),
///     first: "10.0.70.2".parse().unwrap(),
///     percent,
///     free: 200 - 2 * u128::from(percent),
/// };
/// let mut marks = Watermarks::default();
/// assert_eq!(marks.look([at(89)]), []);
/// assert_eq!(marks.look([at(90)]), [Crossing::Filled(at(90))]);
/// assert_eq!(marks.look([at(85)]), []);
/// assert_eq!(marks.look([at(84)]), [Crossing::Relieved(at(84))]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watermarks {
    full: BTreeSet<(IpNet, IpAddr)>,
}

impl Watermarks {
    /// Compares how full every subnet is now with what people were told; answers with what is new.
    /// O(n log n) in the number of subnets. Subnets that are not among the levels are forgotten.
    pub fn look(&mut self, levels: impl IntoIterator<Item = Level>) -> Vec<Crossing> {
        let mut full = BTreeSet::new();
        let mut crossings = Vec::new();
        for level in levels {
            let place = (level.subnet, level.first);
            let known = self.full.contains(&place);
            let is_full = level.percent >= if known { LOW } else { HIGH };
            if is_full {
                full.insert(place);
            }
            match (known, is_full) {
                (false, true) => crossings.push(Crossing::Filled(level)),
                (true, false) => crossings.push(Crossing::Relieved(level)),
                _ => {}
            }
        }
        self.full = full;
        crossings
    }

    /// How many subnets are nearly full.
    pub fn full(&self) -> usize {
        self.full.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(first: &str, percent: u8) -> Level {
        Level {
            subnet: "10.0.70.0/24".parse().unwrap(),
            first: first.parse().unwrap(),
            percent,
            free: u128::from(100 - percent),
        }
    }

    #[test]
    fn a_subnet_that_goes_to_and_fro_between_the_marks_is_told_of_once() {
        let mut marks = Watermarks::default();
        let filled = Crossing::Filled(level("10.0.70.2", 95));
        assert_eq!(marks.look([level("10.0.70.2", 95)]), [filled]);
        for percent in [89, 92, 85, 100] {
            assert_eq!(marks.look([level("10.0.70.2", percent)]), [], "{percent}");
        }
        let relieved = Crossing::Relieved(level("10.0.70.2", 84));
        assert_eq!(marks.look([level("10.0.70.2", 84)]), [relieved]);
        assert_eq!(marks.look([level("10.0.70.2", 89)]), []);
        assert_eq!(marks.full(), 0);
    }

    #[test]
    fn entries_of_one_subnet_are_told_of_one_by_one() {
        let mut marks = Watermarks::default();
        let both = [level("10.0.70.2", 90), level("10.0.70.100", 89)];
        assert_eq!(marks.look(both), [Crossing::Filled(both[0])]);
        let later = [level("10.0.70.2", 90), level("10.0.70.100", 90)];
        assert_eq!(marks.look(later), [Crossing::Filled(later[1])]);
    }

    #[test]
    fn a_subnet_that_is_configured_again_is_told_of_again() {
        let mut marks = Watermarks::default();
        let full = level("10.0.70.2", 90);
        assert_eq!(marks.look([full]), [Crossing::Filled(full)]);
        assert_eq!(marks.look([]), []);
        assert_eq!(marks.look([full]), [Crossing::Filled(full)]);
    }
}
