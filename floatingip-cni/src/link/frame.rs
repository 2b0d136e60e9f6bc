//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227), in frames.

use std::net::Ipv4Addr;

use super::mac::Mac;

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Is it an answer?
    pub reply: bool,
    /// Who sends it.
    pub sender: (Mac, Ipv4Addr),
    /// Whom it is about, or to.
    pub target: (Mac, Ipv4Addr),
}

/// In which form an address is announced: neighbours take notice of either, some of one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an answer that nobody asked for.
    Reply,
    /// As a question for the own address.
    Request,
}

impl Form {
    /// As galaxy's configuration has it.
    pub fn asked(request: bool) -> Self {
        if request { Self::Request } else { Self::Reply }
    }
}

const NOBODY: Mac = Mac([0; 6]);
const ALL: Mac = Mac([0xff; 6]);
const ETHERTYPE: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, and the lengths of their addresses.
const KINDS: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

impl Arp {
    /// Asks whether anybody has an address, without saying that one wants it oneself.
    pub fn probe(mac: Mac, ip: Ipv4Addr) -> Self {
        Self {
            reply: false,
            sender: (mac, Ipv4Addr::UNSPECIFIED),
            target: (NOBODY, ip),
        }
    }

    /// Asks who has an address, as one that has another.
    pub fn question(mac: Mac, own: Ipv4Addr, ip: Ipv4Addr) -> Self {
        Self {
            sender: (mac, own),
            ..Self::probe(mac, ip)
        }
    }

    /// Says that one has an address.
    pub fn announcement(mac: Mac, ip: Ipv4Addr, form: Form) -> Self {
        let (reply, target) = match form {
            Form::Reply => (true, mac),
            Form::Request => (false, NOBODY),
        };
        Self {
            reply,
            sender: (mac, ip),
            target: (target, ip),
        }
    }

    /// The frame, to everybody.
    pub fn to_frame(self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(42);
        frame.extend(ALL.0);
        frame.extend(self.sender.0.0);
        frame.extend(ETHERTYPE);
        frame.extend(KINDS);
        frame.extend(if self.reply { REPLY } else { REQUEST });
        for (mac, ip) in [self.sender, self.target] {
            frame.extend(mac.0);
            frame.extend(ip.octets());
        }
        frame
    }

    /// Reads a frame, if it is one.
    pub fn from_frame(frame: &[u8]) -> Option<Self> {
        let rest = frame.get(12..)?.strip_prefix(&ETHERTYPE)?;
        let rest = rest.strip_prefix(&KINDS)?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let (sender, rest) = party(rest)?;
        let (target, _) = party(rest)?;
        let reply = match *operation {
            REQUEST => false,
            REPLY => true,
            _ => return None,
        };
        Some(Self {
            reply,
            sender,
            target,
        })
    }

    /// Does it show that somebody else has, or is about to take, an address that the interface `own` wants?
    ///
    /// Either a sender that uses it, or another one that probes for it at the same time (RFC 5227, 2.1.1).
    pub fn contests(&self, ip: Ipv4Addr, own: Mac) -> bool {
        let (mac, sender) = self.sender;
        let uses = sender == ip;
        let probes = !self.reply && sender.is_unspecified() && self.target.1 == ip;
        mac != own && (uses || probes)
    }
}

fn party(bytes: &[u8]) -> Option<((Mac, Ipv4Addr), &[u8])> {
    let (mac, rest) = bytes.split_first_chunk::<6>()?;
    let (ip, rest) = rest.split_first_chunk::<4>()?;
    Some(((Mac(*mac), Ipv4Addr::from(*ip)), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 70, 2);
    const OWN: Mac = Mac([2, 0x42, 10, 0, 70, 2]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    #[test]
    fn a_probe_is_the_frame_of_rfc_5227() {
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x42, 10, 0, 70, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0,
            1, 2, 0x42, 10, 0, 70, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 70, 2,
        ];
        assert_eq!(Arp::probe(OWN, IP).to_frame(), expected);
    }

    #[test]
    fn frames_are_read_as_they_are_written() {
        let forms = [Form::Reply, Form::Request].map(|form| Arp::announcement(OWN, IP, form));
        for arp in forms.into_iter().chain([Arp::probe(OWN, IP)]) {
            let mut frame = arp.to_frame();
            frame.resize(60, 0);
            assert_eq!(Arp::from_frame(&frame), Some(arp));
            assert_eq!(Arp::from_frame(&frame[..41]), None);
        }
    }

    #[test]
    fn who_uses_an_address_or_probes_for_it_contests_it() {
        let announced = Arp::announcement(OTHER, IP, Form::Reply);
        assert!(announced.contests(IP, OWN));
        assert!(Arp::probe(OTHER, IP).contests(IP, OWN));
        assert!(!announced.contests(IP, OTHER), "its own");
        assert!(!announced.contests(Ipv4Addr::new(10, 0, 70, 3), OWN));
        let asks = Arp {
            sender: (OTHER, Ipv4Addr::new(10, 0, 70, 9)),
            ..Arp::probe(OTHER, IP)
        };
        assert!(
            !asks.contests(IP, OWN),
            "to ask who has it is not to have it"
        );
    }

    proptest! {
        #[test]
        fn no_frame_is_too_odd(frame in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Arp::from_frame(&frame);
        }
    }
}
