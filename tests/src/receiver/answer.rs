//! How a receiver answers, well or badly.

use std::future::pending;
use std::io::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Request;

/// What a receiver does with one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status without a body.
    Status(u16),
    /// This status, these headers, this body.
    Response(u16, Vec<(String, String)>, Vec<u8>),
    /// This status with a `Retry-After` header of this value.
    RetryAfter(u16, String),
    /// A 302 to this URL.
    Redirect(String),
    /// The answer, after this time.
    After(Duration, Box<Answer>),
    /// The answer, as soon as this turns true.
    When(watch::Receiver<bool>, Box<Answer>),
    /// Nothing, with the connection open.
    Hang,
    /// A 200 whose body comes at one byte a second and never ends.
    Drip,
    /// A 200 with a body of this many bytes, as fast as the other side reads.
    Flood(u64),
    /// A 200 that promises 1,000 bytes, sends some and resets the connection.
    Reset,
    /// The connection closed without a byte.
    Close,
    /// Bytes that are not HTTP.
    Garbage,
}

/// What is left of a connection after an answer.
pub(super) enum Connection {
    /// Ready for the next request.
    Open,
    /// Of no more use.
    Over,
}

/// A script that gives these answers one after the other, and the last one from then on.
pub fn in_turn(answers: impl IntoIterator<Item = Answer>) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let answers: Vec<Answer> = answers.into_iter().collect();
    assert!(!answers.is_empty(), "a script needs an answer");
    let next = AtomicUsize::new(0);
    move |_| answers[next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone()
}

impl Answer {
    /// Writes the answer; an error when the other side hung up, as it may.
    pub(super) async fn write(self, stream: &mut TcpStream) -> Result<Connection> {
        let (status, headers, body) = match self {
            Self::Status(status) => (status, Vec::new(), Vec::new()),
            Self::Response(status, headers, body) => (status, headers, body),
            Self::RetryAfter(status, value) => (status, vec![("Retry-After".to_owned(), value)], Vec::new()),
            Self::Redirect(url) => (302, vec![("Location".to_owned(), url)], Vec::new()),
            Self::After(time, answer) => {
                sleep(time).await;
                return Box::pin(answer.write(stream)).await;
            }
            Self::When(mut gate, answer) => {
                if gate.wait_for(|is_open| *is_open).await.is_err() {
                    return pending().await;
                }
                return Box::pin(answer.write(stream)).await;
            }
            Self::Hang => return pending().await,
            Self::Drip => return drip(stream).await,
            Self::Flood(length) => return flood(stream, length).await,
            Self::Reset => {
                stream.write_all(&head(200, &[], 1_000)).await?;
                stream.write_all(b"{\"half\":").await?;
                stream.set_zero_linger()?;
                return Ok(Connection::Over);
            }
            Self::Close => return Ok(Connection::Over),
            Self::Garbage => {
                stream.write_all(b"\x00\xff this is not HTTP \r\n\r\n").await?;
                return Ok(Connection::Over);
            }
        };
        let mut message = head(status, &headers, body.len() as u64);
        message.extend_from_slice(&body);
        stream.write_all(&message).await?;
        Ok(Connection::Open)
    }
}

fn head(status: u16, headers: &[(String, String)], body_length: u64) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {body_length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

async fn drip(stream: &mut TcpStream) -> Result<Connection> {
    stream.write_all(&head(200, &[], 1_000_000)).await?;
    loop {
        stream.write_all(b".").await?;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn flood(stream: &mut TcpStream, length: u64) -> Result<Connection> {
    static PIECE: [u8; 65_536] = [b'x'; 65_536];
    stream.write_all(&head(200, &[], length)).await?;
    let mut left = length;
    while left > 0 {
        let size = left.min(PIECE.len() as u64);
        stream.write_all(&PIECE[..usize::try_from(size).unwrap()]).await?;
        left -= size;
    }
    Ok(Connection::Open)
}
