//! Numbers by a label: what happened, why requests failed, what sorts of addresses there are.

use floatingip_core::Failure;
use floatingip_core::engine::{Counts, Usage};
use floatingip_core::plan::Event;

use crate::backend::{GaugeKind, Series};

pub(super) fn of(counts: &Counts) -> Vec<Series> {
    let event = |event: Event| (event.name(), counts.of_event(event) as f64);
    let failure = |failure: Failure| (failure.name(), counts.of_failure(failure) as f64);
    let drains = |event: &Event| matches!(event, Event::Drain | Event::Undrain);
    vec![
        Series {
            name: "floatingip_address_changes_total",
            help: "Changes of addresses that are durable, by what happened.",
            kind: GaugeKind::Counter,
            label: "event",
            // What drains the store finds by itself: the engine counts none of it.
            values: Event::ALL
                .into_iter()
                .filter(|e| !drains(e))
                .map(event)
                .collect(),
        },
        Series {
            name: "floatingip_allocation_failures_total",
            help: "Requests for addresses that failed, by reason.",
            kind: GaugeKind::Counter,
            label: "reason",
            values: Failure::ALL.into_iter().map(failure).collect(),
        },
    ]
}

pub(super) fn states(usage: &Usage) -> Vec<(&'static str, u128)> {
    let tally = &usage.tally;
    let count = |count: usize| u128::try_from(count).unwrap_or(u128::MAX);
    vec![
        ("free", usage.free),
        ("owned", count(tally.live)),
        ("reserved", count(tally.reserved)),
        ("administrator", count(tally.administrators)),
        ("draining", count(tally.draining)),
        ("quarantined", count(tally.quarantined)),
        ("resting", count(tally.resting)),
    ]
}
