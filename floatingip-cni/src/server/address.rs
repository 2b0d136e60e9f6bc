//! Where the server is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

/// `http://HOST:PORT`, or `unix:PATH` as in the server's `--listen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ServerUrl {
    /// A host, by name or address, and a port.
    Http(Authority),
    /// A socket file.
    Unix(PathBuf),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The name or address, without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why a text does not say where the server is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// TLS.
    #[error(
        "{0:?}: this plugin speaks no TLS; let the server listen at unix:PATH on the node, or at a private address, and write unix:PATH or http://HOST:PORT"
    )]
    Tls(String),
    /// Something else.
    #[error("{0:?} does not say where the server is: write http://HOST:PORT or unix:PATH")]
    Form(String),
}

/// As a field of a configuration, where an empty text is as good as none.
pub(crate) fn optional<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<ServerUrl>, D::Error> {
    let text = Option::<String>::deserialize(wire)?;
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

/// What `http://` means where no port is named.
const USUAL_PORT: u16 = 80;

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let odd = || UrlError::Form(text.to_owned());
        if text.starts_with("https:") {
            return Err(UrlError::Tls(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            // A URL has `unix:///run/f.sock`.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(odd()),
            };
        }
        let rest = text.strip_prefix("http://").ok_or_else(odd)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        Authority::read(rest).map(Self::Http).ok_or_else(odd)
    }
}

impl Authority {
    fn read(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => USUAL_PORT,
            None => return None,
        };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_:".contains(letter);
        let host = Some(host).filter(|host| !host.is_empty() && host.chars().all(plain))?;
        let host = host.to_owned();
        Some(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_at_a_port_or_on_a_socket_file() {
        for (text, expected) in [
            ("http://10.0.0.1:32761", "http://10.0.0.1:32761"),
            ("http://ipam.lan/", "http://ipam.lan:80"),
            ("http://[fd00::1]:32761", "http://[fd00::1]:32761"),
            ("unix:/run/f.sock", "unix:/run/f.sock"),
            ("unix:///run/f.sock", "unix:/run/f.sock"),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), expected);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn tls_is_refused_with_what_to_do_instead() {
        let error = "https://ipam.lan".parse::<ServerUrl>().unwrap_err();
        assert!(error.to_string().contains("no TLS"), "{error}");
        assert!(error.to_string().contains("unix:PATH"), "{error}");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "10.0.0.1:32761",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:0",
            "http://a:65536",
            "http://a/v1",
            "http://u@a",
            "http://a b",
            "http://[fd00::1",
            "http://[fd00::1]80",
            "unix:",
            "unix:run/f.sock",
            "unix://run/f.sock",
        ] {
            let read = text.parse::<ServerUrl>();
            assert_eq!(read, Err(UrlError::Form(text.to_owned())));
        }
    }
}
