//! Errors as a runtime is told them.

use std::fmt;

use serde::Serialize;

use super::version::{UnknownVersion, Version};
use super::{ArgsError, EnvironmentError, IpInfosError, NetworkError};

/// What sort of error it is, by the numbers of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The configuration asks for a version that is not spoken.
    IncompatibleVersion,
    /// The configuration has a field or value that is not supported.
    UnsupportedField,
    /// The container is not known, or not there.
    UnknownContainer,
    /// A variable of the environment is missing or wrong.
    InvalidEnvironment,
    /// The kernel or a file refused.
    Io,
    /// Bytes that cannot be read.
    Decode,
    /// The configuration is wrong.
    InvalidNetwork,
    /// It may work later.
    TryAgain,
    /// No container can be connected here.
    NotAvailable,
    /// An address is in use elsewhere.
    AddressInUse,
    /// `CHECK` found a difference.
    Different,
    /// Another plugin's own.
    Foreign(u32),
}

impl Code {
    /// The number; those from 100 are this plugin's own.
    pub fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidNetwork => 7,
            Self::TryAgain => 11,
            Self::NotAvailable => 50,
            Self::AddressInUse => 100,
            Self::Different => 101,
            Self::Foreign(number) => number,
        }
    }

    /// By the number that another plugin tells. Only those of the specification mean the same everywhere.
    pub fn told(number: u32) -> Self {
        match number {
            1 => Self::IncompatibleVersion,
            2 => Self::UnsupportedField,
            3 => Self::UnknownContainer,
            4 => Self::InvalidEnvironment,
            5 => Self::Io,
            6 => Self::Decode,
            7 => Self::InvalidNetwork,
            11 => Self::TryAgain,
            50 => Self::NotAvailable,
            other => Self::Foreign(other),
        }
    }
}

/// An error as a runtime is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort it is.
    pub code: Code,
    /// In one line.
    pub message: String,
    /// What else there is to know; may be empty.
    pub details: String,
}

impl Failure {
    /// An error with nothing but a message.
    pub fn new(code: Code, error: impl fmt::Display) -> Self {
        Self {
            code,
            message: error.to_string(),
            details: String::new(),
        }
    }

    /// With more to know.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// With more to know than there was.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        if !self.details.is_empty() {
            self.details.push_str("; ");
        }
        self.details.push_str(&more.to_string());
        self
    }

    /// As it is written to standard output.
    pub fn to_json(&self, version: Version) -> String {
        let wire = Wire {
            version,
            code: self.code.number(),
            msg: &self.message,
            details: &self.details,
        };
        // Numbers and texts can always be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "cniVersion")]
    version: Version,
    code: u32,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        Self::new(Code::InvalidEnvironment, error)
    }
}

impl From<ArgsError> for Failure {
    fn from(error: ArgsError) -> Self {
        Self::new(Code::InvalidEnvironment, error)
    }
}

impl From<IpInfosError> for Failure {
    fn from(error: IpInfosError) -> Self {
        Self::new(Code::InvalidEnvironment, error)
    }
}

impl From<UnknownVersion> for Failure {
    fn from(error: UnknownVersion) -> Self {
        Self::new(Code::IncompatibleVersion, error)
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        let code = match &error {
            NetworkError::Version(_) => Code::IncompatibleVersion,
            NetworkError::Form { .. } => Code::Decode,
            NetworkError::Name(_) | NetworkError::NoPreviousResult => Code::InvalidNetwork,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_plugins_number_is_passed_on_as_it_is() {
        for number in 0..200 {
            assert_eq!(Code::told(number).number(), number);
        }
        assert_eq!(Code::told(11), Code::TryAgain);
        assert_eq!(Code::told(100), Code::Foreign(100));
    }

    #[test]
    fn an_error_has_the_fields_of_the_specification() {
        let failure = Failure::new(Code::TryAgain, "the node is busy");
        assert_eq!(
            failure.to_json(Version::V1_0_0),
            r#"{"cniVersion":"1.0.0","code":11,"msg":"the node is busy"}"#
        );
        assert_eq!(
            failure.with_details("for 10 s").to_json(Version::V0_2_0),
            r#"{"cniVersion":"0.2.0","code":11,"msg":"the node is busy","details":"for 10 s"}"#
        );
    }
}
