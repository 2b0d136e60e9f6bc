use super::*;

fn ask(query: &str, mode: Mode) -> Result<Query, ParamError> {
    super::query(&Params::parse(query)?, mode)
}

fn standard(query: &str) -> Query {
    ask(query, Mode::Standard).unwrap()
}

fn galaxy(query: &str) -> Query {
    ask(query, Mode::Galaxy).unwrap()
}

fn refused(query: &str) -> String {
    ask(query, Mode::Standard).unwrap_err().to_string()
}

fn some(name: &str) -> Option<Name> {
    Some(Name::from(name))
}

#[test]
fn no_parameters_ask_for_owned_addresses_and_with_galaxy_for_all() {
    assert_eq!(standard(""), Query::default());
    assert!(standard("includeFree=true").include_free);
    assert!(galaxy("").include_free && galaxy("page=1&sort=policy").include_free);
    assert!(!galaxy("namespace=default").include_free && !galaxy("keyword=a").include_free);
}

#[test]
fn all_that_is_given_applies() {
    let all = "keyword=k&poolName=p&namespace=n&appName=a&podName=a-0&appType=TApp";
    let filter = Filter {
        stored_key: None,
        keyword: Some("k".to_owned()),
        pool: some("p"),
        namespace: some("n"),
        app: some("a"),
        pod: some("a-0"),
        kind: some("tapp"),
    };
    assert_eq!(standard(all).filter, filter);
    let keyword = Filter {
        stored_key: Some("k".to_owned()),
        ..Filter::default()
    };
    assert_eq!(
        galaxy(all).filter,
        keyword,
        "there a keyword beats all, and is searched in the key"
    );
}

#[test]
fn without_a_type_galaxy_means_statefulsets_except_for_whole_pools() {
    for query in [
        "namespace=n",
        "appName=a",
        "podName=a-0",
        "poolName=p&appName=a",
    ] {
        assert_eq!(standard(query).filter.kind, None, "{query}");
        assert_eq!(galaxy(query).filter.kind, some("statefulset"), "{query}");
    }
    for query in ["", "poolName=p", "keyword=k", "appName="] {
        assert_eq!(galaxy(query).filter.kind, None, "{query}");
    }
    assert_eq!(galaxy("appName=a&appType=tapp").filter.kind, some("tapp"));
}

#[test]
fn app_types_are_singular_and_lower_case() {
    for (given, kind) in [
        ("deployment", "deployment"),
        ("Deployments", "deployment"),
        ("statefulset", "statefulset"),
        ("StatefulSets", "statefulset"),
        ("replicaset", "replicaset"),
        ("tapp", "tapp"),
        ("GameServerSet", "gameserverset"),
    ] {
        let query = format!("appType={given}");
        assert_eq!(standard(&query).filter.kind, some(kind), "{given}");
        assert_eq!(galaxy(&query).filter.kind, some(kind), "{given}");
    }
}

#[test]
fn the_deprecated_flag_names_a_kind_where_no_type_is_given() {
    let kind = |query| standard(query).filter.kind;
    assert_eq!(kind("isDeployment=true"), some("deployment"));
    assert_eq!(kind("isDeployment=false"), some("statefulset"));
    assert_eq!(kind("isDeployment=true&appType=tapp"), some("tapp"));
    let kind = galaxy("isDeployment=true&appName=a").filter.kind;
    assert_eq!(kind, some("deployment"));
    for bad in ["1", "yes", "TRUE", "null"] {
        let query = format!("isDeployment={bad}");
        let text = format!("isDeployment: `{bad}` is not a boolean: use true or false");
        assert_eq!(refused(&query), text);
        assert!(ask(&query, Mode::Galaxy).is_err(), "{bad}");
    }
}

#[test]
fn empty_parameters_are_absent() {
    let empty = "keyword=&poolName=&appName=&podName&namespace=&isDeployment=&appType=&page=&\
                 size=&sort=&includeFree=";
    assert_eq!(standard(empty), Query::default());
    assert!(galaxy(empty).filter.is_empty());
}

