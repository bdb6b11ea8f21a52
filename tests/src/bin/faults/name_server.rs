//! A DNS server of some lines (RFC 1035): answers questions for IPv4 addresses by a script, all others with nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// What the server says about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saying {
    /// These addresses.
    Addresses(Vec<Ipv4Addr>),
    /// There is no such name.
    NoSuchName,
    /// The server failed.
    ServerFailure,
    /// Nothing at all.
    Silence,
    /// Bytes that are not DNS.
    Garbage,
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub(crate) struct NameServer {
    /// Questions asked so far.
    pub(crate) questions: Arc<AtomicU64>,
    serving: AbortHandle,
}

const TYPE_A: u16 = 1;
const NAME_ERROR: u8 = 3;
const SERVER_FAILURE: u8 = 2;

impl NameServer {
    /// Serves on this address; `script` is given the name and the number of questions before.
    pub(crate) async fn start(
        address: SocketAddr,
        script: impl Fn(&str, u64) -> Saying + Send + Sync + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let questions = Arc::new(AtomicU64::new(0));
        let asked = questions.clone();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
                    continue;
                };
                let Some(question) = Question::read(&buffer[..length]) else {
                    continue;
                };
                let before = asked.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = question.answer(&script(&question.name, before)) {
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        Self {
            questions,
            serving: serving.abort_handle(),
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A question as it came.
struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// Name, type and class, to be repeated in the answer.
    section: Vec<u8>,
}

impl Question {
    fn read(message: &[u8]) -> Option<Self> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
        Some(Self {
            id: message[..2].try_into().ok()?,
            name: labels.join("."),
            kind,
            section: message.get(12..at + 4)?.to_vec(),
        })
    }

    fn answer(&self, saying: &Saying) -> Option<Vec<u8>> {
        let (code, addresses): (u8, &[Ipv4Addr]) = match saying {
            Saying::Addresses(addresses) if self.kind == TYPE_A => (0, addresses),
            Saying::Addresses(_) => (0, &[]),
            Saying::NoSuchName => (NAME_ERROR, &[]),
            Saying::ServerFailure => (SERVER_FAILURE, &[]),
            Saying::Silence => return None,
            Saying::Garbage => return Some([&self.id[..], b"this is not DNS"].concat()),
        };
        let mut message = self.id.to_vec();
        // A response, with recursion desired and available; one question.
        message.extend([0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
        message.extend(&self.section);
        for address in addresses {
            // The name of the question, type A, class IN, lives 0 seconds, 4 bytes.
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            message.extend(address.octets());
        }
        Some(message)
    }
}
