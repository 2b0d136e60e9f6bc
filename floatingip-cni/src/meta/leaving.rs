//! One default route of a family: that of the first network which has one. Plugins that know nothing of each other
//! add theirs beside it, or before it.

use ipnet::IpNet;

use crate::link::{Change, Kernel, KernelError, Link, Route};
use crate::spec::{CniResult, InterfaceName};

/// The families in which there was a default route before a network was joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    v4: bool,
    v6: bool,
}

impl Leaving {
    pub(super) fn of(container: &mut Kernel) -> Result<Self, KernelError> {
        let routes = container.routes()?;
        let mut defaults = routes.iter().filter(|route| route.is_default());
        let v4 = defaults.clone().any(|route| is_v4(route.destination()));
        let v6 = defaults.any(|route| !is_v4(route.destination()));
        Ok(Self { v4, v6 })
    }

    /// Takes the default routes through a later network's interface away again, and out of its plugin's answer, with
    /// which that compares later.
    pub(super) fn keep(
        self,
        container: &mut Kernel,
        interface: &InterfaceName,
        answer: &mut CniResult,
    ) -> Result<(), KernelError> {
        let Some(link) = container.link(interface)? else {
            return Ok(());
        };
        let routes = container.routes()?;
        let seconds = routes.iter().filter(|route| route.is_default());
        for route in seconds.filter(|route| self.had(route.destination())) {
            if let Some(route) = through(route, &link, answer) {
                let name = interface.clone();
                container.apply(&Change::RemoveRoute { name, route }, None)?;
            }
        }
        let is_second = |net: IpNet| net.prefix_len() == 0 && self.had(net);
        answer.routes.retain(|route| !is_second(route.destination));
        Ok(())
    }

    fn had(self, destination: IpNet) -> bool {
        if is_v4(destination) { self.v4 } else { self.v6 }
    }
}

/// The route, or the part of it, that leads through a link. The kernel makes one of several IPv6 routes to a place.
fn through(route: &Route, link: &Link, answer: &CniResult) -> Option<Route> {
    if route.link() == Some(link.index) {
        return Some(route.clone());
    }
    let destination = route.destination();
    let mut told = answer.routes.iter();
    let told = told.find(|it| it.destination == destination)?;
    route
        .shares(link)
        .then(|| Route::to(destination, told.gateway))
}

fn is_v4(net: IpNet) -> bool {
    net.addr().is_ipv4()
}
