//! Closing a store and opening it again.

use super::Checked;
use super::probe::{applied_all, applied_one, apply, contents, expect_eq, expect_later, load};
use crate::store::Store;
use crate::testing::fixture::{batch, create, delete, ip, ip6, pod, pool_record, put_pool, record};

pub(super) async fn survives<S: Store>(store: S, reopen: impl AsyncFnOnce(S) -> S) -> Checked {
    let web = pod("web-0").of_statefulset("web");
    let mine = batch(
        1,
        [
            create(ip(1), record(web.owner())),
            create(ip6(1), record(web.reserve())),
            put_pool("blue", None, pool_record(3)),
        ],
    );
    applied_all(&store, &mine).await?;
    let last = applied_one(&store, 2, create(ip(2), record(web.owner()))).await?;
    // The deletion is newer than every record that is left: counting on from those is wrong.
    let last = applied_one(&store, 3, delete(ip(2), last)).await?;
    let answers = apply(&store, &mine).await?;
    let before = contents(load(&store).await?);

    let store = reopen(store).await;
    expect_eq("the same records", &contents(load(&store).await?), &before)?;
    expect_eq(
        "its own work recognised",
        &apply(&store, &mine).await?,
        &answers,
    )?;
    let next = applied_one(&store, 4, create(ip(2), record(web.owner()))).await?;
    expect_later("versions that go on growing", next, last)
}
