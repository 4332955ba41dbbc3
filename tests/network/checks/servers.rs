//! Servers that say a few fixed things, on TCP and UDP, IPv4 and IPv6.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use xtask::lab::Lab;

/// What is heard, and what is said then; a connection that hears something else is closed.
pub type Dialogue = &'static [(&'static [u8], &'static [u8])];

/// What is said to a datagram.
pub type Reply = fn(&[u8]) -> Vec<u8>;

/// Servers on one host. Dropping it closes all their sockets.
#[derive(Debug)]
pub struct Servers {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Servers {
    /// Listens on every address of a host.
    pub fn start(lab: &Lab, host: &str, tcp: &[(u16, Dialogue)], udp: &[(u16, Reply)]) -> Result<Self> {
        let any = Ipv6Addr::UNSPECIFIED;
        let (listeners, sockets) = lab.enter(host, || {
            let tcp: Result<Vec<_>> = tcp
                .iter()
                .map(|(port, dialogue)| {
                    Ok((TcpListener::bind((any, *port)).with_context(|| format!("{port}"))?, *dialogue))
                })
                .collect();
            let udp: Result<Vec<_>> = udp
                .iter()
                .map(|(port, reply)| Ok((UdpSocket::bind((any, *port)).with_context(|| format!("{port}"))?, *reply)))
                .collect();
            Ok((tcp?, udp?))
        })?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for (listener, dialogue) in listeners {
                    listener.set_nonblocking(true)?;
                    tokio::spawn(accept(tokio::net::TcpListener::from_std(listener)?, dialogue));
                }
                for (socket, reply) in sockets {
                    socket.set_nonblocking(true)?;
                    tokio::spawn(datagrams(tokio::net::UdpSocket::from_std(socket)?, reply));
                }
                // The sender never sends: its end ends us.
                drop(stopped.await);
                Ok(())
            })
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends them; an error that one of them met comes out here.
    pub fn end(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_panic| anyhow!("a server panicked"))?
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            eprintln!("server: {error:#}");
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, dialogue: Dialogue) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            for (heard, said) in dialogue {
                let mut bytes = vec![0; heard.len()];
                stream.read_exact(&mut bytes).await?;
                if bytes != *heard {
                    break;
                }
                stream.write_all(said).await?;
            }
            std::io::Result::Ok(())
        });
    }
}

async fn datagrams(socket: tokio::net::UdpSocket, reply: Reply) {
    let mut datagram = [0; 1500];
    loop {
        // An ICMP error about an earlier answer is no reason to stop.
        let Ok((length, client)) = socket.recv_from(&mut datagram).await else { continue };
        drop(socket.send_to(&reply(&datagram[..length]), client).await);
    }
}
