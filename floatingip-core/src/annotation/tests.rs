use proptest::prelude::*;

use super::*;

fn ranges(args: &str) -> Result<Vec<Vec<String>>, AnnotationError> {
    let texts = |set: &RangeSet| set.ranges().iter().map(ToString::to_string).collect();
    request_ip_range(Some(args)).map(|sets| sets.iter().map(texts).collect())
}

fn message<T: std::fmt::Debug>(result: Result<T, AnnotationError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn policies_are_read_and_typos_name_the_annotation() {
    assert_eq!(release_policy(None), Ok(ReleasePolicy::PodDelete));
    assert_eq!(release_policy(Some("never")), Ok(ReleasePolicy::Never));
    let text = message(release_policy(Some("Never")));
    assert!(
        text.contains(RELEASE_POLICY) && text.contains("`Never`"),
        "{text}"
    );
}

#[test]
fn an_empty_pool_is_no_pool_and_a_bad_one_an_error() {
    assert_eq!(pool(None), Ok(None));
    assert_eq!(pool(Some("")), Ok(None));
    assert_eq!(pool(Some("a_b")).unwrap().unwrap().as_str(), "a_b");
    let text = message(pool(Some("a b")));
    assert!(text.contains(POOL) && text.contains("visible"), "{text}");
}

#[test]
fn surge_is_allowed_by_one_word() {
    assert_eq!(surge(Some("allow")), Ok(true));
    assert_eq!(surge(None), Ok(false));
    for typo in ["Allow", "true", "allow "] {
        assert!(message(surge(Some(typo))).contains("`allow`"));
    }
}

#[test]
fn families_are_read_in_their_order() {
    let read = |text| ip_families(Some(text)).unwrap().unwrap();
    assert_eq!(read("IPv6"), [Family::V6]);
    assert_eq!(read(" ipv6 ,IPV4"), [Family::V6, Family::V4]);
}

#[test]
fn families_that_cannot_be_served_are_refused_with_the_remedy() {
    for bad in ["", ",", "IPv4,", "IPv5", "IPv4;IPv6", "4"] {
        let text = message(ip_families(Some(bad)));
        assert!(
            text.contains(IP_FAMILIES) && text.contains("write `IPv4`"),
            "{text}"
        );
    }
    let twice = message(ip_families(Some("IPv4,ipv4")));
    assert!(twice.contains("`IPv4` stands there twice"), "{twice}");
}

#[test]
fn each_inner_list_asks_for_one_address() {
    let args = r#"{"request_ip_range":[["10.0.0.9","10.0.0.2~10.0.0.8"],["fd00::1"]],"common":{}}"#;
    let expected = [
        vec!["10.0.0.2~10.0.0.9".to_owned()],
        vec!["fd00::1".to_owned()],
    ];
    assert_eq!(ranges(args).unwrap(), expected);
}

#[test]
fn nothing_asked_for_is_no_list() {
    for args in [
        "",
        " ",
        "{}",
        r#"{"request_ip_range":null}"#,
        r#"{"request_ip_range":[]}"#,
        r#"{"common":{"ipinfos":[{"ip":"10.0.70.70/24","vlan":2,"gateway":"10.0.70.1"}]}}"#,
    ] {
        assert_eq!(ranges(args), Ok(vec![]), "{args}");
    }
    assert_eq!(request_ip_range(None), Ok(vec![]));
}

#[test]
fn a_fault_is_told_with_its_place() {
    for (lists, place) in [
        (r#"[["10.0.0.1"],[]]"#, "request_ip_range[1] is empty"),
        (
            r#"[["10.0.0.1","10.0.0.9~10.0.0.2"]]"#,
            "request_ip_range[0][1]: ",
        ),
        (
            r#"[["10.0.0.1"],["10.0.0.010"]]"#,
            "request_ip_range[1][0]: ",
        ),
        (r#"[[""]]"#, "request_ip_range[0][0]: "),
    ] {
        let text = message(ranges(&format!(r#"{{"request_ip_range":{lists}}}"#)));
        assert!(text.contains(place) && text.contains(ARGS), "{text}");
    }
}

#[test]
fn other_json_is_refused_with_an_example() {
    for args in [
        "x",
        "[",
        "[]",
        "7",
        "null",
        r#"{"request_ip_range":["10.0.0.1"]}"#,
        r#"{"request_ip_range":[[1]]}"#,
        r#"{"request_ip_range":[null]}"#,
        r#"{"request_ip_range":[],"request_ip_range":[]}"#,
    ] {
        let text = message(ranges(args));
        assert!(
            text.contains("one inner list for each address"),
            "{args}: {text}"
        );
    }
    assert!(ranges(&"[".repeat(MAX_ARGS)).is_err(), "deep nesting");
}

#[test]
fn sixteen_addresses_are_the_most() {
    let asking = |count: usize| {
        let lists = vec![r#"["10.0.0.1"]"#; count].join(",");
        ranges(&format!(r#"{{"request_ip_range":[{lists}]}}"#))
    };
    assert_eq!(asking(MAX_ADDRESSES).unwrap().len(), 16);
    assert_eq!(asking(17), Err(AnnotationError::TooMany { count: 17 }));
}

#[test]
fn the_longest_value_is_read_and_a_longer_one_is_not() {
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    assert_eq!(ranges(&padded(MAX_ARGS)), Ok(vec![]));
    let length = MAX_ARGS + 1;
    assert_eq!(
        ranges(&padded(length)),
        Err(AnnotationError::TooLong { length })
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_fall_over(text in ".{0,80}") {
        drop((release_policy(Some(&text)), pool(Some(&text)), surge(Some(&text))));
        drop((ip_families(Some(&text)), request_ip_range(Some(&text))));
    }
}
