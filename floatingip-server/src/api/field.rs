//! Fields of the native resource: names as they may be, each fault with its field.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::record::Attachment;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use thiserror::Error;

use super::dto::integer;

/// The longest name of anything but an interface, in characters: that of an object of Kubernetes.
const MOST: usize = 253;

/// The longest name of an interface, as Linux has it.
const MOST_INTERFACE: usize = 15;

/// A field that cannot be meant; whoever sent it has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {fault}")]
pub(crate) struct FieldFault {
    pub(crate) field: &'static str,
    pub(crate) fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("is empty: give it a name")]
    Empty,
    #[error("has {found} characters: use at most {most}")]
    TooLong { found: usize, most: usize },
    #[error("contains {0:?}: use visible characters without blanks")]
    NotVisible(char),
    #[error("`{0}` is no name of an interface: use visible ASCII characters but `/` and `:`")]
    Interface(String),
    #[error("`{0}` is not an IP address")]
    Address(String),
    #[error("{0}")]
    Text(String),
}

impl Fault {
    pub(crate) const fn at(self, field: &'static str) -> FieldFault {
        FieldFault { field, fault: self }
    }
}

/// A name that has to be there.
pub(crate) fn name(field: &'static str, text: &str) -> Result<Name, FieldFault> {
    optional(field, text)?.ok_or_else(|| Fault::Empty.at(field))
}

/// A name that may be left out; an empty text is the same as none.
pub(crate) fn optional(field: &'static str, text: &str) -> Result<Option<Name>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    checked(field, text, MOST).map(Some)
}

fn checked(field: &'static str, text: &str, most: usize) -> Result<Name, FieldFault> {
    let found = text.chars().count();
    if found > most {
        return Err(Fault::TooLong { found, most }.at(field));
    }
    match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(found) => Err(Fault::NotVisible(found).at(field)),
        None => Ok(Name::from(text)),
    }
}

fn interface(field: &'static str, text: &str) -> Result<Name, FieldFault> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
    match text {
        "" => Err(Fault::Empty.at(field)),
        "." | ".." => Err(Fault::Interface(text.to_owned()).at(field)),
        text if !text.bytes().all(fits) => Err(Fault::Interface(text.to_owned()).at(field)),
        text => checked(field, text, MOST_INTERFACE),
    }
}

/// One container interface, by the texts of its four fields.
pub(crate) fn attachment(
    [node, network, container, at]: [&str; 4],
) -> Result<Attachment, FieldFault> {
    Ok(Attachment {
        node: name("nodeName", node)?,
        network: name("network", network)?,
        container: name("containerID", container)?,
        interface: interface("interface", at)?,
    })
}

/// The addresses of a list.
pub(crate) fn addresses(field: &'static str, texts: &[String]) -> Result<Vec<IpAddr>, FieldFault> {
    let address = |text: &String| {
        let ip: Result<IpAddr, _> = text.parse();
        ip.map(|ip| ip.to_canonical())
            .map_err(|_| Fault::Address(text.clone()).at(field))
    };
    texts.iter().map(address).collect()
}

/// Fields in braces, and in nothing else: serde would take a list for the fields in their order.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

/// A field that is there has a value: `null` is none.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A whole number that is there.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    integer(deserializer).map(Some)
}

/// A policy as galaxy has it: the text of the annotation, or the number of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Text(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PolicyVisitor)
    }
}

struct PolicyVisitor;

impl Visitor<'_> for PolicyVisitor {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a release policy, as text or number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Policy, E> {
        Ok(Policy::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Policy, E> {
        Ok(Policy::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Policy, E> {
        Ok(Policy::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// `2.0` is the whole number 2.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Policy, E> {
        let codes = [0, 1, 2];
        let code = codes.into_iter().find(|code| f64::from(*code) == number);
        let whole = code
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(number), &"0, 1 or 2"))?;
        Ok(Policy::Number(whole.into()))
    }
}
