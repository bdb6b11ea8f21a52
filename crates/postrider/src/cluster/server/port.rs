//! The port of the server: the same at every start, if it is free.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::cluster::folder::Folder;

/// The port of the last start.
pub(super) fn remembered(folder: &Folder) -> Option<u16> {
    fs::read_to_string(folder.path().join("port")).ok()?.trim().parse().ok()
}

/// Whether nobody listens on it now.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Any port that nobody listens on.
pub(super) fn any_free() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
