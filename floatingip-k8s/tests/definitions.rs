//! The definitions as they are shipped.

use floatingip_k8s::crd::definitions;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;

#[test]
fn the_shipped_definitions_are_those_that_the_server_installs() {
    for definition in definitions() {
        let path = format!(
            "{}/../deploy/crds/{}.yaml",
            env!("CARGO_MANIFEST_DIR"),
            definition.name_any()
        );
        let shipped = std::fs::read_to_string(&path).unwrap();
        let shipped: CustomResourceDefinition = serde_saphyr::from_str(&shipped).unwrap();
        assert_eq!(shipped, definition, "run `cargo xtask gen-crds`");
    }
}