#[test]
fn pages_out_of_range_are_refused_and_with_galaxy_clamped() {
    let twenty = "9".repeat(20);
    let numbers: [(&str, Option<u32>, u32); 12] = [
        ("0", Some(0), 0),
        ("7", Some(7), 7),
        ("007", Some(7), 7),
        ("99999", Some(99_999), 99_999),
        ("100000", None, 99_999),
        (&twenty, None, 99_999),
        ("-1", None, 0),
        ("%2B1", None, 0),
        ("+1", None, 0),
        ("1.5", None, 0),
        ("1e3", None, 0),
        ("%D9%A1", None, 0),
    ];
    for (text, strict, clamped) in numbers {
        let query = format!("page={text}");
        match strict {
            Some(page) => assert_eq!(standard(&query).page.page(), page, "{text}"),
            None => assert!(refused(&query).ends_with("is outside the valid range [0,99999]")),
        }
        assert_eq!(galaxy(&query).page.page(), clamped, "{text}");
    }
}

#[test]
fn sizes_out_of_range_are_refused_and_with_galaxy_clamped() {
    let twenty = "9".repeat(20);
    let numbers: [(&str, Option<u32>, u32); 7] = [
        ("1", Some(1), 1),
        ("9999", Some(9_999), 9_999),
        ("0", None, 10),
        ("10000", None, 9_999),
        (&twenty, None, 9_999),
        ("-1", None, 10),
        ("1.5", None, 10),
    ];
    for (text, strict, clamped) in numbers {
        let query = format!("size={text}");
        match strict {
            Some(size) => assert_eq!(standard(&query).page.size(), size, "{text}"),
            None => assert!(refused(&query).ends_with("is outside the valid range (0,9999]")),
        }
        assert_eq!(galaxy(&query).page.size(), clamped, "{text}");
    }
    let last = standard("page=99999&size=9999").page;
    assert_eq!(last.offset(), 999_890_001);
}

#[test]
fn addresses_sort_as_numbers_and_with_galaxy_as_text() {
    let sort = |by, descending| Sort { by, descending };
    for (text, strict, lenient) in [
        ("ip", sort(SortBy::Ip, false), sort(SortBy::IpText, false)),
        (
            "IP+Desc",
            sort(SortBy::Ip, true),
            sort(SortBy::IpText, true),
        ),
        ("", sort(SortBy::Ip, false), sort(SortBy::IpText, false)),
        (
            "namespace",
            sort(SortBy::Namespace, false),
            sort(SortBy::Namespace, false),
        ),
        (
            "podName%20desc",
            sort(SortBy::PodName, true),
            sort(SortBy::PodName, true),
        ),
        (
            "policy+asc",
            sort(SortBy::Policy, false),
            sort(SortBy::Policy, false),
        ),
    ] {
        let query = format!("sort={text}");
        assert_eq!(standard(&query).sort, strict, "{text}");
        assert_eq!(galaxy(&query).sort, lenient, "{text}");
    }
    for bad in ["status", "ip+up", "ip+asc+asc", "desc"] {
        let query = format!("sort={bad}");
        assert!(refused(&query).starts_with("sort: unknown sort"), "{bad}");
        assert_eq!(galaxy(&query).sort, sort(SortBy::IpText, false), "{bad}");
    }
}

#[test]
fn a_misspelt_or_repeated_parameter_is_refused_and_with_galaxy_ignored() {
    assert!(refused("appname=a").starts_with("unknown parameter `appname`: there are keyword,"));
    assert_eq!(
        refused("appName=a&appName=b"),
        "parameter appName stands there more than once"
    );
    assert!(galaxy("appname=a&includeFree=false").filter.is_empty());
    assert_eq!(galaxy("appName=a&appName=b").filter.app, some("a"));
}
