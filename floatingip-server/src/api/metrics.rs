//! `/metrics`, in the text format of Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::Api;
use crate::backend::{Backend, Bucket, Check, Gauge, GaugeKind, Histogram, Series, SubnetUsage};

/// How many requests were answered, by route and class of status. The routes are those that are
/// served, so that no client can make the series grow.
#[derive(Debug)]
pub(crate) struct RequestCounters {
    routes: Vec<(&'static str, [AtomicU64; CLASSES.len()])>,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Where requests are counted that no route has matched.
const UNMATCHED: &str = "none";

impl RequestCounters {
    /// Counters for these routes, all zero.
    pub(crate) fn new(routes: Vec<&'static str>) -> Self {
        let routes = routes.into_iter().chain([UNMATCHED]);
        Self {
            routes: routes.map(|route| (route, Default::default())).collect(),
        }
    }

    fn add(&self, route: &str, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let counts = self.routes.iter().find(|(known, _)| *known == route);
        if let Some(count) = counts.and_then(|(_, counts)| counts.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn print(&self, text: &mut String) {
        const NAME: &str = "floatingip_http_requests_total";
        let help = "Requests answered, by route and class of status.";
        print_head(text, NAME, help, GaugeKind::Counter);
        for (route, counts) in &self.routes {
            for (class, count) in CLASSES.iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(text, "{NAME}{{route=\"{route}\",code=\"{class}\"}} {count}");
                }
            }
        }
    }
}

/// Counts every answer.
pub(crate) async fn count<B: Send + Sync + 'static>(
    State(api): State<Arc<Api<B>>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    api.requests.add(route, response.status());
    response
}

/// `GET /metrics`.
pub(crate) async fn show<B: Backend>(State(api): State<Arc<Api<B>>>) -> Response {
    let mut text = String::new();
    let usage = api.backend.usage();
    print_usage(&mut text, &usage);
    print_states(&mut text, &usage);
    print_checks(&mut text, &api.backend.readiness().checks);
    print_gauges(&mut text, &api.backend.gauges());
    print_series(&mut text, &api.backend.series());
    print_histograms(&mut text, &api.backend.histograms());
    api.requests.print(&mut text);
    ([(header::CONTENT_TYPE, FORMAT)], text).into_response()
}

const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A gauge under the name that galaxy-ipam gave it.
fn print_usage(text: &mut String, usage: &[SubnetUsage]) {
    const NAME: &str = "galaxy_ip_counter";
    let help = "Addresses per subnet: with a record (owned or quarantined), configured.";
    print_head(text, NAME, help, GaugeKind::Gauge);
    for SubnetUsage {
        subnet,
        first_ip,
        allocated,
        total,
        ..
    } in usage
    {
        for (kind, value) in [("allocated", allocated), ("total", total)] {
            let labels = format!("type=\"{kind}\",subnet=\"{subnet}\",first_ip=\"{first_ip}\"");
            let _ = writeln!(text, "{NAME}{{{labels}}} {value}");
        }
    }
}

/// The same by sort.
fn print_states(text: &mut String, usage: &[SubnetUsage]) {
    const NAME: &str = "floatingip_addresses";
    let help =
        "Addresses per subnet by what they are; quarantined and resting ones count beside it.";
    print_head(text, NAME, help, GaugeKind::Gauge);
    for SubnetUsage {
        subnet,
        first_ip,
        states,
        ..
    } in usage
    {
        for (state, value) in states {
            let labels = format!("state=\"{state}\",subnet=\"{subnet}\",first_ip=\"{first_ip}\"");
            let _ = writeln!(text, "{NAME}{{{labels}}} {value}");
        }
    }
}

fn print_series(text: &mut String, series: &[Series]) {
    for series in series {
        let Series { name, label, .. } = series;
        print_head(text, name, series.help, series.kind);
        for (is, value) in &series.values {
            let _ = writeln!(text, "{name}{{{label}=\"{is}\"}} {value}");
        }
    }
}

/// What `/readyz?verbose` shows, for alerts.
fn print_checks(text: &mut String, checks: &[Check]) {
    const NAME: &str = "floatingip_check_ok";
    let help = "Whether a check of /readyz is good: 1, or 0.";
    print_head(text, NAME, help, GaugeKind::Gauge);
    for Check { name, ok, .. } in checks {
        let _ = writeln!(text, "{NAME}{{check=\"{name}\"}} {}", u8::from(*ok));
    }
}

fn print_gauges(text: &mut String, gauges: &[Gauge]) {
    for gauge in gauges {
        print_head(text, gauge.name, gauge.help, gauge.kind);
        let _ = writeln!(text, "{} {}", gauge.name, gauge.value);
    }
}

fn print_histograms(text: &mut String, histograms: &[Histogram]) {
    let mut former = "";
    for histogram in histograms {
        let Histogram {
            name, label, count, ..
        } = histogram;
        if former != *name {
            let _ = writeln!(
                text,
                "# HELP {name} {}\n# TYPE {name} histogram",
                histogram.help
            );
            former = name;
        }
        let label = format!("{}=\"{}\"", label.0, label.1);
        for Bucket { at_most, count } in &histogram.buckets {
            let _ = writeln!(text, "{name}_bucket{{{label},le=\"{at_most}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_bucket{{{label},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{{label}}} {}", histogram.sum);
        let _ = writeln!(text, "{name}_count{{{label}}} {count}");
    }
}

fn print_head(text: &mut String, name: &str, help: &str, kind: GaugeKind) {
    let kind = match kind {
        GaugeKind::Gauge => "gauge",
        GaugeKind::Counter => "counter",
    };
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
