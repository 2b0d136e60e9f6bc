//! Whether an IPv4 address is free on a link, and telling all that it is there, by frames of our own: no program
//! such as `arping` is needed.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, eth, recv, send, socket_with,
};

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

/// Asks on a link of the caller's namespace whether anybody has one of the addresses. Takes half a second, unless
/// somebody answers.
///
/// # Errors
/// The link cannot be used for that.
pub fn probe(link: &str, mac: Mac, ips: &[Ipv4Addr]) -> io::Result<Option<Neighbour>> {
    let socket = open(link)?;
    for _ in 0..PROBES {
        for ip in ips {
            send(
                &socket,
                &Arp::probe(mac, *ip).to_frame(),
                SendFlags::empty(),
            )?;
        }
        if let Some(found) = listen(&socket, mac, ips)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Tells everybody on a link of the caller's namespace that the addresses are there: twice, as one frame may be lost.
///
/// # Errors
/// The link cannot be used for that.
pub fn announce(link: &str, mac: Mac, ips: &[Ipv4Addr], form: Form) -> io::Result<()> {
    let socket = open(link)?;
    for ip in ips.iter().chain(ips) {
        let frame = Arp::announcement(mac, *ip, form).to_frame();
        send(&socket, &frame, SendFlags::empty())?;
    }
    Ok(())
}

/// For one pause.
fn listen(socket: &OwnedFd, mac: Mac, ips: &[Ipv4Addr]) -> io::Result<Option<Neighbour>> {
    let until = Instant::now() + PAUSE;
    let mut frame = [0; 128];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // Zero would be no limit at all, and the kernel rounds down.
        let left = left.max(Duration::from_millis(1));
        set_socket_timeout(socket, Timeout::Recv, Some(left))?;
        let length = match recv(socket, &mut frame, RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(error) => match io::Error::from(error) {
                error if is_pause(&error) => continue,
                error => return Err(error),
            },
        };
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

/// A socket for ARP alone, on one link.
fn open(link: &str) -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(eth::ARP),
    )?;
    bind(socket.as_raw_fd(), &packet_address(link)?)?;
    set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_secs(1)))?;
    Ok(socket)
}

/// The address of a link for packet sockets. It names no protocol, so that the socket keeps its own.
fn packet_address(link: &str) -> io::Result<LinkAddr> {
    let mut all = getifaddrs()?.filter(|it| it.interface_name == link);
    let found = all.find_map(|it| it.address?.as_link_addr().copied());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no link {link}")))
}
