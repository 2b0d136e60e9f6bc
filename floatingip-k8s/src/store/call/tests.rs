use floatingip_core::Owner;
use floatingip_core::record::{Mark, MarkKind};
use floatingip_core::testing::fixture::{
    attachment, batch, create, delete, delete_pool, ip, ip6, mark, pod, pool_record, put_pool,
    record, update,
};

use super::*;

const LIMIT: Duration = Duration::from_secs(3);

fn call(write: Write) -> Call {
    let mut stamped = batch(7, [write]);
    Call::new(&stamped.writes.remove(0), "kube-system", LIMIT).unwrap()
}

fn body(call: &Call) -> Json {
    serde_json::from_slice(&call.body).unwrap()
}

fn first_line(call: &Call) -> String {
    let request = call.request().unwrap();
    format!("{} {}", request.method(), request.uri())
}

#[test]
fn a_creation_is_one_post_of_a_small_object() {
    let web = pod("web-0").of_statefulset("web").owner();
    let call = call(create(ip(7), record(web)));
    assert_eq!(
        first_line(&call),
        "POST /apis/galaxy.k8s.io/v1alpha1/floatingips?timeout=3s&fieldManager=floatingip&fieldValidation=Ignore"
    );
    let golden = include_str!("../../../tests/golden/crd/written-create.json");
    assert_eq!(body(&call), serde_json::from_str::<Json>(golden).unwrap());
    assert!(call.body.len() < 700, "{}", call.body.len());
}

#[test]
fn an_update_is_one_patch_that_names_the_version_and_takes_off_what_is_gone() {
    let call = call(update(ip6(7), Version(41), record(Owner::Nobody)));
    assert!(first_line(&call).starts_with(
        "PATCH /apis/galaxy.k8s.io/v1alpha1/floatingips/fd00-0000-0000-0000-0000-0000-0000-0007?timeout=3s"
    ));
    let golden = include_str!("../../../tests/golden/crd/written-update.json");
    assert_eq!(body(&call), serde_json::from_str::<Json>(golden).unwrap());
}

#[test]
fn a_deletion_names_the_version_too() {
    let call = call(delete(ip(7), Version(41)));
    assert_eq!(
        first_line(&call),
        "DELETE /apis/galaxy.k8s.io/v1alpha1/floatingips/10.0.0.7?timeout=3s"
    );
    assert_eq!(body(&call)["preconditions"]["resourceVersion"], "41");
}

#[test]
fn pools_keep_their_notes_in_annotations() {
    let made = call(put_pool("blue", None, pool_record(8)));
    assert!(
        first_line(&made).starts_with(
            "POST /apis/galaxy.k8s.io/v1alpha1/namespaces/kube-system/pools?timeout=3s"
        )
    );
    let made = body(&made);
    assert_eq!(
        (&made["size"], &made["preAllocateIP"]),
        (&json!(8), &json!(false))
    );
    assert_eq!(made["metadata"]["annotations"], json!({ PLAN: "f1c7-7" }));

    let filled = PoolRecord {
        pre_allocate: true,
        ..pool_record(8)
    };
    let filled = body(&call(put_pool("blue", Some(Version(41)), filled)));
    let notes = json!({ PLAN: "f1c7-7", FILLED: "8" });
    assert_eq!(filled["metadata"]["annotations"], notes);
    let gone = body(&call(delete_pool("blue", Version(41))));
    assert_eq!(gone["preconditions"]["resourceVersion"], "41");
}

#[test]
fn a_patch_names_every_optional_field() {
    let full = Record {
        mark: Some(Mark {
            node: Some("node-1".into()),
            ..mark(MarkKind::Rest)
        }),
        attachment: Some(attachment("node-1", "c0ffee")),
        // An owner that has every field, and that the key cannot say.
        ..record(pod("once").of_job("sum").with_uid("").on_node("").owner())
    };
    let full = body(&call(create(ip(1), full)));
    let bare = Record {
        mark: Some(Mark {
            mac: None,
            ..mark(MarkKind::Rest)
        }),
        ..record(Owner::Administrator("router".into()))
    };
    let bare = body(&call(update(ip(1), Version(1), bare)));
    let names = |json: &Json| -> Vec<String> {
        let mut names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(&bare["spec"]), names(&full["spec"]));
    assert_eq!(names(&bare["spec"]["mark"]), names(&full["spec"]["mark"]));
}

#[test]
fn a_pool_that_cannot_be_an_object_is_never_asked_for() {
    for odd in ["a_b", "a/b", "蓝绿", "../floatingips"] {
        let write = put_pool(odd, None, pool_record(1));
        let refused = Call::new(&write, "kube-system", LIMIT);
        assert!(matches!(refused, Err(CallError::PoolName(_))), "{odd}");
    }
}
