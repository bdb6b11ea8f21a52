//! A receiver to point a webhook at while developing: `POST /api/test-webhook` prints what it got.

mod block;
mod members;

pub(crate) mod receive;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// How many requests are remembered.
const REMEMBERED: usize = 50;

/// A request that the test receiver got.
#[derive(Debug, Clone)]
pub struct Received {
    /// When it came, as RFC 3339.
    pub time: String,
    /// The `event` of the body.
    pub event: Option<String>,
    /// The `chatbotId` of the body. Anybody can write anything there.
    pub chatbot: Option<String>,
    /// The header `X-Webhook-Signature`.
    pub signature: Option<String>,
    /// The header `webhook-id`: the id of the delivery.
    pub delivery: Option<String>,
    /// The header `X-Webhook-Attempt`.
    pub attempt: Option<String>,
    /// The raw body: what the signature covers.
    pub body: String,
    /// The body as JSON for people: its own order and numbers, indented by two.
    pub pretty: String,
}

type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Prints and remembers what it gets. Cheap to clone; clones share their memory.
#[derive(Clone)]
pub struct TestReceiver {
    sink: Sink,
    requests: Arc<Mutex<VecDeque<Received>>>,
}

impl TestReceiver {
    /// A test receiver that gives each block of text, which ends with a line break, to `sink`.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            requests: Arc::default(),
        }
    }

    /// A test receiver that prints to stdout.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(|block| {
            // Nobody is helped by a receiver that fails because its terminal is gone.
            let _ = std::io::stdout().lock().write_all(block.as_bytes());
        })
    }

    /// The last 50 requests, newest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.memory().iter().cloned().collect()
    }

    fn take_in(&self, received: Received) {
        (self.sink)(&block::block(&received));
        let mut memory = self.memory();
        memory.truncate(REMEMBERED - 1);
        memory.push_front(received);
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, VecDeque<Received>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TestReceiver(…)")
    }
}
