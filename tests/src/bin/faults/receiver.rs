//! The receiver: checks and notes every request, keeps no body, and misbehaves when told to.

mod behaviour;
mod closed_port;
mod connection;
mod log;
mod request;
mod verify;
mod watcher;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) use behaviour::Behaviour;
pub(crate) use closed_port::ClosedPort;
pub(crate) use connection::serve;
pub(crate) use log::{Arrival, Log, hash};

use crate::webhooks::{Hook, Wanted};
use behaviour::Connection;
use verify::Verifier;
use watcher::Watcher;

/// A receiver on a thread of its own; ends when dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

/// What all its connections share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) watcher: Watcher,
    hooks: RwLock<Vec<KnownHook>>,
    seed: u64,
}

#[derive(Debug, Clone)]
struct KnownHook {
    verifier: Verifier,
    behaviour: Behaviour,
}

impl Receiver {
    /// Listens on a loopback port. Knows no webhook yet.
    pub(crate) async fn start(seed: u64) -> Self {
        let shared = Arc::new(Shared {
            seed,
            ..Shared::default()
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, address) = oneshot::channel();
        let serving = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                listening.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.await.unwrap(),
            shared,
            _stop: stop,
        }
    }

    /// Tells it the webhooks: the path of each is its place in the list.
    pub(crate) fn expect(&self, hooks: &[Hook], wanted: &[Wanted]) {
        let known = hooks.iter().zip(wanted).map(|(hook, wanted)| KnownHook {
            verifier: Verifier::new(&hook.secret),
            behaviour: wanted.behaviour.clone(),
        });
        *self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner) = known.collect();
    }

    /// Changes what it does with the requests of a webhook from now on.
    pub(crate) fn behave(&self, place: usize, behaviour: Behaviour) {
        let mut hooks = self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner);
        hooks[place].behaviour = behaviour;
    }

    /// Makes it accept everything from now on.
    pub(crate) fn recover(&self) {
        let mut hooks = self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner);
        for hook in hooks.iter_mut() {
            hook.behaviour = Behaviour::Accept(Duration::ZERO);
        }
    }
}

impl Shared {
    fn hook(&self, place: usize) -> Option<KnownHook> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        hooks.get(place).cloned()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            if matches!(connection::serve(&mut stream, &shared).await, Connection::Broken) {
                let _ = stream.set_zero_linger();
            }
        });
    }
}
