//! Hardware addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// A text that is no Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hardware address like 02:42:0a:00:46:02")]
pub struct NoMac(String);

impl Mac {
    /// Locally administered, one station.
    const LOCAL: u8 = 0x02;

    /// The one that galaxy gives the interface of an IPv4 address: it stays with the address, wherever its pod
    /// goes. IPv6 addresses are folded into four bytes, with another second byte.
    pub fn of(ip: IpAddr) -> Self {
        let (mark, [a, b, c, d]) = match ip {
            IpAddr::V4(ip) => (0x42, ip.octets()),
            IpAddr::V6(ip) => (0x46, folded(ip.octets())),
        };
        Self([Self::LOCAL, mark, a, b, c, d])
    }

    /// One that nobody has, for all that can be known.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let [a, b, c, d, ..] = rng.u64(..).to_ne_bytes();
        Self([Self::LOCAL, 0x66, a, b, c, d])
    }
}

/// FNV-1a, so that neighbouring addresses differ in every byte.
fn folded(octets: [u8; 16]) -> [u8; 4] {
    let fold = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    octets.into_iter().fold(0x811c_9dc5, fold).to_be_bytes()
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octet = |part| u8::from_str_radix(part, 16);
        let octets: Result<Vec<u8>, _> = text.split(':').map(octet).collect();
        let octets = octets.ok().and_then(|octets| octets.try_into().ok());
        octets.map(Self).ok_or_else(|| NoMac(text.to_owned()))
    }
}

impl TryFrom<String> for Mac {
    type Error = NoMac;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_has_galaxys_hardware_address() {
        let mac = Mac::of("10.0.70.2".parse().unwrap());
        assert_eq!(mac.to_string(), "02:42:0a:00:46:02");
        assert_eq!("02:42:0a:00:46:02".parse(), Ok(mac));
    }

    #[test]
    fn texts_that_are_no_hardware_address_are_refused() {
        for text in [
            "",
            "02:42:0a:00:46",
            "02:42:0a:00:46:02:01",
            "02:42:0a:00:46:zz",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_made_address_is_local_and_of_one_station() {
        let mut rng = fastrand::Rng::with_seed(1);
        let ips = ["10.0.0.1", "fd00::1", "fd00::2"].map(|ip| Mac::of(ip.parse().unwrap()));
        for mac in ips.into_iter().chain([Mac::random(&mut rng)]) {
            assert_eq!(mac.0[0] & 3, 2, "{mac}");
        }
        assert_ne!(ips[1], ips[2]);
    }
}
