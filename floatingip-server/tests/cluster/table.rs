//! The table of policies: for each policy, each kind of workload and each thing that can happen to it, a test of its own
//! that looks at what becomes of the addresses.
//!
//! What is expected is in [`fate`], from the design; what is done is in [`scene`]. Cells run side by side, each in a
//! namespace of its own, and as many as there are lanes: nodes and addresses that one cell after the other has to
//! itself. A lane has to be empty again before the next one, so that a leak of one address fails the cell.

mod app;
mod axes;
mod fate;
mod lane;
mod page;
mod scene;
mod standing;

use std::sync::Arc;

use anyhow::{Context as _, Result};

use self::axes::{Happening, Kind, Policy};
use self::fate::Fate;
pub(crate) use self::lane::{LANE, LANES, Lanes};
pub(crate) use self::page::{is_current, page};

/// One policy, one kind, one thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    number: usize,
    kind: Kind,
    policy: Policy,
    happening: Happening,
    fate: Fate,
}

impl Cell {
    /// All that can happen, and all that cannot.
    pub(crate) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for happening in Happening::ALL {
            for kind in Kind::ALL {
                for policy in Policy::ALL {
                    cells.push(Self {
                        number: cells.len(),
                        kind,
                        policy,
                        happening,
                        fate: fate::of(kind, policy, happening),
                    });
                }
            }
        }
        cells
    }

    /// Whether there is something to test.
    pub(crate) fn is_applicable(&self) -> bool {
        !matches!(self.fate, Fate::NotApplicable(_))
    }

    /// As a test.
    pub(crate) fn name(&self) -> String {
        let (kind, policy) = (self.kind.word(), self.policy.word());
        format!("table::{kind}::{policy}::{}", self.happening.word())
    }

    /// Plays it on the next lane that is free.
    pub(crate) async fn run(self, lanes: Arc<Lanes>) -> Result<()> {
        let lane = lanes.take().await?;
        let lot = lane
            .lot
            .with_namespace(format!("cell-{}", self.number))
            .await?;
        let (kind, policy) = (self.kind, self.policy);
        let played = scene::play(lot.clone(), kind, policy, self.happening, self.fate).await;
        let played = match played {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(lot.report().await)),
        };
        match lane::clear(&lot).await {
            Ok(()) => lanes.give_back(lane),
            Err(error) => {
                lanes.close(lane);
                return played
                    .and(Err(error))
                    .context("the lane is not empty again");
            }
        }
        played
    }
}
