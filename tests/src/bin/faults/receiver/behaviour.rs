//! What a receiver does with a request, well or badly.

use std::io::Result;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use crate::random::mix;

/// What a receiver does with each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// A 200, after so long.
    Accept(Duration),
    /// This status without a body, after so long.
    Status(u16, Duration),
    /// This status with `Retry-After`.
    RetryAfter(u16, &'static str),
    /// A 500 for so many of a hundred attempts, otherwise a 200; either after so long.
    FailShare(u8, Duration),
    /// A 500 to every attempt of so many of a hundred events, a 200 to the others; either after so long.
    RefuseShare(u8, Duration),
    /// A 429 with `Retry-After: 1` to the first attempt, then a 200.
    BusyAtFirst,
    /// No answer, with the connection open.
    Hang,
    /// A 200 whose body comes at some bytes a second and never ends.
    Drip,
    /// A 200 with a body of so many bytes, as fast as the other side reads.
    Flood(u64),
    /// A 200 whose small body would unpack to 2 MB.
    GzipBomb,
    /// 103 responses without end.
    Informational,
    /// Bytes that are not HTTP.
    Garbage,
    /// Half a 200, then a reset.
    ResetMidBody,
    /// A reset without an answer.
    Reset,
    /// The connection closed without an answer.
    Close,
}

/// What is left of a connection after an answer.
pub(crate) enum Connection {
    Open,
    Over,
    /// To be reset.
    Broken,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

impl Behaviour {
    /// The behaviour towards one attempt: draws what is left to chance, by what the attempt is and not by its time.
    pub(super) fn chosen(&self, seed: u64, event: i64, attempt: u16) -> Self {
        match self {
            Self::FailShare(percent, delay) => {
                let drawn = mix(seed ^ mix(event.unsigned_abs()) ^ u64::from(attempt)) % 100;
                Self::fail_if(drawn < u64::from(*percent), *delay)
            }
            Self::RefuseShare(percent, delay) => {
                let drawn = mix(seed ^ mix(event.unsigned_abs())) % 100;
                Self::fail_if(drawn < u64::from(*percent), *delay)
            }
            Self::BusyAtFirst if attempt == 1 => Self::RetryAfter(429, "1"),
            Self::BusyAtFirst => Self::Accept(Duration::ZERO),
            other => other.clone(),
        }
    }

    fn fail_if(fails: bool, delay: Duration) -> Self {
        if fails {
            Self::Status(500, delay)
        } else {
            Self::Accept(delay)
        }
    }

    /// Whether the worker is told that the delivery succeeded.
    pub(super) fn accepts(&self) -> bool {
        // A gzip bomb is a success: a worker that does not unpack sees a small body.
        matches!(self, Self::Accept(_) | Self::GzipBomb)
    }

    /// Writes the answer; an error when the other side hung up, as it may.
    pub(super) async fn answer(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Connection> {
        match self {
            Self::Accept(delay) => {
                if !delay.is_zero() {
                    sleep(*delay).await;
                }
                stream.write_all(OK).await?;
            }
            Self::Status(status, delay) => {
                sleep(*delay).await;
                stream.write_all(&head(*status, "", 0)).await?;
            }
            Self::RetryAfter(status, value) => {
                let header = format!("Retry-After: {value}\r\n");
                stream.write_all(&head(*status, &header, 0)).await?;
            }
            Self::FailShare(..) | Self::RefuseShare(..) | Self::BusyAtFirst => unreachable!("chosen before"),
            Self::Hang => {
                // Until the other side hangs up.
                while stream.read(&mut [0; 1024]).await? > 0 {}
                return Ok(Connection::Over);
            }
            Self::Drip => {
                stream.write_all(&head(200, "", 1_000_000)).await?;
                loop {
                    stream.write_all(b"drip").await?;
                    sleep(Duration::from_millis(300)).await;
                }
            }
            Self::Flood(length) => return flood(stream, *length).await,
            Self::GzipBomb => {
                let body = gzip_of_zeros();
                stream
                    .write_all(&head(200, "Content-Encoding: gzip\r\n", body.len() as u64))
                    .await?;
                stream.write_all(&body).await?;
            }
            Self::Informational => loop {
                stream
                    .write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                    .await?;
                sleep(Duration::from_millis(1)).await;
            },
            Self::Garbage => {
                stream.write_all(b"\x00\xff this is not HTTP \r\n\r\n").await?;
                return Ok(Connection::Over);
            }
            Self::ResetMidBody => {
                stream.write_all(&head(200, "", 1000)).await?;
                stream.write_all(b"{\"half\":").await?;
                return Ok(Connection::Broken);
            }
            Self::Reset => return Ok(Connection::Broken),
            Self::Close => return Ok(Connection::Over),
        }
        Ok(Connection::Open)
    }
}

fn head(status: u16, header: &str, length: u64) -> Vec<u8> {
    format!("HTTP/1.1 {status} Scripted\r\n{header}Content-Length: {length}\r\n\r\n").into_bytes()
}

async fn flood(stream: &mut (impl AsyncWrite + Unpin), length: u64) -> Result<Connection> {
    static PIECE: [u8; 65_536] = [b'x'; 65_536];
    stream.write_all(&head(200, "", length)).await?;
    let mut left = length;
    while left > 0 {
        let size = left.min(PIECE.len() as u64);
        stream.write_all(&PIECE[..size as usize]).await?;
        left -= size;
    }
    Ok(Connection::Open)
}

/// A gzip member (RFC 1952) of 2,322,001 zeros in less than the 16 KiB that a worker reads: one fixed-Huffman deflate block (RFC 1951, section 3.2.6) with a
/// literal zero and repeats of 258 zeros at distance one, thirteen bits each.
fn gzip_of_zeros() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push_low_first(0b1, 1); // the last block
    bits.push_low_first(0b01, 2); // fixed codes
    bits.push_high_first(0b0011_0000, 8); // literal 0
    for _ in 0..9_000 {
        bits.push_high_first(0b1100_0101, 8); // length 258
        bits.push_high_first(0, 5); // distance 1
    }
    bits.push_high_first(0, 7); // end of block
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    member.extend(bits.bytes);
    // Nobody is meant to get as far as the checksum.
    member.extend([0; 8]);
    member
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, bit: u32) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= (bit as u8) << (self.used % 8);
        }
        self.used += 1;
    }

    fn push_low_first(&mut self, value: u32, count: u32) {
        (0..count).for_each(|place| self.push(value >> place & 1));
    }

    fn push_high_first(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|place| self.push(value >> place & 1));
    }
}
