//! A webhook receiver in the test's own process: a real socket, a log of every request, and answers by a script.

mod answer;
mod request;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

pub use answer::{Answer, in_turn};
pub use request::Request;

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A running receiver on a loopback port; ends when dropped, with the connections it holds.
pub struct Receiver {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    requests: watch::Sender<Vec<Arc<Request>>>,
    accepting: AbortHandle,
}

impl Receiver {
    /// A receiver that answers 200 to everything.
    pub async fn start() -> Self {
        Self::start_with(|_| Answer::Status(200)).await
    }

    /// A receiver that answers by this script: called once for each request, which is in the log by then.
    pub async fn start_with(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Arc::new(script) as Script));
        let requests = watch::Sender::new(Vec::new());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&script), requests.clone())).abort_handle();
        Self {
            address,
            script,
            requests,
            accepting,
        }
    }

    /// Changes the script, for the requests that come from now on.
    pub fn answer_with(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// A webhook URL of this receiver; any other path works too.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order in which their last byte came.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.requests.borrow().clone()
    }

    /// How many requests came so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests.borrow().len()
    }

    /// Waits until at least this many requests came, and returns all there are then.
    ///
    /// # Panics
    /// When fewer come in time.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Arc<Request>> {
        self.wait_until(within, |requests| requests.len() >= count).await
    }

    /// Waits until the requests satisfy the condition, and returns them.
    ///
    /// # Panics
    /// When they do not in time; with the last ones that came.
    pub async fn wait_until(
        &self,
        within: Duration,
        condition: impl FnMut(&Vec<Arc<Request>>) -> bool,
    ) -> Vec<Arc<Request>> {
        let mut log = self.requests.subscribe();
        if let Ok(requests) = timeout(within, log.wait_for(condition)).await {
            return requests.unwrap().clone();
        }
        let requests = self.requests();
        panic!(
            "{} requests came within {within:?}, not those expected; the last: {:#?}",
            requests.len(),
            requests.iter().rev().take(3).collect::<Vec<_>>()
        );
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Receiver")
            .field("address", &self.address)
            .field("requests", &self.count())
            .finish_non_exhaustive()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>, requests: watch::Sender<Vec<Arc<Request>>>) {
    // Dropped with this task, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        connections.spawn(serve(stream, Arc::clone(&script), requests.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Requests of one connection, one after the other, until either side closes it.
async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>, requests: watch::Sender<Vec<Arc<Request>>>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = Request::read(&mut stream).await {
        let request = Arc::new(request);
        requests.send_modify(|log| log.push(Arc::clone(&request)));
        let script = Arc::clone(&script.lock().unwrap());
        let answer = script(&request);
        // The other side may hang up at any byte: that is what some scripts provoke.
        if !matches!(answer.write(stream.get_mut()).await, Ok(answer::Connection::Open)) {
            return;
        }
    }
}

/// An address of this machine at which nothing listens, so that connecting is refused.
pub async fn refusing_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// The time between two moments at which requests came, for tests of retry delays.
#[must_use]
pub fn gaps(requests: &[Arc<Request>]) -> Vec<Duration> {
    let times: Vec<Instant> = requests.iter().map(|request| request.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
