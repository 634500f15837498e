//! Ends snoozes while a server runs. Several servers may do so at the same time.

use std::time::Duration;

use crate::app::App;
use crate::services::snoozes;

/// Interval at which the snoozes whose time has passed are looked up, with one statement.
const POLL: Duration = Duration::from_secs(5);

/// Ends snoozes until the task is stopped. A transaction that is stopped in between is rolled back.
pub(super) async fn end_forever(app: App) {
    loop {
        match snoozes::end_due(app.db(), app.clock().now()).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "snoozes ended"),
            Err(error) => tracing::warn!(%error, "ending snoozes failed, and is tried again"),
        }
        tokio::time::sleep(POLL).await;
    }
}
