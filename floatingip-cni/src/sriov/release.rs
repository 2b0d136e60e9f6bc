//! Giving functions back, from what was written down of them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::card::{link_in, on_bus};
use super::plan::NONE;
use crate::connect::{namespace, passing};
use crate::link::{Change, Kernel, KernelError, Link, Setting, View};
use crate::spec::{Code, Failure, InterfaceName};
use crate::state::{Endpoint, Function, Record};

/// How long the kernel may take to bring a function back from a namespace that is deleted. The lock is held meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Gives back the functions of a record, wherever they are and however far the `ADD` came. The caller has the node's
/// lock.
///
/// # Errors
/// One is nowhere to be found, or the kernel refuses.
pub(super) fn release(record: &Record, host: &mut Kernel) -> Result<(), Failure> {
    for endpoint in record.endpoints.iter().rev() {
        let Some(function) = &endpoint.function else {
            continue;
        };
        // A function that was disabled took its link along.
        let Some(device) = on_bus(&function.bus) else {
            continue;
        };
        if link_in(&device).is_none() {
            fetch(record, endpoint, function, host)?;
        }
        let link = await_link(&device, function)?;
        // The card's link may have got another name meanwhile.
        let card = link_in(&device.join("physfn"));
        let function = Function {
            card: card.unwrap_or_else(|| function.card.clone()),
            ..function.clone()
        };
        restore(&function, link, host)?;
    }
    Ok(())
}

/// Out of the container, if that is still there and has it.
fn fetch(
    record: &Record,
    endpoint: &Endpoint,
    function: &Function,
    host: &mut Kernel,
) -> Result<(), KernelError> {
    let Some(netns) = namespace(record) else {
        return Ok(());
    };
    let mut container = Kernel::inside(netns)?;
    let view = container.view()?;
    let Some(link) = view.links.iter().find(|link| is_own(link, endpoint)) else {
        return Ok(());
    };
    let Ok(name) = link.name.parse() else {
        return Ok(());
    };
    let to = free_name(function, &host.view()?);
    container.apply(&Change::Move { name, to }, None)
}

/// By its address on the bus, or, where the kernel does not tell that, by its hardware address.
fn is_own(link: &Link, endpoint: &Endpoint) -> bool {
    match endpoint.function.as_ref().map(|function| &function.bus) {
        Some(bus) if !link.bus.is_empty() => link.bus == *bus,
        _ => {
            let macs = [endpoint.inside.mac, Some(endpoint.first_mac)];
            link.kind == endpoint.inside.kind && macs.contains(&link.mac)
        }
    }
}

/// The former one, unless it has gone to another link.
fn free_name(function: &Function, host: &View) -> InterfaceName {
    let is_taken = |name: &str| host.link(name).is_some();
    let other = passing(&mut fastrand::Rng::new(), is_taken);
    other
        .filter(|_| is_taken(function.link.as_str()))
        .unwrap_or_else(|| function.link.clone())
}

fn await_link(device: &Path, function: &Function) -> Result<InterfaceName, Failure> {
    let since = Instant::now();
    loop {
        if let Some(name) = link_in(device) {
            return Ok(name);
        }
        if since.elapsed() > PATIENCE {
            let Function {
                card, index, bus, ..
            } = function;
            let message = format!(
                "function {index} of {card} ({bus}) is not in its container, and has not come back from there: end what holds the container's network namespace (lsns -t net), or bind the function to its network driver"
            );
            return Err(Failure::new(Code::TryAgain, message));
        }
        thread::sleep(PAUSE);
    }
}

/// As it was before the `ADD`. The card's hold on the hardware address is taken off before the function takes its
/// former one, and put back after.
fn restore(function: &Function, name: InterfaceName, host: &mut Kernel) -> Result<(), KernelError> {
    let view = host.view()?;
    let link = view.link(name.as_str());
    let link = link.ok_or_else(|| KernelError::NoLink(name.clone()))?;
    if link.up {
        let name = name.clone();
        host.apply(&Change::Down { name }, None)?;
    }
    if let Some(was) = link.mac.filter(|mac| *mac != function.mac) {
        set(function, Setting::Mac(NONE), host)?;
        let (name, mac) = (name.clone(), function.mac);
        host.apply(&Change::SetMac { name, mac, was }, None)?;
    }
    for setting in differing(function, host)? {
        set(function, setting, host)?;
    }
    let to = free_name(function, &view);
    let name = match name == function.link || to != function.link {
        true => name,
        false => {
            host.apply(&Change::Rename { name, to }, None)?;
            function.link.clone()
        }
    };
    if function.up {
        // It forgot on its way what it listens to; with an address from a router it would not be free again.
        let changes = Change::up_unadvertised(&name);
        changes.iter().try_for_each(|it| host.apply(it, None))?;
    }
    Ok(())
}

fn differing(function: &Function, host: &mut Kernel) -> Result<Vec<Setting>, KernelError> {
    let present = host.functions(&function.card)?;
    let differs = |setting: &&Setting| !present.contains(&(function.index, **setting));
    Ok(function.former.iter().filter(differs).copied().collect())
}

fn set(function: &Function, setting: Setting, host: &mut Kernel) -> Result<(), KernelError> {
    let change = Change::Function {
        card: function.card.clone(),
        index: function.index,
        setting,
        was: setting,
    };
    match host.apply(&change, None) {
        // Some cards do not know an address that means any: theirs does not bind the function either.
        Err(KernelError::Refused { errno, .. })
            if setting == Setting::Mac(NONE) && errno == Errno::INVAL =>
        {
            Ok(())
        }
        done => done,
    }
}
