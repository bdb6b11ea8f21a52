//! Receivers behind TLS: one with a good certificate, others with an expired one, one of another name, one that is not
//! valid yet, and one of an authority that nobody trusts. Only the good one may see a request.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::{Behaviour, serve};
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker::{self, How, NO_BREAKER};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A kind of certificate: name, the host it is for, its years, whether its authority is trusted.
const KINDS: [(&str, &str, (i32, i32), bool); 5] = [
    ("good", "localhost", (2020, 2120), true),
    ("expired", "localhost", (2020, 2021), true),
    ("not valid yet", "localhost", (2119, 2120), true),
    ("of another name", "elsewhere.example", (2020, 2120), true),
    ("of an unknown authority", "localhost", (2020, 2120), false),
];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "tls", &[]).await;
    let (trusted, unknown) = (authority(), authority());
    let mut wanted = Vec::new();
    let mut listening = tokio::task::JoinSet::new();
    for (place, (_, host, years, is_trusted)) in KINDS.iter().enumerate() {
        let issuer = if *is_trusted { &trusted } else { &unknown };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://localhost:{}/{place}", listener.local_addr().unwrap().port());
        listening.spawn(accept(
            listener,
            acceptor(issuer, host, *years),
            stage.receiver.shared.clone(),
        ));
        wanted.push(Wanted {
            url: Some(url),
            max_retries: 1,
            ..Wanted::of(place as u16, Behaviour::Accept(Duration::ZERO))
        });
    }
    stage.webhooks(&wanted).await;
    let authorities = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authorities.path(), trusted.pem()).unwrap();
    let path = authorities.path().to_string_lossy().into_owned();
    let how = How {
        settings: &[("worker_tls_ca_file", &path), NO_BREAKER],
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    let mut load = ordinary_load(Some(options.events.unwrap_or(150)), 100);
    load.tenants = 0..KINDS.len() as u16;
    let mut generator = stage.produce(&load);
    generator.wait(Duration::from_secs(60)).await;
    finish(&stage, generator, vec![worker], &mut outcome).await;

    for (place, (kind, ..)) in KINDS.iter().enumerate() {
        let found: Vec<Option<String>> =
            sqlx::query_scalar("select distinct error from postrider.attempt where webhook_id = $1")
                .bind(stage.hooks[place].id.0)
                .fetch_all(&stage.pool)
                .await
                .unwrap();
        let arrivals = stage.receiver.shared.log.arrivals();
        let requests = arrivals
            .iter()
            .filter(|arrival| usize::from(arrival.hook) == place)
            .count();
        let (expected, is_seen) = if place == 0 { (None, true) } else { (Some("tls"), false) };
        let is_right = found.iter().map(Option::as_deref).eq([expected]) && (requests > 0) == is_seen;
        outcome.check(
            &format!("certificate {kind}"),
            is_right,
            format!("{found:?}, {requests} requests"),
        );
    }
    outcome
}

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(issuer: &Issuer, host: &str, (first_year, last_year): (i32, i32)) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let certificate = params.signed_by(&key, issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<crate::receiver::Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        tokio::spawn(async move {
            // A client that refuses the certificate ends the handshake.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                serve(&mut stream, &shared).await;
            }
        });
    }
}
