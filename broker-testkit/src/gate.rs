//! A gate before a server: connections pass, are cut, or fall silent, as a test says.
//!
//! It forwards bytes and knows nothing of what they mean; TLS passes through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They pass.
    Open,
    /// They are closed, and new ones at once: as of a server that is down.
    Cut,
    /// They stay, and nothing comes through, in either direction: as of a machine that lost its power, or a network
    /// that swallows everything.
    Stalled,
}

/// A gate before one server, on a free port of the loopback. It closes for good when this is dropped.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    accepting: JoinHandle<()>,
}

impl Gate {
    /// An open gate before the server at `host:port`.
    pub async fn before(server: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (passage, state) = watch::channel(Passage::Open);
        let accepting = tokio::spawn(accept(listener, server.into(), state));
        Ok(Self { address, passage, accepting })
    }

    /// Where it listens: `127.0.0.1:<port>`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this happens to all connections, those that are there included.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
        self.passage.send_replace(Passage::Cut);
    }
}

async fn accept(listener: TcpListener, server: String, state: watch::Receiver<Passage>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(connection(client, server.clone(), state.clone()));
            }
            Err(error) => tracing::debug!(%error, "a connection could not be accepted"),
        }
    }
}

async fn connection(client: TcpStream, server: String, mut state: watch::Receiver<Passage>) {
    if !passes(&mut state).await {
        return;
    }
    let Ok(server) = TcpStream::connect(&server).await else { return };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever ends first takes the other along: a half-closed connection is of no use to HTTP.
    tokio::select! {
        () = pump(from_client, to_server, state.clone()) => {}
        () = pump(from_server, to_client, state) => {}
    }
}

/// Forwards one direction until either end, or the gate, closes.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Passage>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = cut(state.clone()) => return,
        };
        let bytes = match read {
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(_) => return,
        };
        // An end that falls into a silence is swallowed like everything else.
        if !passes(&mut state).await || bytes.is_empty() || to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Waits while the gate is stalled; whether it is open then.
async fn passes(state: &mut watch::Receiver<Passage>) -> bool {
    let settled = state.wait_for(|passage| *passage != Passage::Stalled).await;
    settled.is_ok_and(|passage| *passage == Passage::Open)
}

async fn cut(mut state: watch::Receiver<Passage>) {
    // Without a gate everything is cut.
    state.wait_for(|passage| *passage == Passage::Cut).await.ok();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        address
    }

    async fn heard(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_u8(7).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn what_is_cut_is_closed_and_what_comes_later_too() {
        let gate = Gate::before(echo().await.to_string()).await.unwrap();
        let mut stream = TcpStream::connect(gate.address()).await.unwrap();
        assert_eq!(heard(&mut stream).await.unwrap(), 7);
        gate.set(Passage::Cut);
        assert!(stream.read_u8().await.is_err());
        let mut later = TcpStream::connect(gate.address()).await.unwrap();
        assert!(heard(&mut later).await.is_err());
        gate.set(Passage::Open);
        let mut again = TcpStream::connect(gate.address()).await.unwrap();
        assert_eq!(heard(&mut again).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_is_stalled_stays_open_and_goes_on_later() {
        let gate = Gate::before(echo().await.to_string()).await.unwrap();
        let mut stream = TcpStream::connect(gate.address()).await.unwrap();
        assert_eq!(heard(&mut stream).await.unwrap(), 7);
        gate.set(Passage::Stalled);
        // Whatever time it gets, nothing comes.
        let silence = tokio::time::timeout(Duration::from_millis(50), heard(&mut stream)).await;
        assert!(silence.is_err());
        gate.set(Passage::Open);
        assert_eq!(stream.read_u8().await.unwrap(), 7);
    }
}
