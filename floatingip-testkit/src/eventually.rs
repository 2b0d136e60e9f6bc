//! Waiting for something that another process brings about.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// How often is asked.
const POLL: Duration = Duration::from_millis(50);

/// Asks again and again until the answer is good, and hands it out.
///
/// The question says with its error what is still missing; an attempt that hangs is given up with the limit.
///
/// # Errors
/// The limit has passed; the text has `what` was waited for, and what was missing at last.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use floatingip_testkit::eventually;
///
/// let mut asked = 0;
/// let third = eventually(Duration::from_secs(9), "three questions", || {
///     asked += 1;
///     let asked = asked;
///     async move {
///         anyhow::ensure!(asked == 3, "asked {asked} times");
///         Ok(asked)
///     }
/// });
/// assert_eq!(third.await.unwrap(), 3);
/// # });
/// ```
pub async fn eventually<T, F: Future<Output = Result<T>>>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut missing = "no attempt came to an end".to_owned();
    loop {
        match timeout_at(deadline, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => missing = format!("{error:#}"),
            Err(_) => {
                bail!("{what}: not within {limit:?}; the last attempt hung, before it: {missing}")
            }
        }
        if Instant::now() + POLL >= deadline {
            bail!("{what}: not within {limit:?}; at last: {missing}");
        }
        sleep(POLL).await;
    }
}
