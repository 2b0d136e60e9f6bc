//! Warns people before a subnet is full.

use std::sync::Arc;
use std::time::Duration;

use floatingip_core::engine::Usage;
use floatingip_core::orchestrator::Orchestrator;
use floatingip_core::topology::PodSubnet;
use floatingip_core::watermark::{Crossing, HIGH, Level, Watermarks};
use floatingip_core::{Store, World};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::SystemTimer;

/// How often the subnets are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at every subnet for ever: logs what crosses a mark, and passes on which subnets are nearly full.
/// Begins as if nobody had been told of anything.
pub(crate) async fn watch<S, W>(core: &Orchestrator<S, SystemTimer, W>, tell: impl Fn(&Level))
where
    S: Store,
    W: World + Send + Sync,
{
    let mut marks = Watermarks::default();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for crossing in marks.look(levels(core)) {
            match crossing {
                Crossing::Filled(level) => {
                    warn!("{}", note(&level));
                    tell(&level);
                }
                Crossing::Relieved(level) => info!(
                    free = %level.free,
                    "the subnet {} (from {}) has room again", level.subnet, level.first
                ),
            }
        }
    }
}

/// How full each subnet is.
pub(crate) fn levels<S, W>(core: &Orchestrator<S, SystemTimer, W>) -> Vec<Level>
where
    S: Store,
    W: World + Send + Sync,
{
    by_subnet(core, Level::of)
}

/// What is to be said of each subnet's usage. One at a time, so that nobody waits for the engine longer
/// than one takes.
pub(crate) fn by_subnet<S, W, T>(
    core: &Orchestrator<S, SystemTimer, W>,
    say: impl Fn(&PodSubnet, &Usage) -> Option<T>,
) -> Vec<T>
where
    S: Store,
    W: World + Send + Sync,
{
    let topology = Arc::clone(core.engine().topology());
    let said = |subnet: &PodSubnet| {
        // Of another configuration by now: the next look shows that.
        let usage = core.engine().usage_of(subnet.id())?;
        say(subnet, &usage)
    };
    topology.subnets().iter().filter_map(said).collect()
}

/// For people, with what to do.
pub(crate) fn note(level: &Level) -> String {
    let Level {
        subnet,
        first,
        percent,
        free,
    } = level;
    format!(
        "the subnet {subnet} (from {first}) is nearly full: {percent} % of its addresses are taken, {free} are \
         free; add addresses to it, or release those that nobody needs"
    )
}

/// How many subnets are nearly full now, for metrics.
pub(crate) fn nearly_full(levels: &[Level]) -> usize {
    levels.iter().filter(|level| level.percent >= HIGH).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(percent: u8) -> Level {
        Level {
            subnet: "10.0.70.0/24".parse().unwrap(),
            first: "10.0.70.2".parse().unwrap(),
            percent,
            free: 8,
        }
    }

    #[test]
    fn the_warning_says_which_subnet_how_full_and_what_to_do() {
        assert_eq!(
            note(&level(92)),
            "the subnet 10.0.70.0/24 (from 10.0.70.2) is nearly full: 92 % of its addresses are taken, 8 \
             are free; add addresses to it, or release those that nobody needs"
        );
    }

    #[test]
    fn subnets_from_the_mark_on_are_counted() {
        assert_eq!(nearly_full(&[level(89), level(90), level(100)]), 2);
    }
}
