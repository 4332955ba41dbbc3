//! A connection to a real server, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::probe::{Call, Failure};
use super::tls::Tls;

/// Bytes to and from a server.
#[derive(Debug)]
pub(super) enum Connection {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Connects. `host` is the name for TLS where its settings have none.
    pub(super) async fn open(
        call: Call<'_>,
        endpoint: SocketAddr,
        tls: Option<&Tls>,
        host: Option<&str>,
    ) -> Result<Self, Failure> {
        let stream = call.sockets.tcp(endpoint).await?;
        Ok(match tls {
            Some(tls) => Self::Secure(Box::new(tls.handshake(stream, endpoint, host).await?)),
            None => Self::Plain(stream),
        })
    }

    /// Takes in what comes next, at most up to `limit` bytes in all.
    pub(super) async fn more(&mut self, input: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
        let room = u64::try_from(limit.saturating_sub(input.len())).unwrap_or(u64::MAX);
        if room == 0 {
            return Err(Failure::bad(format!("the answer goes on after {limit} bytes")));
        }
        if self.take(room).read_buf(input).await? == 0 {
            return Err(Failure::bad(match input.len() {
                0 => "connection closed without an answer".to_owned(),
                bytes => format!("connection closed after {bytes} bytes"),
            }));
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
