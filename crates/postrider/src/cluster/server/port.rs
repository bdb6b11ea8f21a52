//! The port of the server: the same at every start, if it is free.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::cluster::folder::Folder;

/// Well above the ports of common services.
const LOWEST: u16 = 15_000;

const TRIES: usize = 100;

/// The port of the last start.
pub(super) fn remembered(folder: &Folder) -> Option<u16> {
    fs::read_to_string(folder.path().join("port")).ok()?.trim().parse().ok()
}

/// Whether nobody listens on it now.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Any port that nobody listens on, if possible none that outgoing connections use: one of theirs would be in the way
/// when the server starts again.
pub(super) fn any_free() -> std::io::Result<u16> {
    let below = first_outgoing_port().filter(|first| *first > LOWEST);
    for _ in 0..TRIES {
        let Some(first) = below else { break };
        let random = getrandom::u32().map_err(std::io::Error::other)?;
        let port = LOWEST + (random % u32::from(first - LOWEST)) as u16;
        if is_free(port) {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The lowest port that the system gives to outgoing connections; `None` where it does not say.
fn first_outgoing_port() -> Option<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_one_of_outgoing_connections() {
        let port = any_free().expect("some port is free");
        assert!(is_free(port));
        if let Some(first) = first_outgoing_port().filter(|first| *first > LOWEST) {
            assert!((LOWEST..first).contains(&port), "{port} is not below {first}");
        }
    }
}
