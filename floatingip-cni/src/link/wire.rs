//! Whether an IPv4 address is free on a link, and telling all that it is there, by frames of our own: no program
//! such as `arping` is needed.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind, recvfrom};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, eth, send, socket_with};

use super::frame::{Arp, Form};
use super::mac::Mac;

/// Somebody who has an address that was thought to be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address.
    pub ip: Ipv4Addr,
    /// Who has it.
    pub mac: Mac,
}

/// How often is asked, and how long is waited after each time. RFC 5227 waits seconds; a container is waited for.
const PROBES: usize = 3;
const PAUSE: Duration = Duration::from_millis(150);
/// How often is waited for those who answer for others: the kernel lets them take up to 0.8 s (`proxy_delay`).
const PATIENCE: usize = 6;

/// Asks on a link of the caller's namespace whether anybody has one of the addresses. Takes half a second, unless
/// somebody answers; a second where the node's `own` address on that link is given, with which is asked once more
/// (a machine that answers for others by proxy ARP does not answer probes).
///
/// # Errors
/// The link cannot be used for that.
pub fn probe(
    link: &str,
    mac: Mac,
    ips: &[Ipv4Addr],
    own: Option<Ipv4Addr>,
) -> io::Result<Option<Neighbour>> {
    let socket = open(link)?;
    if let Some(own) = own {
        say(&socket, ips, |ip| Arp::question(mac, own, ip))?;
    }
    let rounds = if own.is_some() { PATIENCE } else { PROBES };
    for round in 0..rounds {
        if round < PROBES {
            say(&socket, ips, |ip| Arp::probe(mac, ip))?;
        }
        if let Some(found) = listen(&socket, mac, ips)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn say(socket: &Ear, ips: &[Ipv4Addr], of: impl Fn(Ipv4Addr) -> Arp) -> io::Result<()> {
    for ip in ips {
        send(&socket.fd, &of(*ip).to_frame(), SendFlags::empty())?;
    }
    Ok(())
}

/// Tells everybody on a link of the caller's namespace that the addresses are there: twice, as one frame may be lost.
///
/// # Errors
/// The link cannot be used for that.
pub fn announce(link: &str, mac: Mac, ips: &[Ipv4Addr], form: Form) -> io::Result<()> {
    let socket = open(link)?;
    for _ in 0..2 {
        say(&socket, ips, |ip| Arp::announcement(mac, ip, form))?;
    }
    Ok(())
}

/// For one pause.
fn listen(socket: &Ear, mac: Mac, ips: &[Ipv4Addr]) -> io::Result<Option<Neighbour>> {
    let until = Instant::now() + PAUSE;
    let mut frame = [0; 128];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // Zero would be no limit at all, and the kernel rounds down.
        let left = left.max(Duration::from_millis(1));
        set_socket_timeout(&socket.fd, Timeout::Recv, Some(left))?;
        let (length, from) = match recvfrom::<LinkAddr>(socket.fd.as_raw_fd(), &mut frame) {
            Ok(received) => received,
            Err(error) => match io::Error::from(error) {
                error if is_pause(&error) => continue,
                error => return Err(error),
            },
        };
        if from.is_some_and(|from| from.ifindex() != socket.link) {
            continue;
        }
        let arp = frame.get(..length).and_then(Arp::from_frame);
        let found = arp.and_then(|arp| contested(&arp, mac, ips));
        if found.is_some() {
            return Ok(found);
        }
    }
}

fn contested(arp: &Arp, mac: Mac, ips: &[Ipv4Addr]) -> Option<Neighbour> {
    let ip = ips.iter().find(|ip| arp.contests(**ip, mac))?;
    Some(Neighbour {
        ip: *ip,
        mac: arp.sender.0,
    })
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// A socket for ARP alone, on one link. Before it was bound to that it heard all of them.
struct Ear {
    fd: OwnedFd,
    link: usize,
}

fn open(link: &str) -> io::Result<Ear> {
    let fd = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(eth::ARP),
    )?;
    let address = packet_address(link)?;
    bind(fd.as_raw_fd(), &address)?;
    set_socket_timeout(&fd, Timeout::Send, Some(Duration::from_secs(1)))?;
    let link = address.ifindex();
    Ok(Ear { fd, link })
}

/// The address of a link for packet sockets. It names no protocol, so that the socket keeps its own.
fn packet_address(link: &str) -> io::Result<LinkAddr> {
    let mut all = getifaddrs()?.filter(|it| it.interface_name == link);
    let found = all.find_map(|it| it.address?.as_link_addr().copied());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no link {link}")))
}
