//! What the pods of the tests run.
//!
//! ```text
//! resident                  holds a pod's namespaces, as `pause` does
//! resident serve PORT       tells whoever connects the name of its pod: not only that an address answers, but also who does
//! resident ask IP:PORT      prints what is told there
//! ```

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "what was told is this program's answer"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, fs, io, thread};

/// The longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => loop {
            thread::park();
        },
        ["serve", port] => serve(port.parse().map_err(io::Error::other)?),
        ["ask", address] => {
            println!("{}", ask(address.parse().map_err(io::Error::other)?)?);
            Ok(())
        }
        _ => Err(io::Error::other("resident [serve PORT | ask IP:PORT]")),
    }
}

/// One after the other. Who leaves early is no reason to end.
fn serve(port: u16) -> io::Result<()> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    loop {
        if let Ok((mut asker, _)) = listener.accept() {
            let _ = asker.write_all(name.trim().as_bytes());
        }
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut name = String::new();
    stream.read_to_string(&mut name)?;
    Ok(name)
}
