//! `k8s.v1.cni.cncf.io/networks`: which networks a pod names, in the two forms that Multus and galaxy's daemon read.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::spec::{InterfaceName, NameError};

/// The annotation.
pub(super) const ANNOTATION: &str = "k8s.v1.cni.cncf.io/networks";

/// The networks in their order: at least one.
///
/// ```
/// use floatingip_cni::meta::Selections;
///
/// let selections: Selections = "lan, default/storage@net1".parse()?;
/// assert_eq!(selections.as_slice()[1].name, "storage");
/// # Ok::<(), floatingip_cni::meta::SelectionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selections(Vec<Selection>);

/// One network that a pod names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Its name. The namespace before it is read and forgotten, as by galaxy's daemon: the networks of a node have
    /// none.
    pub name: String,
    /// What the interface is to be called.
    pub interface: Option<InterfaceName>,
    /// What else is wished, by the capability that the network needs for it.
    pub wishes: BTreeMap<&'static str, Value>,
    /// What the plugin finds in its configuration under `args.cni`.
    pub arguments: Option<Map<String, Value>>,
}

/// Why the annotation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// It looks like JSON and is no list of objects.
    #[error("is no JSON list of networks: {0}")]
    Form(serde_json::Error),
    /// It names nothing, or more than anybody can want.
    #[error("names {0} networks, 1 to {limit} are possible", limit = Selections::LIMIT)]
    Count(usize),
    /// Something else than NAMESPACE/NAME@INTERFACE.
    #[error("has {0:?} where NAME, NAMESPACE/NAME or either with @INTERFACE should be")]
    Word(String),
    /// A network without a name.
    #[error("has no name for network number {0}")]
    NoName(usize),
    /// A field that means something, and cannot be heeded here.
    #[error("asks for {field} on network {name}, which this plugin cannot do: remove the field")]
    Unsupported {
        /// The network.
        name: String,
        /// The field.
        field: String,
    },
    /// A field with a value of another type.
    #[error("has, for network {name}, a value of {field} that is no {expected}")]
    Value {
        /// The network.
        name: String,
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An interface that cannot be called so.
    #[error("has, for network {name}, an interface name that {error}")]
    Interface {
        /// The network.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
}

impl Selections {
    /// As many as one pod may name.
    pub const LIMIT: usize = 16;

    /// In their order.
    pub fn as_slice(&self) -> &[Selection] {
        &self.0
    }
}

impl FromStr for Selections {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let selections: Vec<Selection> = if text.contains(['[', '{', '"']) {
            let list: Vec<Map<String, Value>> =
                serde_json::from_str(text).map_err(SelectionError::Form)?;
            let numbered = (1..).zip(list);
            let read = numbered.map(|(number, fields)| Fields(fields).selection(number));
            read.collect::<Result<_, _>>()?
        } else {
            text.split(',').map(word).collect::<Result<_, _>>()?
        };
        if selections.is_empty() || selections.len() > Self::LIMIT {
            return Err(SelectionError::Count(selections.len()));
        }
        Ok(Self(selections))
    }
}

/// `NAMESPACE/NAME@INTERFACE`, of which only the name has to be there.
fn word(text: &str) -> Result<Selection, SelectionError> {
    let wrong = || SelectionError::Word(text.to_owned());
    let name = match text.trim().split_once('/') {
        Some((namespace, name)) if plain(namespace) => name,
        Some(_) => return Err(wrong()),
        None => text.trim(),
    };
    let (name, interface) = match name.split_once('@') {
        Some((name, interface)) => (name.trim(), Some(interface.trim())),
        None => (name.trim(), None),
    };
    if !plain(name) || interface.is_some_and(|interface| !plain(interface)) {
        return Err(wrong());
    }
    Ok(Selection {
        name: name.to_owned(),
        interface: interface.map(|text| named(name, text)).transpose()?,
        ..Selection::default()
    })
}

/// Without what separates the parts.
fn plain(part: &str) -> bool {
    let part = part.trim();
    !part.is_empty() && !part.contains(|c: char| c == '/' || c == '@' || c.is_whitespace())
}

fn named(network: &str, interface: &str) -> Result<InterfaceName, SelectionError> {
    interface
        .parse()
        .map_err(|error| SelectionError::Interface {
            name: network.to_owned(),
            error,
        })
}

/// One object of the JSON form, emptied while it is read: what is left at the end is not understood.
struct Fields(Map<String, Value>);

impl Fields {
    fn selection(mut self, number: usize) -> Result<Selection, SelectionError> {
        let name = self.text("", "name")?;
        let name = name.ok_or(SelectionError::NoName(number))?;
        let _: Option<String> = self.text(&name, "namespace")?;
        let interface = self.text(&name, "interface")?;
        let interface = interface.map(|text| named(&name, &text)).transpose()?;
        let wishes = self.wishes(&name)?;
        let arguments = self.arguments(&name)?;
        self.end(&name)?;
        Ok(Selection {
            name,
            interface,
            wishes,
            arguments,
        })
    }

    /// A field that is there and says something.
    fn take(&mut self, field: &str) -> Option<Value> {
        let value = self.0.remove(field)?;
        let says_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        (!says_nothing).then_some(value)
    }

