use super::SubnetId;

/// The subnets that a node, or nodes alike, may use; of one generation of the topology.
///
/// Made by [`Topology::reach`](super::Topology::reach). Equal reaches mean equal choices, so it
/// serves as a key to remember answers by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    generation: u64,
    /// Sorted.
    subnets: Vec<SubnetId>,
}

impl Reach {
    /// `subnets` in order, without repetitions.
    pub(super) fn new(generation: u64, subnets: Vec<SubnetId>) -> Self {
        Self {
            generation,
            subnets,
        }
    }

    /// The generation of the topology that this was made from; it means nothing for another one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the subnet may be used, in O(log n) of the number of subnets.
    #[must_use]
    pub fn contains(&self, id: SubnetId) -> bool {
        self.subnets.binary_search(&id).is_ok()
    }

    /// The subnets, in the order of the configuration.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = SubnetId> + ExactSizeIterator {
        self.subnets.iter().copied()
    }

    /// Whether there is no subnet at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subnets.is_empty()
    }
}
