//! A proxy between a worker and Postgres that knows the frames of the protocol: it cuts connections at chosen
//! statements or bytes, and can stop forwarding.

mod connection;
mod frames;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens to one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    Never,
    /// The connection ends before Postgres sees the statement.
    BeforeStatement,
    /// Postgres carries the statement out, and the connection ends before a byte of the answer is forwarded.
    BeforeAnswer,
    /// The same, after so many bytes of the answer.
    InAnswer(usize),
}

/// Bytes after which a new connection is cut, in each direction; zero: never.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ByteLimits {
    pub(crate) requests: u64,
    pub(crate) answers: u64,
}

/// Decides about each execution of a statement: its name, and how often it was executed before.
pub(crate) type Decide = Box<dyn Fn(&str, u64) -> Cut + Send + Sync>;

/// A running proxy; ends when dropped, with its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    accepting: AbortHandle,
}

/// What its connections share.
pub(crate) struct State {
    server: SocketAddr,
    decide: Decide,
    byte_limits: Box<dyn Fn() -> ByteLimits + Send + Sync>,
    executed: Mutex<HashMap<String, u64>>,
    forwarding: watch::Sender<bool>,
    enabled: AtomicBool,
    /// A process killed with SIGKILL at the moment of a cut; zero: none.
    pub(crate) victim: AtomicI32,
    /// Connections cut so far.
    pub(crate) cuts: AtomicU64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("cuts", &self.cuts)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Forwards to the Postgres at `server`, cutting as decided once enabled.
    pub(crate) async fn start(
        server: SocketAddr,
        decide: Decide,
        byte_limits: impl Fn() -> ByteLimits + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(State {
            server,
            decide,
            byte_limits: Box::new(byte_limits),
            executed: Mutex::default(),
            forwarding: watch::Sender::new(true),
            enabled: AtomicBool::new(false),
            victim: AtomicI32::new(0),
            cuts: AtomicU64::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            // Dropped with this task, which ends every connection.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                connections.spawn(connection::forward(stream, shared.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            state,
            accepting: accepting.abort_handle(),
        }
    }

    /// A proxy that cuts nothing by itself.
    pub(crate) async fn plain(server: SocketAddr) -> Self {
        Self::start(server, Box::new(|_, _| Cut::Never), ByteLimits::default).await
    }

    /// Begins or ends cutting.
    pub(crate) fn enable(&self, enabled: bool) {
        self.state.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Stops forwarding in both directions, connections open, or goes on.
    pub(crate) fn forward(&self, forwarding: bool) {
        self.state.forwarding.send_replace(forwarding);
    }

    /// Connections cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    fn decide(&self, statement: &str) -> Cut {
        if !self.is_enabled() {
            return Cut::Never;
        }
        let before = {
            let mut executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
            let count = executed.entry(statement.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        (self.decide)(statement, before)
    }

    /// Notes a cut, and kills the victim if there is one.
    fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        let victim = self.victim.swap(0, Ordering::Relaxed);
        if victim > 0 {
            let process = nix::unistd::Pid::from_raw(victim);
            let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL);
        }
    }
}
