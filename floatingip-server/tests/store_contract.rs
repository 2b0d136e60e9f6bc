//! The embedded store keeps the contract that core asks of every store.

use floatingip_core::testing::contract;
use floatingip_server::store::EmbeddedStore;

#[tokio::test]
async fn the_embedded_store_passes_the_contract_suite() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = 0;
    let mut make = async || {
        stores += 1;
        EmbeddedStore::open(&folder.path().join(stores.to_string())).unwrap()
    };
    let checked = contract::check_all(&mut make).await;
    assert_eq!(checked, Ok(()));
    assert!(stores > 1, "the suite asked for stores");
}

#[tokio::test]
async fn the_embedded_store_is_the_same_after_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || EmbeddedStore::open(folder.path()).unwrap();
    let checked = contract::reopen(open(), async |store| {
        drop(store);
        open()
    })
    .await;
    assert_eq!(checked, Ok(()));
}
