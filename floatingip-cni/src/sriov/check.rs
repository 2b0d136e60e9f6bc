//! `CHECK`: is everything as `ADD` left it?

use std::path::Path;

use super::config::SriovConfig;
use crate::connect::{Inside, done, elsewhere, report, untold, with_routes};
use crate::link::{Kernel, KernelError, Netns, Setting, View};
use crate::spec::{Attachment, Failure, Network};
use crate::state::{Endpoint, Function};

/// Compares what was made with what is there, and with what the runtime was told.
///
/// # Errors
/// Something is different; the message says what, the first of them, and the details the others.
pub fn check(
    config: &SriovConfig,
    network: &Network,
    attachment: &Attachment,
    netns: &Path,
) -> Result<(), Failure> {
    let previous = network.previous()?;
    let record = done(config, network, attachment)?;
    let mut host = Kernel::here()?;
    let mut container = Kernel::inside(Netns::open(netns).map_err(KernelError::from)?)?;
    let mut found: Vec<String> = untold(&record, previous).collect();
    found.extend(elsewhere(&record, &container));
    let view = with_routes(&mut container)?;
    for endpoint in &record.endpoints {
        found.extend(inside(&view, endpoint, network));
        if let Some(function) = &endpoint.function {
            found.extend(card(function, &mut host)?);
        }
    }
    report(found)
}

fn inside(view: &View, endpoint: &Endpoint, network: &Network) -> Vec<String> {
    match Inside::of(view, endpoint, network) {
        Ok(inside) => {
            let mut found: Vec<String> = other(&inside, endpoint).into_iter().collect();
            found.extend(inside.differences());
            found
        }
        Err(missing) => vec![missing],
    }
}

/// Another function, or one with another hardware address.
fn other(inside: &Inside<'_>, endpoint: &Endpoint) -> Option<String> {
    let link = inside.link;
    let name = &link.name;
    let bus = endpoint.function.as_ref().map(|function| &function.bus);
    if let Some(bus) = bus.filter(|bus| !link.bus.is_empty() && **bus != link.bus) {
        return Some(format!("{name} is not the function {bus}"));
    }
    let (mac, wanted) = (link.mac?, inside.end().mac?);
    (mac != wanted).then(|| format!("{name} has the hardware address {mac}, not {wanted}"))
}

fn card(function: &Function, host: &mut Kernel) -> Result<Vec<String>, KernelError> {
    let Function { card, index, .. } = function;
    let Some(link) = host.link(card)? else {
        return Ok(vec![format!("the host has no link {card}")]);
    };
    let down = (!link.up).then(|| format!("{card} is down"));
    let present = host.functions(card)?;
    let differences = function.wanted.iter().filter_map(|wanted| {
        let has = of_sort(&present, *index, *wanted)?;
        (has != *wanted).then(|| format!("function {index} of {card} has {has}, not {wanted}"))
    });
    Ok(down.into_iter().chain(differences).collect())
}

fn of_sort(present: &[(u32, Setting)], index: u32, like: Setting) -> Option<Setting> {
    let mut settings = present.iter();
    let found = settings.find(|(of, setting)| *of == index && setting.is_like(&like));
    found.map(|(_, setting)| *setting)
}
