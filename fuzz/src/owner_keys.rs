//! Owners in galaxy's key format: any record is read as some owner, and stays that owner.

use floatingip_core::Name;
use floatingip_core::key::{EncodedOwner, Form, app_type, decode, encode, kind_of};

/// Takes the lines key, attribute, group, app UID, form and `reserved`; the last four may be missing.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next();
    let stored = EncodedOwner {
        key: line().unwrap_or_default().to_owned(),
        attribute: line().unwrap_or_default().to_owned(),
        group: line().filter(|group| *group != "-").map(Name::from),
        app_uid: line().filter(|uid| !uid.is_empty()).map(Name::from),
        form: line().and_then(form),
        reserved: line() == Some("reserved"),
    };
    let owner = decode(&stored);
    let again = encode(&owner);
    assert_eq!(
        decode(&again),
        owner,
        "read from {stored:?}, written as {again:?}"
    );
    let _ = kind_of(app_type(&owner));
}

fn form(text: &str) -> Option<Form> {
    Some(match text {
        "any" => Form::Any,
        "ordinal" => Form::Ordinal,
        "node" => Form::Node,
        "pod" => Form::Pod,
        "once" => Form::Once,
        "nobody" => Form::Nobody,
        _ => return None,
    })
}
