//! The runtime a part runs on.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime with this number of threads. With one, no other thread is started and no task ever moves.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("cannot start the runtime")
}
