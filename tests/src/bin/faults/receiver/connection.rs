//! One connection to the receiver.

use postrider_core::ids::EventId;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Shared;
use super::behaviour::{Behaviour, Connection};
use super::log::{Arrival, hash};
use super::request::{Buffer, Request};
use crate::ledger::now_us;
use crate::payload::token_of;

/// Answers requests until either side ends the connection; says how to end it.
pub(crate) async fn serve(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), shared: &Shared) -> Connection {
    let mut buffer = Buffer::default();
    while let Some(lengths) = buffer.fill(stream).await {
        let Some(behaviour) = buffer.request(lengths).and_then(|request| note(&request, shared)) else {
            shared
                .log
                .note_problem("a request that is not a POST to a known path".to_owned());
            return Connection::Over;
        };
        buffer.remove(lengths);
        match behaviour.answer(stream).await {
            Ok(Connection::Open) => {}
            Ok(end) => return end,
            Err(_) => return Connection::Over,
        }
    }
    Connection::Over
}

/// Checks a request, writes it into the log and says how to answer it.
fn note(request: &Request<'_>, shared: &Shared) -> Option<Behaviour> {
    let place: u16 = request.path.parse().ok()?;
    let hook = shared.hook(place.into())?;
    if let Some(problem) = hook.verifier.problem(request) {
        shared.log.note_problem(problem);
    }
    let event = request.header("webhook-id").and_then(|id| id.parse::<EventId>().ok());
    let token = token_of(request.body);
    // Workers tell what they did to webhooks by events of their own, which go to whoever subscribed to everything.
    let is_operational = matches!(
        request.header("x-webhook-event"),
        Some("WEBHOOK_DISABLED" | "DELIVERY_EXHAUSTED")
    );
    if event.is_none() || (token.is_none() && !is_operational) {
        shared
            .log
            .note_problem("a request without an event id or a token".to_owned());
    }
    let event = event.map_or(0, |event| event.0);
    let attempt = request.header("x-webhook-attempt").and_then(|text| text.parse().ok());
    let behaviour = hook.behaviour.chosen(shared.seed, event, attempt.unwrap_or(0));
    let arrival = Arrival {
        event,
        token: token.unwrap_or(u64::MAX),
        hook: place,
        attempt: attempt.unwrap_or(0),
        at_us: now_us(),
        body: hash(request.body),
        accepted: behaviour.accepts(),
    };
    shared.watcher.see(&arrival);
    shared.log.note(arrival);
    Some(behaviour)
}
