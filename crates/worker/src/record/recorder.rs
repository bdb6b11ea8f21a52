//! The task that gathers entries and flushes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::flush::{Flush, Flushed};
use super::{Entry, Hold, Lease};
use crate::context::Context;
use crate::database::OwnConnection;
use crate::metrics;

/// Most entries of one flush.
const FLUSH_ENTRIES: usize = 500;

/// How long the first entry of a flush waits for company.
const FLUSH_DELAY: Duration = Duration::from_millis(10);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are entries; a box would be an allocation for each delivery"
)]
enum Message {
    Entry(Entry),
    /// A lease that turned out to hold nothing to deliver.
    EmptyLease(Arc<Lease>),
    /// Nothing follows.
    Close,
}

impl Message {
    /// Whether the next delivery of an ordering key waits until this is recorded.
    fn is_in_order(&self) -> bool {
        matches!(self, Self::Entry(entry) if matches!(entry.hold, Hold::Lane { in_order: true, .. }))
    }
}

/// Where deliveries hand in what came of them.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    // Unbounded, because the permits of the entries bound it.
    sender: mpsc::UnboundedSender<Message>,
}

/// The receiving end, for [`record_until_closed`].
#[derive(Debug)]
pub(crate) struct Inbox(mpsc::UnboundedReceiver<Message>);

impl Recorder {
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, Inbox(receiver))
    }

    /// Hands in one entry. It is durable once the flush that carries it has committed.
    pub(crate) fn record(&self, entry: Entry) {
        self.hand_in(Message::Entry(entry));
    }

    /// Hands in a lease without deliveries.
    pub(crate) fn finish_empty(&self, lease: Arc<Lease>) {
        self.hand_in(Message::EmptyLease(lease));
    }

    /// Lets the recorder end once all handed in before is recorded.
    pub(crate) fn close(&self) {
        self.hand_in(Message::Close);
    }

    fn hand_in(&self, message: Message) {
        // Fails only when the recorder died, which ends the process; the lease brings the event back.
        let _ = self.sender.send(message);
    }
}

/// Flushes until [`Recorder::close`] and all that was handed in before is recorded.
pub(crate) async fn record_until_closed(context: &Context, mut inbox: Inbox) {
    let mut messages = Vec::with_capacity(FLUSH_ENTRIES);
    let mut closed = false;
    let mut connection = OwnConnection::default();
    let mut later = Vec::new();
    while !later.is_empty() || (!closed && gather(&mut inbox.0, &mut messages).await) {
        messages.append(&mut later);
        let mut flush = Flush::default();
        for mut message in std::mem::take(&mut messages) {
            match &mut message {
                Message::Entry(entry) if flush.must_precede(entry) => {
                    later.push(message);
                    continue;
                }
                Message::Entry(entry) => flush.add(entry),
                Message::EmptyLease(lease) => flush.finish_lease(lease.id),
                Message::Close => closed = true,
            }
            messages.push(message);
        }
        send_until_recorded(context, &mut connection, &mut flush, messages.len()).await;
        context.leases.forget(flush.finished_leases());
        if let Some(delay) = flush.shortest_wait() {
            context.lane_clock.due_within(delay);
        }
        // Dropping the entries frees their places, so a slow database slows the claims.
        messages.clear();
    }
}

/// Waits for a first message, then a little longer for more, unless a key waits for it. False when there will be none.
async fn gather(receiver: &mut mpsc::UnboundedReceiver<Message>, messages: &mut Vec<Message>) -> bool {
    let mut received = receiver.recv_many(messages, FLUSH_ENTRIES).await;
    if received == 0 {
        return false;
    }
    let deadline = Instant::now() + FLUSH_DELAY;
    while messages.len() < FLUSH_ENTRIES && !messages[messages.len() - received..].iter().any(Message::is_in_order) {
        let room = FLUSH_ENTRIES - messages.len();
        match tokio::time::timeout_at(deadline, receiver.recv_many(messages, room)).await {
            Ok(0) | Err(_) => break,
            Ok(more) => received = more,
        }
    }
    true
}

/// Repeats the flush until the database has it: results are never dropped.
async fn send_until_recorded(context: &Context, connection: &mut OwnConnection, flush: &mut Flush, entries: usize) {
    let mut backoff = context.database.backoff();
    loop {
        let begun = Instant::now();
        let sent = context.database.watch("record", send(context, connection, flush)).await;
        if matches!(sent, Ok(true)) {
            metrics::flushed(entries, begun.elapsed());
            return;
        }
        backoff.wait().await;
    }
}

/// Sends the flush once. False when it must be sent again.
async fn send(context: &Context, connection: &mut OwnConnection, flush: &mut Flush) -> sqlx::Result<bool> {
    let (worker, number) = context.identity.next_flush();
    let connection = connection.get(&context.database).await?;
    match connection
        .run(|connection| flush.send(connection, worker, number))
        .await?
    {
        Flushed::Recorded => {
            context.identity.flushed(worker, number);
            Ok(true)
        }
        Flushed::WorkerGone => {
            context.identity.register_again(&context.database, worker).await?;
            Ok(false)
        }
        Flushed::Unclear => Ok(false),
    }
}
