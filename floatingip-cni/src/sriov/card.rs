//! A card and its virtual functions, as the kernel shows devices in files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::SriovError;
use crate::link::{Change, Kernel};
use crate::spec::{Failure, InterfaceName};

/// How long new functions may take to have links: their driver is loaded, and some cards ask their firmware.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A card, by the folder of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card(PathBuf);

/// A virtual function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which one of the card's.
    pub index: u32,
    /// Its address on the bus.
    pub bus: String,
    /// Its link, where that is in this namespace.
    pub link: Option<InterfaceName>,
}

impl Card {
    /// The card that has a link.
    pub fn of(link: &InterfaceName) -> Self {
        let links = Path::new("/sys/class/net");
        Self::at(links.join(link.as_str()).join("device"))
    }

    /// At a folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// How many functions it can have; none: it is not such a card.
    pub fn total(&self) -> Option<u32> {
        self.number("sriov_totalvfs")
    }

    /// The functions that are enabled.
    pub fn slots(&self) -> Vec<Slot> {
        let enabled = self.number("sriov_numvfs").unwrap_or_default();
        (0..enabled).filter_map(|index| self.slot(index)).collect()
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        let folder = self.0.join(format!("virtfn{index}"));
        let device = fs::canonicalize(&folder).ok()?;
        Some(Slot {
            index,
            bus: device.file_name()?.to_string_lossy().into_owned(),
            link: link_in(&folder),
        })
    }

    fn number(&self, file: &str) -> Option<u32> {
        let text = fs::read_to_string(self.0.join(file)).ok()?;
        text.trim().parse().ok()
    }

    /// Enables functions, with the card's link switched on: some cards' functions have no link before that.
    ///
    /// # Errors
    /// The kernel refuses, or no function has a link in time.
    pub fn enable(
        &self,
        link: &InterfaceName,
        wanted: u32,
        host: &mut Kernel,
    ) -> Result<(), Failure> {
        if host.link(link)?.is_some_and(|link| !link.up) {
            let changes = Change::up_unadvertised(link);
            changes.iter().try_for_each(|it| host.apply(it, None))?;
        }
        let count = wanted.min(self.total().unwrap_or_default());
        let written = fs::write(self.0.join("sriov_numvfs"), count.to_string());
        written.map_err(|error| refused(link, count, &error))?;
        Ok(self.await_links(link, count)?)
    }

    /// Those that have one by then will do.
    fn await_links(&self, link: &InterfaceName, count: u32) -> Result<(), SriovError> {
        let since = Instant::now();
        let all = usize::try_from(count).unwrap_or(usize::MAX);
        loop {
            let slots = self.slots();
            let ready = slots.iter().filter(|slot| slot.link.is_some()).count();
            if ready >= all {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                let card = link.clone();
                let none = SriovError::NoLinks { card, count };
                return if ready > 0 { Ok(()) } else { Err(none) };
            }
            thread::sleep(PAUSE);
        }
    }
}

fn refused(card: &InterfaceName, count: u32, error: &io::Error) -> SriovError {
    SriovError::Refused {
        card: card.clone(),
        count,
        error: error.to_string(),
    }
}

/// The folder of what has an address on the bus; none: it is gone.
pub(super) fn on_bus(bus: &str) -> Option<PathBuf> {
    let folder = Path::new("/sys/bus/pci/devices").join(bus);
    folder.exists().then_some(folder)
}

/// The link of a device, where that is in this namespace.
pub(super) fn link_in(device: &Path) -> Option<InterfaceName> {
    let links = fs::read_dir(device.join("net")).ok()?;
    let name = links.flatten().next()?.file_name();
    name.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card of seven with two functions, whose second is elsewhere.
    fn card() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("sriov_totalvfs"), "7\n").unwrap();
        fs::write(path.join("sriov_numvfs"), "2\n").unwrap();
        for (index, bus) in ["0000:01:10.0", "0000:01:10.2"].into_iter().enumerate() {
            fs::create_dir_all(path.join(bus).join("net")).unwrap();
            std::os::unix::fs::symlink(bus, path.join(format!("virtfn{index}"))).unwrap();
        }
        fs::create_dir(path.join("0000:01:10.0/net/eth2")).unwrap();
        folder
    }

    #[test]
    fn functions_are_known_by_their_address_wherever_their_links_are() {
        let folder = card();
        let card = Card::at(folder.path());
        assert_eq!(card.total(), Some(7));
        let slot = |index, bus: &str, link: Option<&str>| Slot {
            index,
            bus: bus.to_owned(),
            link: link.map(|name| name.parse().unwrap()),
        };
        let expected = [
            slot(0, "0000:01:10.0", Some("eth2")),
            slot(1, "0000:01:10.2", None),
        ];
        assert_eq!(card.slots(), expected);
    }

    #[test]
    fn another_device_has_no_functions() {
        let folder = tempfile::tempdir().unwrap();
        let card = Card::at(folder.path());
        assert_eq!((card.total(), card.slots()), (None, Vec::new()));
    }
}
