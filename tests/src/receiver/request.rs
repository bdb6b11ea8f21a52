//! One request as it came over the wire.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A received request.
#[derive(Clone)]
pub struct Request {
    /// When its last byte came.
    pub at: Instant,
    /// The same by the clock.
    pub time: SystemTime,
    /// Method, such as POST.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names and values as sent, in order.
    pub headers: Vec<(String, String)>,
    /// Raw bytes of the body.
    pub body: Bytes,
}

impl Request {
    /// Value of a header; of the first of them if there are several. Names compare without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Sends it again, as it is, to another receiver on this machine, and returns the status of the answer.
    pub async fn replay(&self, address: SocketAddr) -> u16 {
        let mut message = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let value = match name.to_ascii_lowercase().as_str() {
                "content-length" => &self.body.len().to_string(),
                "host" => &address.to_string(),
                _ => value,
            };
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        message.push_str("Connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(message.as_bytes()).await.unwrap();
        stream.write_all(&self.body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_else(|_| panic!("no status in {answer:?}"))
    }

    /// The next request of a connection; none when the other side closed it in between.
    ///
    /// # Errors
    /// When the connection ends within a request, or what comes is not HTTP/1.1 with a `Content-Length`.
    pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(path), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
            return Err(invalid("the request line"));
        };
        let (method, path) = (method.to_owned(), path.to_owned());

        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header line"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| invalid("the Content-Length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(invalid("a body of unknown length"));
            }
            headers.push((name.to_owned(), value.to_owned()));
        }

        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self {
            at: Instant::now(),
            time: SystemTime::now(),
            method,
            path,
            headers,
            body: body.into(),
        }))
    }
}

impl fmt::Debug for Request {
    /// The first 200 bytes of the body are enough to recognise it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.body[..self.body.len().min(200)];
        formatter
            .debug_struct("Request")
            .field("request", &format_args!("{} {}", self.method, self.path))
            .field("headers", &self.headers)
            .field("body_length", &self.body.len())
            .field("body_start", &String::from_utf8_lossy(start))
            .finish_non_exhaustive()
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("cannot read {what}"))
}
