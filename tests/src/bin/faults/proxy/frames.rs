//! Frames of the Postgres protocol, version 3 (documentation of PostgreSQL, chapter "Frontend/Backend Protocol").

/// Cuts a stream into frames. The first frames of a client have no type byte.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

/// One message.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its type byte; zero for the untyped ones that open a connection.
    pub(super) kind: u8,
    /// All of it, as it came.
    pub(super) bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole typed frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let length = self.length_at(1)?;
        self.take(1 + length).map(|bytes| Frame { kind: bytes[0], bytes })
    }

    /// The next whole frame without a type.
    pub(super) fn next_untyped(&mut self) -> Option<Frame> {
        let length = self.length_at(0)?;
        self.take(length).map(|bytes| Frame { kind: 0, bytes })
    }

    fn length_at(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        (self.bytes.len() >= length).then(|| self.bytes.drain(..length).collect())
    }
}

impl Frame {
    /// Whether this untyped frame asks for encryption, so that another untyped one follows.
    pub(super) fn asks_for_encryption(&self) -> bool {
        // 80877103 asks for TLS, 80877104 for GSSAPI.
        matches!(self.bytes.get(4..8), Some([0x04, 0xd2, 0x16, 0x2f | 0x30]))
    }

    /// Of a Parse: the name of the prepared statement and its text. Of a Bind: the portal and the statement. Of a
    /// Query: its text and nothing.
    pub(super) fn texts(&self) -> (&str, &str) {
        let mut texts = self.bytes[5..].split(|byte| *byte == 0);
        let mut text = || {
            texts
                .next()
                .and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default()
        };
        (text(), text())
    }
}

/// What a statement is called: the comment it begins with, such as `claim`, or its first word in lower case.
pub(super) fn name_of(sql: &str) -> String {
    let line = sql.trim_start().lines().next().unwrap_or_default();
    match line.strip_prefix("-- ") {
        Some(comment) => comment.split(':').next().unwrap_or_default().trim().to_owned(),
        None => line.split_whitespace().next().unwrap_or_default().to_lowercase(),
    }
}
