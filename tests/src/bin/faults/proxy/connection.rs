//! One connection through the proxy.

use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::frames::{Frames, name_of};
use super::{ByteLimits, Cut, State};

/// One direction is told by the other what shall happen to the answer under way.
type Order = watch::Sender<Cut>;

/// Forwards until one side ends or the connection is cut.
pub(super) async fn forward(client: TcpStream, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(state.server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let order = Order::new(Cut::Never);
    let limits = if state.is_enabled() {
        (state.byte_limits)()
    } else {
        ByteLimits::default()
    };
    // Either direction ending ends both: the sockets close when dropped.
    tokio::select! {
        _ = upstream(client_in, server_out, &state, &order, limits.requests) => {}
        _ = downstream(server_in, client_out, &state, &order, limits.answers) => {}
    }
}

/// Client to server: finds out which statement is executed.
async fn upstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    order: &Order,
    limit: u64,
) -> Result<()> {
    let mut frames = Frames::default();
    let mut names: HashMap<String, String> = HashMap::new();
    let mut opening = true;
    let mut forwarded = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        frames.push(&buffer[..length]);
        let mut out = Vec::with_capacity(length);
        loop {
            let frame = if opening { frames.next_untyped() } else { frames.next() };
            let Some(frame) = frame else { break };
            opening = opening && frame.asks_for_encryption();
            let executed = match frame.kind {
                b'P' => {
                    let (name, sql) = frame.texts();
                    names.insert(name.to_owned(), name_of(sql));
                    None
                }
                b'B' => names.get(frame.texts().1).cloned(),
                b'Q' => Some(name_of(frame.texts().0)),
                _ => None,
            };
            if let Some(statement) = executed {
                let cut = state.decide(&statement);
                if cut == Cut::BeforeStatement {
                    state.cut();
                    return Ok(());
                }
                order.send_replace(cut);
            }
            out.extend_from_slice(&frame.bytes);
        }
        wait_for_forwarding(state).await;
        let shown = within(limit, forwarded, out.len());
        to.write_all(&out[..shown]).await?;
        forwarded += shown as u64;
        if shown < out.len() {
            state.cut();
            return Ok(());
        }
    }
}

/// Of so many bytes, how many may pass.
fn within(limit: u64, forwarded: u64, length: usize) -> usize {
    match limit {
        0 => length,
        limit => length.min((limit - forwarded) as usize),
    }
}

/// Server to client: keeps back what the client shall not see.
async fn downstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    order: &Order,
    limit: u64,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut forwarded = 0;
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let bytes = &buffer[..length];
        let cut = *order.borrow();
        let shown = match cut {
            Cut::Never => length,
            Cut::BeforeStatement | Cut::BeforeAnswer => 0,
            Cut::InAnswer(shown) => shown.min(length),
        };
        wait_for_forwarding(state).await;
        let shown = within(limit, forwarded, shown);
        to.write_all(&bytes[..shown]).await?;
        forwarded += shown as u64;
        if cut != Cut::Never {
            read_to_the_end_of_the_answer(&mut from, bytes).await?;
        } else if shown == length {
            continue;
        }
        state.cut();
        return Ok(());
    }
}

/// Postgres is ready for the next statement: whatever it had to commit is committed.
async fn read_to_the_end_of_the_answer(from: &mut OwnedReadHalf, first: &[u8]) -> Result<()> {
    let mut frames = Frames::default();
    frames.push(first);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        while let Some(frame) = frames.next() {
            if frame.kind == b'Z' {
                return Ok(());
            }
        }
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        frames.push(&buffer[..length]);
    }
}

async fn wait_for_forwarding(state: &State) {
    let mut forwarding = state.forwarding.subscribe();
    let _ = forwarding.wait_for(|forwarding| *forwarding).await;
}
