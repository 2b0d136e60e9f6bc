//! Query strings and path segments, decoded strictly: what cannot be decoded is an error, not a
//! replacement character.

use thiserror::Error;

/// The parameters of a query string in the order they stand there. Keys may repeat.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes what stands behind the `?`.
    pub(crate) fn parse(query: &str) -> Result<Self, ParamError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode_form(name)?;
            Ok((name, decode_form(value)?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    /// The first value of a parameter. An empty one is none: clients leave `appName=` standing.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// Whether a parameter is there, be it empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Refuses parameters that are not `known`, and any that stands there twice.
    pub(crate) fn check(&self, known: &'static [&'static str]) -> Result<(), ParamError> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            let name = || name.clone();
            if !known.contains(&name().as_str()) {
                return Err(ParamError::Unknown {
                    name: name(),
                    known,
                });
            }
            if self
                .0
                .iter()
                .take(at)
                .any(|(earlier, _)| *earlier == name())
            {
                return Err(ParamError::Repeated { name: name() });
            }
        }
        Ok(())
    }
}

/// A parameter that cannot be used; the client has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ParamError {
    #[error("`{found}` is not percent-encoded UTF-8")]
    Encoding { found: String },
    #[error("unknown parameter `{name}`: there are {}", .known.join(", "))]
    Unknown {
        name: String,
        known: &'static [&'static str],
    },
    #[error("parameter {name} stands there more than once")]
    Repeated { name: String },
    #[error("{name}: `{found}` is outside the valid range {range}")]
    Range {
        name: &'static str,
        found: String,
        range: &'static str,
    },
    #[error("{name}: `{found}` is not a boolean: use true or false")]
    Boolean { name: &'static str, found: String },
    #[error("{name}: `{found}` is no time: write one such as 2006-01-02T15:04:05Z")]
    Time { name: &'static str, found: String },
    #[error("sort: {0}")]
    Sort(#[from] floatingip_core::query::UnknownSort),
}

/// Decodes a path segment.
pub(crate) fn decode_segment(text: &str) -> Result<String, ParamError> {
    let undecodable = || ParamError::Encoding {
        found: text.to_owned(),
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match first {
            b'%' => unescape(tail).ok_or_else(undecodable)?,
            byte => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| undecodable())
}

/// Decodes a name or value of a query string, where `+` is a blank.
fn decode_form(text: &str) -> Result<String, ParamError> {
    decode_segment(&text.replace('+', " "))
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_may_be_empty_missing_or_hold_an_equals_sign() {
        let params = Params::parse("a=1&b=&c&&d=x=y&e=a+b%2Bc").unwrap();
        assert_eq!(params.first("a"), Some("1"));
        assert_eq!((params.first("b"), params.first("c")), (None, None));
        assert!(params.has("c") && !params.has(""));
        assert_eq!(params.first("d"), Some("x=y"));
        assert_eq!(params.first("e"), Some("a b+c"));
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        for bad in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%c3%28", "a=%+1"] {
            assert!(Params::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(decode_segment("a+b%2fc").unwrap(), "a+b/c");
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        let check = |query| Params::parse(query).unwrap().check(&["a", "b"]);
        assert_eq!(check("a=1&b=2"), Ok(()));
        let repeated = check("a=1&a=1").unwrap_err().to_string();
        assert_eq!(repeated, "parameter a stands there more than once");
        let unknown = check("a=1&c=2").unwrap_err().to_string();
        assert_eq!(unknown, "unknown parameter `c`: there are a, b");
    }

    proptest! {
        #[test]
        fn every_text_survives_percent_encoding(text in ".*") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode_segment(&encoded).unwrap(), text);
        }

        #[test]
        fn no_query_string_makes_it_panic(query in ".*") {
            let _ = Params::parse(&query);
        }
    }
}
