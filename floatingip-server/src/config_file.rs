//! The configuration in a file: plain JSON, or the ConfigMap manifest around it.
//!
//! So that one file serves `kubectl apply` and a standalone server. YAML is read by
//! `serde-saphyr`, which the Kubernetes client brings along anyway.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// The key of the ConfigMap's data that holds the configuration.
pub const KEY: &str = "floatingips";

/// Takes the JSON list out of the text of a file, for
/// [`Config::parse`](floatingip_core::Config::parse).
///
/// Text that is JSON but no object, or that begins with `[`, comes back as it is, as does an empty
/// one: what is wrong with those, the parser says better. Anything else has to be a manifest, in
/// YAML or JSON, of kind `ConfigMap` with the list as text under `data` → [`KEY`]; other keys do
/// not matter. `floatingips` beside `data` instead of in it is accepted with a [`Note`].
///
/// ```
/// use floatingip_server::config_file::extract;
///
/// let (json, notes) = extract("kind: ConfigMap\ndata:\n  floatingips: '[{\"vlan\": 2}]'\n")?;
/// assert_eq!(json, "[{\"vlan\": 2}]");
/// assert!(notes.is_empty());
/// # Ok::<(), floatingip_server::config_file::ConfigFileError>(())
/// ```
///
/// # Errors
///
/// What keeps the file from being a manifest; the list itself is not looked at.
pub fn extract(text: &str) -> Result<(String, Vec<Note>), ConfigFileError> {
    let text = text.trim_start_matches('\u{feff}');
    if is_plain(text) {
        return Ok((text.to_owned(), Vec::new()));
    }
    let manifest = manifest(text)?;
    check_kind(&manifest)?;
    let inside = manifest.get("data").and_then(|data| data.get(KEY));
    match (inside, manifest.get(KEY)) {
        (Some(list), None) => Ok((text_of(list)?, Vec::new())),
        (None, Some(list)) => Ok((text_of(list)?, vec![Note::NotIndented])),
        (Some(_), Some(_)) => Err(ConfigFileError::Twice),
        (None, None) => Err(ConfigFileError::NoKey),
    }
}

/// What is odd about a file that is accepted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The key stands beside `data`, where Kubernetes would not look for it.
    NotIndented,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotIndented => f.write_str(
                "`floatingips` stands beside `data`, not in it, and is read all the same: \
                 indent the line by two spaces, or a cluster will not find it",
            ),
        }
    }
}

/// Why a file is neither a JSON list nor a manifest, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// Neither JSON nor YAML.
    #[error(
        "the file is neither a JSON list nor valid YAML: {message}: \
         mend it there, or write the list of subnets alone"
    )]
    Syntax {
        /// What the YAML reader says, with line and column.
        message: String,
    },
    /// YAML, but no mapping.
    #[error("the file is no manifest: write the JSON list of subnets, or a ConfigMap around it")]
    NotAManifest,
    /// More than one YAML document, or none.
    #[error("the file has {count} YAML documents: leave only the ConfigMap in it")]
    Documents {
        /// How many there are, empty ones not counted.
        count: usize,
    },
    /// No `kind` at all: perhaps a single entry without the list around it.
    #[error(
        "the file has no `kind`: add `kind: ConfigMap`, \
         or write the subnets alone as a JSON list, `[{{…}}]`"
    )]
    NoKind,
    /// Another kind of object.
    #[error("the file is of kind {found}: give the ConfigMap with the key `floatingips`")]
    OtherKind {
        /// The kind, as JSON.
        found: String,
    },
    /// Nothing under the key.
    #[error("the ConfigMap has no key `floatingips` in `data`: put the JSON list there as text")]
    NoKey,
    /// A value in `data` and another one beside it.
    #[error("the ConfigMap has `floatingips` in `data` and beside it: keep the one in `data`")]
    Twice,
    /// The list is there as YAML, which Kubernetes refuses in a ConfigMap.
    #[error("`floatingips` is not text: put the JSON list in single quotes, `'[{{…}}]'`")]
    NotText,
}

fn is_plain(text: &str) -> bool {
    let start = text.trim_start();
    start.is_empty()
        || start.starts_with('[')
        || serde_json::from_str::<Value>(text).is_ok_and(|value| !value.is_object())
}

/// The only document of the file.
fn manifest(text: &str) -> Result<Value, ConfigFileError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| ConfigFileError::Syntax {
            message: error.without_snippet().to_string(),
        })?;
    let mut documents: Vec<Value> = documents.into_iter().filter(|it| !it.is_null()).collect();
    match (documents.pop(), documents.len()) {
        (Some(manifest @ Value::Object(_)), 0) => Ok(manifest),
        (Some(_), 0) => Err(ConfigFileError::NotAManifest),
        (last, before) => Err(ConfigFileError::Documents {
            count: before + usize::from(last.is_some()),
        }),
    }
}

fn check_kind(manifest: &Value) -> Result<(), ConfigFileError> {
    match manifest.get("kind") {
        None => Err(ConfigFileError::NoKind),
        Some(kind) if kind == "ConfigMap" => Ok(()),
        Some(kind) => Err(ConfigFileError::OtherKind {
            found: kind.to_string(),
        }),
    }
}

