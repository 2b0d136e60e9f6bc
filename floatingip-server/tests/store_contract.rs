//! The embedded store keeps the contract that core asks of every store.

use std::path::Path;

use floatingip_core::testing::contract;
use floatingip_server::store::EmbeddedStore;

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(dir).expect("a store in a temporary folder")
}

#[tokio::test]
async fn the_embedded_store_passes_the_contract_suite() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = 0;
    let mut make = async || {
        stores += 1;
        open(&folder.path().join(stores.to_string()))
    };
    let checked = contract::check_all(&mut make).await;
    assert_eq!(checked, Ok(()));
    assert!(stores > 1, "the suite asked for stores");
}

#[tokio::test]
async fn the_embedded_store_is_the_same_after_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let checked = contract::reopen(open(folder.path()), async |store| {
        drop(store);
        open(folder.path())
    })
    .await;
    assert_eq!(checked, Ok(()));
}
