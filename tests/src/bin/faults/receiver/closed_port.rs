//! A port at which connections are refused until it is opened, and which no other program can take meanwhile.

use std::net::SocketAddr;

use tokio::net::TcpSocket;
use tokio::task::AbortHandle;

use super::{Receiver, accept};

/// Bound and not listening.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    socket: TcpSocket,
    pub(crate) address: SocketAddr,
}

/// An opened port; closed when dropped.
#[derive(Debug)]
pub(crate) struct OpenPort(AbortHandle);

impl ClosedPort {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    /// Lets a receiver listen there.
    pub(crate) fn open(self, receiver: &Receiver) -> OpenPort {
        let listener = self.socket.listen(1024).unwrap();
        OpenPort(tokio::spawn(accept(listener, receiver.shared.clone())).abort_handle())
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