    fn text(
        &mut self,
        network: &str,
        field: &'static str,
    ) -> Result<Option<String>, SelectionError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(network, field, "text")),
        }
    }

    /// By the capabilities of the CNI conventions.
    fn wishes(&mut self, network: &str) -> Result<BTreeMap<&'static str, Value>, SelectionError> {
        let mut wishes = BTreeMap::new();
        for (field, capability) in [("mac", "mac"), ("infiniband-guid", "infinibandGUID")] {
            if let Some(text) = self.text(network, field)? {
                wishes.insert(capability, Value::from(text));
            }
        }
        for (field, expected) in [
            ("ips", "list"),
            ("portMappings", "list"),
            ("bandwidth", "object"),
        ] {
            match (self.take(field), expected) {
                (None, _) => {}
                // The first version of the convention had one address as a text.
                (Some(Value::String(ip)), _) if field == "ips" => {
                    wishes.insert(field, Value::from(vec![ip]));
                }
                (Some(list @ Value::Array(_)), "list") => {
                    wishes.insert(field, list);
                }
                (Some(object @ Value::Object(_)), "object") => {
                    wishes.insert(field, object);
                }
                (Some(_), expected) => return Err(wrong(network, field, expected)),
            }
        }
        Ok(wishes)
    }

    fn arguments(&mut self, network: &str) -> Result<Option<Map<String, Value>>, SelectionError> {
        match self.take("cni-args") {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(fields)),
            Some(_) => Err(wrong(network, "cni-args", "object")),
        }
    }

    /// Whoever wrote another field wants something else than would be done.
    fn end(mut self, network: &str) -> Result<(), SelectionError> {
        let fields: Vec<String> = self.0.keys().cloned().collect();
        let mut saying = fields
            .into_iter()
            .filter(|field| self.take(field).is_some());
        saying.next().map_or(Ok(()), |field| {
            Err(SelectionError::Unsupported {
                name: network.to_owned(),
                field,
            })
        })
    }
}

fn wrong(network: &str, field: &'static str, expected: &'static str) -> SelectionError {
    SelectionError::Value {
        name: network.to_owned(),
        field,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let selections: Selections = text.parse().unwrap();
        let told = selections.0.into_iter().map(|it| {
            let interface = it.interface.map(|name| name.to_string());
            (it.name, interface)
        });
        told.collect()
    }

    fn pair(name: &str, interface: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), interface.map(str::to_owned))
    }

    #[test]
    fn both_forms_name_networks_in_their_order() {
        let expected = [
            pair("lan", None),
            pair("san", Some("net1")),
            pair("wan", None),
        ];
        assert_eq!(read("lan, default/san@net1 ,ns / wan"), expected);
        let json = r#"[{"name":"lan"},{"name":"san","namespace":"default","interface":"net1"},{"name":"wan","interface":""}]"#;
        assert_eq!(read(json), expected);
    }

    #[test]
    fn what_is_wished_of_a_network_is_told_by_capability() {
        let text = json!([{
            "name": "lan", "mac": "02:00:00:00:00:07", "ips": ["10.0.0.7/24"], "infiniband-guid": "24:8a",
            "bandwidth": {"ingressRate": 1}, "portMappings": [{"hostPort": 80}], "cni-args": {"a": 1}, "default-route": [],
        }]);
        let selections: Selections = text.to_string().parse().unwrap();
        let selection = &selections.as_slice()[0];
        let wished: Vec<_> = selection.wishes.keys().copied().collect();
        assert_eq!(
            wished,
            ["bandwidth", "infinibandGUID", "ips", "mac", "portMappings"]
        );
        assert_eq!(selection.arguments.as_ref().unwrap()["a"], 1);
        let one: Selections = r#"[{"name":"lan","ips":"10.0.0.7"}]"#.parse().unwrap();
        assert_eq!(one.as_slice()[0].wishes["ips"], json!(["10.0.0.7"]));
    }

    #[test]
    fn what_cannot_be_heeded_is_refused_by_its_name() {
        for (text, expected) in [
            ("", "\"\""),
            ("a,,b", "\"\""),
            ("a,", "\"\""),
            ("a/b/c", "a/b/c"),
            ("/a", "\"/a\""),
            ("a b", "a b"),
            ("a@", "\"a@\""),
            ("@eth1", "@eth1"),
            ("a@eth1@eth2", "a@eth1@eth2"),
            ("a@a-name-that-is-long", "19 bytes"),
            ("[]", "0 networks"),
            ("{}", "no JSON list"),
            ("[{}]", "no name for network number 1"),
            (r#"[{"name":"a"},7]"#, "no JSON list"),
            (
                r#"[{"name":"a","default-route":["10.0.0.1"]}]"#,
                "default-route",
            ),
            (r#"[{"name":"a","new":1}]"#, "new"),
            (r#"[{"name":"a","mac":7}]"#, "mac that is no text"),
            (
                r#"[{"name":"a","bandwidth":[1]}]"#,
                "bandwidth that is no object",
            ),
            (r#"[{"name":"a","interface":"a/b"}]"#, "a/b"),
        ] {
            let error = text.parse::<Selections>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let many = vec!["a"; Selections::LIMIT + 1].join(",");
        assert!(matches!(
            many.parse::<Selections>(),
            Err(SelectionError::Count(17))
        ));
    }

    proptest! {
        #[test]
        fn no_annotation_is_too_odd(text in "\\PC{0,80}") {
            let _ = text.parse::<Selections>().is_ok();
        }

        #[test]
        fn both_forms_mean_the_same(
            words in proptest::collection::vec(("[a-z0-9]{1,8}", proptest::option::of("[a-z][a-z0-9]{0,8}")), 1..6)
        ) {
            let listed: Vec<String> = words
                .iter()
                .map(|(name, interface)| match interface {
                    Some(interface) => format!("ns/{name}@{interface}"),
                    None => name.clone(),
                })
                .collect();
            let objects: Vec<Value> = words
                .iter()
                .map(|(name, interface)| json!({"name": name, "interface": interface}))
                .collect();
            let listed: Selections = listed.join(" , ").parse()?;
            let objects: Selections = Value::from(objects).to_string().parse()?;
            prop_assert_eq!(&listed, &objects);
            prop_assert_eq!(listed.as_slice().len(), words.len());
        }
    }
}
