//! Send: one request on the wire, within its time limit.

use std::time::{Duration, SystemTime};

use postrider_core::failure::FailureKind;
use reqwest::header::RETRY_AFTER;
use reqwest::{Request, Response};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::egress::{Egress, failure_of};
use crate::judge::{Failure, Outcome, parse_retry_after};
use crate::record::Attempt;

/// Of a response body no more is read: a receiver must not fill our memory. One that sends more has failed, because
/// nobody can tell what else it would say.
const RESPONSE_LIMIT: usize = 16 * 1024;

/// Of what is read, so much is kept for people to look at.
const RESPONSE_KEPT: usize = 1024;

/// Sends the request. The limit covers everything: name lookup, connection, TLS, request, response and its body.
/// `cut_off` ends it at once.
pub(crate) async fn send(egress: &Egress, request: Request, limit: Duration, cut_off: &CancellationToken) -> Attempt {
    let started = Instant::now();
    let mut response = Vec::new();
    let outcome = tokio::select! {
        biased;
        answered = tokio::time::timeout(limit, exchange(egress, request, &mut response)) => {
            answered.unwrap_or_else(|_| failed(
                FailureKind::Timeout,
                format!("no complete response within {} ms", limit.as_millis()),
            ))
        }
        () = cut_off.cancelled() => {
            failed(FailureKind::Aborted, "the worker was stopped before the response came".to_owned())
        }
    };
    response.truncate(RESPONSE_KEPT);
    Attempt {
        started,
        duration: started.elapsed(),
        outcome,
        response,
    }
}

fn failed(kind: FailureKind, detail: String) -> Outcome {
    Outcome::Failed(Failure { kind, detail })
}

async fn exchange(egress: &Egress, request: Request, body: &mut Vec<u8>) -> Outcome {
    match egress.execute(request).await {
        Ok(response) => read(response, body).await,
        Err(error) => Outcome::Failed(failure_of(&error)),
    }
}

async fn read(mut response: Response, body: &mut Vec<u8>) -> Outcome {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| parse_retry_after(value, SystemTime::now()));
    let mut error = (!status.is_success()).then(|| Failure {
        kind: FailureKind::Status,
        detail: format!("the receiver answered {status}"),
    });
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= RESPONSE_LIMIT => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                error.get_or_insert_with(|| Failure {
                    kind: FailureKind::ResponseTooLarge,
                    detail: format!("the response body is larger than {RESPONSE_LIMIT} bytes"),
                });
                break;
            }
            Ok(None) => break,
            Err(broken) => {
                error.get_or_insert_with(|| failure_of(&broken));
                break;
            }
        }
    }
    Outcome::Response {
        status: status.as_u16(),
        retry_after,
        error,
    }
}
