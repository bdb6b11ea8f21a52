//! Connections between worker and Postgres cut at random bytes, in the middle of requests and of answers.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::random::Random;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

/// Connections that must be cut, and how much longer than planned that may take on a busy machine.
const LEAST: u64 = 5;
const LONGER: Duration = Duration::from_secs(60);

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let stage = Stage::set(options, "cut_connections", &ordinary()).await;
    let seconds = options.pick(options.seconds, 8, 120);
    let random = Mutex::new(Random::new(options.seed, "bytes"));
    let limits = move || {
        let mut random = random.lock().unwrap();
        // From the opening of the connection to some hundred statements.
        let bytes = 1 + random.below(200) * (1 + random.below(2000));
        match random.below(2) {
            0 => ByteLimits {
                requests: bytes,
                answers: 0,
            },
            _ => ByteLimits {
                requests: 0,
                answers: bytes,
            },
        }
    };
    let proxy = Proxy::start(stage.database_address(), Box::new(|_, _| Cut::Never), limits).await;
    proxy.enable(true);
    let through = || How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    let workers = vec![
        worker::start_with(&stage, through()).await,
        worker::start_with(&stage, through()).await,
    ];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end || (proxy.cuts() < LEAST && Instant::now() < end + LONGER) {
        sleep(Duration::from_millis(100)).await;
    }
    proxy.enable(false);
    outcome.figure("connections cut", proxy.cuts() as f64);
    outcome.check("connections were cut", proxy.cuts() >= LEAST, proxy.cuts());
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
