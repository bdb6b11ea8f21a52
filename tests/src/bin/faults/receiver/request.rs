//! Requests found in the bytes of a connection.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer heads or bodies than this do not come from a worker under test.
const LIMIT: usize = 4 * 1024 * 1024;

/// Bytes of a connection, cut into requests.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

/// Where the parts of one request lie.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Path without its slash.
    pub(super) path: &'a str,
    head: &'a str,
    pub(super) body: &'a [u8],
}

impl Buffer {
    /// Reads until a whole request is there, and returns its length; `None` when the other side hung up.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<(usize, usize)> {
        loop {
            if let Some(lengths) = self.lengths() {
                return Some(lengths);
            }
            if self.0.len() > LIMIT || stream.read_buf(&mut self.0).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Length of the head and of the whole first request, if all of it is there.
    fn lengths(&self) -> Option<(usize, usize)> {
        let head = self.0.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&self.0[..head]).ok()?;
        let body: usize = header_in(text, "content-length")?.parse().ok()?;
        (self.0.len() >= head + body).then_some((head, head + body))
    }

    /// The first request.
    pub(super) fn request(&self, (head, end): (usize, usize)) -> Option<Request<'_>> {
        let text = std::str::from_utf8(&self.0[..head]).ok()?;
        let target = text.strip_prefix("POST /")?;
        Some(Request {
            path: target.split(' ').next()?,
            head: text,
            body: &self.0[head..end],
        })
    }

    /// Drops the first request.
    pub(super) fn remove(&mut self, (_, end): (usize, usize)) {
        self.0.drain(..end);
    }
}

impl Request<'_> {
    /// Value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header_in(self.head, name)
    }
}

fn header_in<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