fn text_of(list: &Value) -> Result<String, ConfigFileError> {
    let text = list.as_str().ok_or(ConfigFileError::NotText)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use floatingip_core::config::{Config, Strictness};

    const LIST: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;

    const HEAD: &str = "kind: ConfigMap\napiVersion: v1\nmetadata:\n name: floatingip-config\n \
                        namespace: kube-system\n";

    fn manifest(rest: &str) -> String {
        format!("{HEAD}{rest}")
    }

    #[track_caller]
    fn assert_list(text: &str, notes: &[Note]) {
        assert_eq!(
            extract(text),
            Ok((LIST.to_owned(), notes.to_vec())),
            "{text}"
        );
    }

    #[test]
    fn the_documented_manifest_is_read_with_a_note_on_its_indentation() {
        let text = manifest(&format!("data:\nfloatingips: '{LIST}'\n"));
        assert_list(&text, &[Note::NotIndented]);
        assert!(Note::NotIndented.to_string().contains("indent the line"));
        let (json, _) = extract(&text).unwrap();
        let config = Config::parse(&json, Strictness::Strict).unwrap();
        assert_eq!(config.topology().subnets().len(), 1);
    }

    #[test]
    fn a_manifest_is_read_in_every_style() {
        let object = serde_json::json!({
            "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {KEY: LIST, "other": "x"},
        });
        assert_list(&manifest(&format!("data:\n  floatingips: '{LIST}'\n")), &[]);
        assert_list(
            &manifest(&format!("data:\n  floatingips: |-\n    {LIST}\n")),
            &[],
        );
        assert_list(
            &manifest(&format!("data: {{other: x, floatingips: '{LIST}'}}")),
            &[],
        );
        assert_list(
            &format!("---\n{HEAD}data:\n  floatingips: '{LIST}'\n---\n"),
            &[],
        );
        assert_list(
            &format!("# a comment\n{HEAD}data:\r\n  floatingips: '{LIST}'\r\n"),
            &[],
        );
        assert_list(&object.to_string(), &[]);
        assert_list(&serde_json::to_string_pretty(&object).unwrap(), &[]);
        let tabs = serde_json::to_string_pretty(&object)
            .unwrap()
            .replace("  ", "\t");
        assert_list(&tabs, &[]);
    }

    #[test]
    fn a_plain_list_stays_as_it_is() {
        assert_list(LIST, &[]);
        assert_list(&format!("\u{feff}{LIST}"), &[]);
        for text in ["", " \n", "null", "\"\"", "1", "[", "[{} x", "\n\t[null]\n"] {
            assert_eq!(extract(text), Ok((text.to_owned(), Vec::new())));
            assert!(Config::parse(text, Strictness::Strict).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_list_as_long_as_a_config_map_may_be_is_read() {
        let list = LIST.repeat((1 << 20) / LIST.len());
        let text = manifest(&format!("data:\n  floatingips: '{list}'\n"));
        assert_eq!(extract(&text).unwrap().0, list);
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_the_reason() {
        use ConfigFileError as E;
        let found = |kind: &str| E::OtherKind {
            found: format!("{kind:?}"),
        };
        let good = manifest(&format!("data:\n  floatingips: '{LIST}'\n"));
        for (text, expected) in [
            ("floatingips", E::NotAManifest),
            ("- a\n- b\n", E::NotAManifest),
            ("# nothing\n", E::Documents { count: 0 }),
            (&format!("{good}---\n{good}"), E::Documents { count: 2 }),
            (r#"{"ips": ["10.0.70.2"]}"#, E::NoKind),
            ("data:\n  floatingips: '[]'\n", E::NoKind),
            (&good.replace("ConfigMap", "Secret"), found("Secret")),
            (&good.replace("ConfigMap", "configmap"), found("configmap")),
            (&manifest(""), E::NoKey),
            (&manifest("data:\n"), E::NoKey),
            (&manifest("data:\n  floatingIps: '[]'\n"), E::NoKey),
            (&manifest("data: text\n"), E::NoKey),
            (&format!("{good}floatingips: '[]'\n"), E::Twice),
            (&manifest("data:\n  floatingips: [{vlan: 2}]\n"), E::NotText),
            (&manifest("data:\nfloatingips:\n"), E::NotText),
        ] {
            assert_eq!(extract(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn deep_nesting_and_alias_bombs_are_refused_in_time() {
        let bomb: String = (1..40)
            .map(|n| format!("a{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1))
            .collect();
        for text in [
            "{a: ".repeat(100_000),
            "- ".repeat(100_000),
            format!("a0: &a0 x\n{bomb}"),
        ] {
            assert!(matches!(
                extract(&text),
                Err(ConfigFileError::Syntax { .. })
            ));
        }
    }

    #[test]
    fn broken_yaml_is_refused_with_its_line() {
        let twice = manifest("data:\n  floatingips: '[]'\n  floatingips: '[]'\n");
        for text in [
            "kind: [",
            "a: b: c",
            "{\"kind\": \"ConfigMap\"",
            "a: '",
            &twice,
        ] {
            let error = extract(text).unwrap_err();
            let ConfigFileError::Syntax { message } = &error else {
                panic!("{text}: {error}");
            };
            assert!(message.contains("line"), "{message}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}
