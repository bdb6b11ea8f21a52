//! SIGTERM and SIGINT: the first one asks to finish, the second one ends at once.

use anyhow::Context;
use postrider_worker::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// Listens from now on; a signal before would end the process.
pub(crate) fn listen(stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        let first = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = first, "stopping; a second signal stops at once");
        stop.drain.cancel();
        let second = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = second, "stopping at once");
        stop.now.cancel();
        std::process::exit(Exit::StoppedAtOnce as i32);
    });
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
