use std::fmt;

/// A place in a configuration document, such as `[1].gateway` or `[0].ips[2]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(String);

impl Place {
    /// The whole document.
    pub(super) fn document() -> Self {
        Self(String::new())
    }

    /// Entry number `number`, from 0.
    pub(super) fn entry(number: usize) -> Self {
        Self::document().item(number)
    }

    pub(super) fn item(&self, number: usize) -> Self {
        Self(format!("{}[{number}]", self.0))
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain && name.len() <= 64 {
            Self(format!("{}.{name}", self.0))
        } else {
            Self(format!("{}[{:?}]", self.0, super::clip(name)))
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() {
            "document"
        } else {
            &self.0
        })
    }
}
