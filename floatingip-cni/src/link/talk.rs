//! Requests to the kernel and its answers, in one namespace, within a time limit.

use std::io;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    DecodeError, DoneMessage, ErrorMessage, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::kernel::KernelError;
use super::message::Request;

/// A conversation with the kernel. It is about the namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Talk {
    socket: Socket,
    sequence: u32,
    /// None: no other limit than that of each answer.
    end: Option<Instant>,
}

impl Talk {
    /// How long an answer may take. The kernel's lock is held by others for as long as their changes take.
    pub(super) const PATIENCE: Duration = Duration::from_secs(5);
    /// How often a list is read again that changed meanwhile.
    const RETRIES: usize = 5;
    /// More than the kernel puts into one datagram.
    const DATAGRAM: usize = 64 * 1024;

    /// In the namespace of this thread.
    ///
    /// # Errors
    /// The kernel has no netlink.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        // The kernel's own words instead of a number, and nothing of the request before them.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(Self::PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Send, Some(Self::PATIENCE))?;
        Ok(Self {
            socket,
            sequence: 0,
            end: None,
        })
    }

    /// Nothing is asked after so long any more, and no answer waited for.
    pub(super) fn end_after(&mut self, left: Duration) {
        self.end = Instant::now().checked_add(left);
    }

    /// How long the next answer may take.
    fn patience(&self) -> Result<Duration, KernelError> {
        let Some(end) = self.end else {
            return Ok(Self::PATIENCE);
        };
        let left = end.saturating_duration_since(Instant::now());
        let left = left.min(Self::PATIENCE);
        // The kernel takes zero for no limit, and rounds down.
        match left < Duration::from_millis(1) {
            true => Err(KernelError::Late),
            false => Ok(left),
        }
    }

    /// Everything of a sort.
    ///
    /// # Errors
    /// The kernel does not list it, or it changes all the time.
    pub(super) fn list(
        &mut self,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
        for _ in 0..Self::RETRIES {
            self.send(message, NLM_F_REQUEST | NLM_F_DUMP)?;
            if let Some(listed) = self.receive(|| "list the network's parts".to_owned(), None)? {
                return Ok(listed);
            }
        }
        Err(KernelError::Restless)
    }

    /// One request, and the answers to it.
    ///
    /// # Errors
    /// The kernel refuses it, or does not answer.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        what: impl Fn() -> String,
        module: Option<&'static str>,
    ) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
        self.send(&request.message, request.flags)?;
        let answers = self.receive(what, module)?;
        Ok(answers.unwrap_or_default())
    }

    fn send(&mut self, message: &RouteNetlinkMessage, flags: u16) -> Result<(), KernelError> {
        let patience = self.patience()?;
        if self.end.is_some() {
            for direction in [Timeout::Recv, Timeout::Send] {
                let limited = set_socket_timeout(&self.socket, direction, Some(patience));
                limited.map_err(|error| KernelError::Socket(error.into()))?;
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let payload = NetlinkPayload::InnerMessage(message.clone());
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let kernel = SocketAddr::new(0, 0);
        let sent = self.socket.send_to(&bytes, &kernel, 0);
        sent.map(drop).map_err(KernelError::Socket)
    }

    /// The answers to the last request, up to its end; none where a list changed while it was read.
    fn receive(
        &self,
        what: impl Fn() -> String,
        module: Option<&'static str>,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, KernelError> {
        let (since, patience) = (Instant::now(), self.patience()?);
        let mut answers = Vec::new();
        let mut whole = true;
        while since.elapsed() < patience {
            for (header, payload) in self.datagram()? {
                if header.sequence_number != self.sequence {
                    continue;
                }
                whole &= header.flags & NLM_F_DUMP_INTR == 0;
                match payload {
                    NetlinkPayload::InnerMessage(message) => answers.push(message),
                    NetlinkPayload::Done(done) => {
                        return match ended(&done) {
                            None => Ok(whole.then_some(answers)),
                            Some(errno) => Err(refused(what(), errno, String::new(), module)),
                        };
                    }
                    NetlinkPayload::Error(error) => {
                        return match errno(&error) {
                            None => Ok(Some(answers)),
                            Some(errno) => Err(refused(what(), errno, words(&error), module)),
                        };
                    }
                    _ => {}
                }
            }
        }
        Err(KernelError::Silent)
    }

    fn datagram(&self) -> Result<Vec<Part>, KernelError> {
        let mut bytes = Vec::with_capacity(Self::DATAGRAM);
        match self.socket.recv(&mut bytes, 0) {
            Ok(_) => parts(&bytes).map_err(KernelError::Unreadable),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(KernelError::Silent),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(KernelError::Socket(error)),
        }
    }
}

type Part = (NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>);

/// The messages of a datagram. Each begins at a multiple of four bytes.
fn parts(mut bytes: &[u8]) -> Result<Vec<Part>, DecodeError> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (header, payload) = NetlinkMessage::deserialize(bytes)?.into_parts();
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let rest = bytes.get(length.next_multiple_of(4)..);
        bytes = rest.unwrap_or_default();
        parts.push((header, payload));
    }
    Ok(parts)
}

/// Why a list ended before its end: the kernel says that in its last message.
fn ended(done: &DoneMessage) -> Option<Errno> {
    (done.code < 0).then(|| Errno::from_raw_os_error(-done.code))
}

fn errno(error: &ErrorMessage) -> Option<Errno> {
    error.code.map(|code| Errno::from_raw_os_error(-code.get()))
}

/// What the kernel says besides the number, behind the header of the request.
fn words(error: &ErrorMessage) -> String {
    const HEADER: usize = 16;
    const MESSAGE: u16 = 1;
    let attributes = error.header.get(HEADER..).unwrap_or_default();
    let mut attributes = NlasIterator::new(attributes).filter_map(Result::ok);
    let message = attributes.find(|attribute| attribute.kind() == MESSAGE);
    let text = message.map(|it| String::from_utf8_lossy(it.value()).into_owned());
    text.unwrap_or_default().trim_end_matches('\0').to_owned()
}

/// The error of a refusal.
pub(super) fn refused(
    what: String,
    errno: Errno,
    reason: String,
    module: Option<&'static str>,
) -> KernelError {
    KernelError::Refused {
        what,
        errno,
        reason,
        module,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_the_kernel_breaks_off_is_no_list() {
        let done = |code| {
            let mut done = DoneMessage::default();
            done.code = code;
            ended(&done)
        };
        assert_eq!(done(0), None);
        assert_eq!(done(-12), Some(Errno::NOMEM));
        let bytes = [
            20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0xf4, 0xff, 0xff, 0xff,
        ];
        let parts = parts(&bytes).unwrap();
        let NetlinkPayload::Done(read) = &parts[0].1 else {
            panic!("{parts:?}");
        };
        assert_eq!(ended(read), Some(Errno::NOMEM));
    }
}
