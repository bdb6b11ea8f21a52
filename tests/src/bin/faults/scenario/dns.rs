//! Name lookup that fails, is slow, lies, or flips between an allowed and a refused address; in namespaces of its own.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::finish;
use crate::name_server::{NameServer, Saying};
use crate::namespace;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker::{self, How, NO_BREAKER};

/// Allowed: the receiver listens there.
const ALLOWED: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Refused by the address rules, and without a route from inside the namespace.
const REFUSED: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

/// Names, and which answers a delivery to them may end with: none for success.
const NAMES: [(&str, &[Option<&str>]); 8] = [
    ("good.test", &[None]),
    ("missing.test", &[Some("dns")]),
    ("broken.test", &[Some("dns")]),
    ("silent.test", &[Some("dns"), Some("timeout")]),
    ("garbage.test", &[Some("dns"), Some("timeout")]),
    ("inside.test", &[Some("refused_address")]),
    ("mixed.test", &[Some("refused_address")]),
    ("flips.test", &[None, Some("refused_address")]),
];

fn script(name: &str, before: u64) -> Saying {
    match name {
        "good.test" => Saying::Addresses(vec![ALLOWED]),
        "broken.test" => Saying::ServerFailure,
        "silent.test" => Saying::Silence,
        "garbage.test" => Saying::Garbage,
        "inside.test" => Saying::Addresses(vec![REFUSED]),
        "mixed.test" => Saying::Addresses(vec![ALLOWED, REFUSED]),
        // Changes with every second question, as each lookup asks for both versions of the protocol.
        "flips.test" if (before / 2).is_multiple_of(2) => Saying::Addresses(vec![ALLOWED]),
        "flips.test" => Saying::Addresses(vec![REFUSED]),
        _ => Saying::NoSuchName,
    }
}

pub(super) async fn play(options: &Options) -> Outcome {
    if !namespace::is_inside() {
        return namespace::play_inside("dns", options).await;
    }
    let mut outcome = Outcome::default();
    let _files = use_own_name_server();
    let server = NameServer::start(([127, 0, 0, 1], 53).into(), script).await;

    let mut stage = Stage::set(options, "dns", &[]).await;
    let port = stage.receiver.address.port();
    let wanted: Vec<Wanted> = (0_u16..)
        .zip(NAMES)
        .map(|(tenant, (name, _))| Wanted {
            url: Some(format!("http://{name}:{port}/{tenant}")),
            max_retries: 1,
            ..Wanted::of(tenant, Behaviour::Accept(Duration::ZERO))
        })
        .collect();
    stage.webhooks(&wanted).await;
    let how = How {
        settings: &[NO_BREAKER],
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    let mut load = ordinary_load(Some(options.events.unwrap_or(150)), 60);
    load.tenants = 0..NAMES.len() as u16;
    let mut generator = stage.produce(&load);
    generator.wait(Duration::from_secs(60)).await;
    finish(&stage, generator, vec![worker], &mut outcome).await;

    for (hook, (name, endings)) in stage.hooks.iter().zip(NAMES) {
        let found: Vec<Option<String>> =
            sqlx::query_scalar("select distinct error from postrider.attempt where webhook_id = $1")
                .bind(hook.id.0)
                .fetch_all(&stage.pool)
                .await
                .unwrap();
        let expected = !found.is_empty() && found.iter().all(|error| endings.contains(&error.as_deref()));
        outcome.check(&format!("{name} ends as it should"), expected, format!("{found:?}"));
    }
    let questions = server.questions.load(std::sync::atomic::Ordering::Relaxed);
    outcome.figure("questions to the name server", questions as f64);
    outcome
}

/// Lets this namespace's processes ask 127.0.0.1, and not for long.
fn use_own_name_server() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let nsswitch = folder.path().join("nsswitch.conf");
    std::fs::write(&nsswitch, "hosts: files dns\npasswd: files\ngroup: files\n").unwrap();
    for (from, to) in [(&file, "/etc/resolv.conf"), (&nsswitch, "/etc/nsswitch.conf")] {
        let status = std::process::Command::new("mount")
            .arg("--bind")
            .arg(from)
            .arg(to)
            .status();
        assert!(status.unwrap().success(), "cannot lay {to} over");
    }
    folder
}
