//! A rolling upgrade: workers of an old and a new build side by side, replaced one by one and back.

use std::time::Duration;

use tokio::time::sleep;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let stage = Stage::set(options, "upgrade", &ordinary()).await;
    if options.old_binary.is_none() {
        outcome.note("no --old-binary: the same build plays the old and the new one");
    }
    let old = || How {
        binary: options.old_binary.as_deref(),
        ..How::default()
    };
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let mut workers = vec![
        worker::start_with(&stage, old()).await,
        worker::start_with(&stage, old()).await,
    ];
    let pause = Duration::from_millis(options.pick(options.seconds.map(|seconds| seconds * 250), 800, 10_000));
    let mut failures = Vec::new();
    // To the new build, and, because an upgrade may have to be undone, back to the old.
    for is_new in [true, true, false, false] {
        sleep(pause).await;
        let how = if is_new { How::default() } else { old() };
        workers.push(worker::start_with(&stage, how).await);
        sleep(pause / 2).await;
        failures.extend(worker::stop(&mut workers.remove(0)).await.err());
    }
    outcome.check(
        "every worker ends well on SIGTERM",
        failures.is_empty(),
        format!("{failures:?}"),
    );
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
