//! What links are called: as galaxy calls them, so that tools and people find them.

use crate::spec::{ContainerId, InterfaceName, NameError};

/// The host's end of a container's link: `v-h`, the beginning of the container's id, and a number that is free.
///
/// Galaxy takes nine characters of the id and one digit. Where no digit is left, as for ids that begin alike, the
/// number gets longer and the id's part shorter.
pub(super) fn host_end(
    container: &ContainerId,
    is_taken: impl Fn(&str) -> bool,
) -> Option<InterfaceName> {
    let names = (0..MOST).map(|number| {
        let number = number.to_string();
        let room = ROOM.saturating_sub(number.len());
        // Ids are ASCII, so that any number of characters is a number of bytes.
        let id: String = container.as_str().chars().take(room).collect();
        format!("v-h{id}-l{number}")
    });
    let free = names.into_iter().find(|name| !is_taken(name));
    free.and_then(|name| name.parse().ok())
}

/// Characters of the id and digits together.
const ROOM: usize = 10;
/// More links than one node has.
const MOST: usize = 10_000;

/// A VLAN's link or bridge.
pub(super) fn numbered(prefix: &str, vlan: u16) -> Result<InterfaceName, NameError> {
    format!("{prefix}{vlan}").parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, taken: &[&str]) -> String {
        let id = id.parse().unwrap();
        host_end(&id, |name| taken.contains(&name))
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_hosts_end_is_called_as_galaxy_calls_it() {
        let id = "0123456789abcdef";
        assert_eq!(named(id, &[]), "v-h012345678-l0");
        assert_eq!(named(id, &["v-h012345678-l0"]), "v-h012345678-l1");
    }

    #[test]
    fn short_ids_and_ids_that_begin_alike_have_names_too() {
        assert_eq!(named("c", &[]), "v-hc-l0");
        let taken: Vec<String> = (0..10)
            .map(|number| format!("v-h012345678-l{number}"))
            .collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        assert_eq!(named("0123456789", &taken), "v-h01234567-l10");
    }
}
