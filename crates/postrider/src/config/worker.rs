//! Settings of `postrider worker`.

use std::net::SocketAddr;
use std::time::Duration;

use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use postrider_worker::{BreakerPolicy, Settings, Wake};

use super::reader::Reader;

/// What `postrider worker` needs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// For the worker itself.
    pub settings: Settings,
    /// Where health and metrics are served.
    pub monitoring_listen: SocketAddr,
    /// Runtime threads.
    pub threads: usize,
}

const HOUR_MS: u64 = 3_600_000;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<WorkerConfig> {
    // Each one is read before any is missed: `?` comes after, so that all problems are found.
    let database = reader.database();
    let key_ring = key_ring(reader);
    let address_policy = address_policy(reader);
    let tls_ca_file = reader.file("worker_tls_ca_file");
    let concurrency = concurrency(reader);
    let claim_batch = reader.number("worker_claim_batch", 1..=5000);
    let wake = reader.choice("worker_wake", &[("gate", Wake::Gate), ("poll", Wake::Poll)]);
    let poll_interval = reader.milliseconds("worker_poll_interval_ms", 10..=60_000);
    let heartbeat_interval = reader.milliseconds("worker_heartbeat_interval_ms", 100..=60_000);
    let lease_time = lease_time(reader, heartbeat_interval);
    let park_after = reader.milliseconds("worker_park_after_ms", 10..=60_000);
    let connect_timeout = reader.milliseconds("worker_connect_timeout_ms", 100..=60_000);
    let breaker = breaker(reader);
    let disable_after_days = reader.number("worker_disable_after_days", 0..=365);
    let retry_delay_cap = reader.milliseconds("worker_retry_delay_cap_ms", 1000..=7 * 24 * HOUR_MS);
    let retry_after_floor = reader.milliseconds("worker_retry_after_floor_ms", 0..=HOUR_MS);
    let retry_after_cap = retry_after_cap(reader, retry_after_floor);
    let drain_timeout = reader.milliseconds("worker_drain_timeout_ms", 0..=HOUR_MS);
    let retention_days = reader.number("retention_days", 1..=3650);
    let partition_days_ahead = reader.number("partition_days_ahead", 1..=365);
    let monitoring_listen = reader.listen("worker_monitoring_listen");
    let threads = reader.number("worker_threads", 1..=64);
    Some(WorkerConfig {
        settings: Settings {
            database: database?,
            key_ring: key_ring?,
            address_policy: address_policy?,
            tls_ca_file: tls_ca_file?,
            concurrency: concurrency?,
            claim_batch: claim_batch?,
            wake: wake?,
            poll_interval: poll_interval?,
            heartbeat_interval: heartbeat_interval?,
            lease_time: lease_time?,
            park_after: park_after?,
            connect_timeout: connect_timeout?,
            breaker: breaker?,
            disable_after_days: disable_after_days?,
            retry_delay_cap: retry_delay_cap?,
            retry_after_floor: retry_after_floor?,
            retry_after_cap: retry_after_cap?,
            drain_timeout: drain_timeout?,
            retention_days: retention_days?,
            partition_days_ahead: partition_days_ahead?,
        },
        monitoring_listen: monitoring_listen?,
        threads: threads?,
    })
}

pub(super) fn key_ring(reader: &mut Reader<'_>) -> Option<KeyRing> {
    let text = reader.text("encryption_keys")?;
    match KeyRing::parse(&text) {
        Ok(key_ring) => Some(key_ring),
        Err(error) => reader.wrong("encryption_keys", error.to_string()),
    }
}

pub(super) fn address_policy(reader: &mut Reader<'_>) -> Option<AddressPolicy> {
    let allow_http = reader.boolean("allow_http");
    let allow_networks = reader.list(
        "allow_networks",
        "networks with commas between, such as 127.0.0.0/8,10.1.0.0/16",
    );
    Some(AddressPolicy {
        allow_http: allow_http?,
        allow_networks: allow_networks?,
    })
}

fn concurrency(reader: &mut Reader<'_>) -> Option<usize> {
    if reader.text("worker_concurrency")?.trim() == "auto" {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        return Some((cores * 64).clamp(64, 1024));
    }
    reader
        .parse("worker_concurrency", "a whole number from 1 to 65536, or auto")
        .and_then(|number: usize| {
            if (1..=65_536).contains(&number) {
                return Some(number);
            }
            reader.wrong(
                "worker_concurrency",
                "must be a whole number from 1 to 65536, or auto".to_owned(),
            )
        })
}

fn lease_time(reader: &mut Reader<'_>, heartbeat_interval: Option<Duration>) -> Option<Duration> {
    let lease_time = reader.milliseconds("worker_lease_time_ms", 1000..=HOUR_MS)?;
    // One late heartbeat must not cost a living worker its lease.
    if heartbeat_interval.is_some_and(|interval| lease_time < interval * 3) {
        return reader.wrong(
            "worker_lease_time_ms",
            "must be at least three times worker_heartbeat_interval_ms".to_owned(),
        );
    }
    Some(lease_time)
}

fn breaker(reader: &mut Reader<'_>) -> Option<BreakerPolicy> {
    let failures = reader.number("worker_breaker_failures", 1..=1_000_000);
    let open = reader.milliseconds("worker_breaker_open_ms", 100..=24 * HOUR_MS);
    let longest_open = reader.milliseconds("worker_breaker_longest_open_ms", 100..=24 * HOUR_MS);
    let (open, longest_open) = (open?, longest_open?);
    if longest_open < open {
        return reader.wrong(
            "worker_breaker_longest_open_ms",
            "must not be below worker_breaker_open_ms".to_owned(),
        );
    }
    Some(BreakerPolicy {
        failures: failures?,
        open,
        longest_open,
    })
}

fn retry_after_cap(reader: &mut Reader<'_>, floor: Option<Duration>) -> Option<Duration> {
    let cap = reader.milliseconds("worker_retry_after_cap_ms", 1000..=7 * 24 * HOUR_MS)?;
    if floor.is_some_and(|floor| cap < floor) {
        return reader.wrong(
            "worker_retry_after_cap_ms",
            "must not be below worker_retry_after_floor_ms".to_owned(),
        );
    }
    Some(cap)
}
