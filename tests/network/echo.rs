//! Servers that answer each datagram, and each line of a connection, with their host's name and what they heard.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use xtask::lab::Lab;

/// Servers on one host. Dropping it closes all their sockets.
#[derive(Debug)]
pub struct Echo {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Echo {
    /// Listens on an address of a host, TCP and UDP, on each of these ports.
    pub fn start(lab: &Lab, host: &str, addresses: &[&str], ports: &[u16]) -> Result<Self> {
        let sockets = lab.enter(host, || {
            let mut sockets = Vec::new();
            for address in addresses {
                let address: IpAddr = address.parse()?;
                for &port in ports {
                    let tcp = TcpListener::bind((address, port)).with_context(|| format!("{address} {port}"))?;
                    sockets.push((tcp, UdpSocket::bind((address, port))?));
                }
            }
            Ok(sockets)
        })?;
        let (stop, stopped) = oneshot::channel();
        let name: Arc<str> = host.into();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for (tcp, udp) in sockets {
                    tcp.set_nonblocking(true)?;
                    udp.set_nonblocking(true)?;
                    tokio::spawn(accept(Arc::clone(&name), tokio::net::TcpListener::from_std(tcp)?));
                    tokio::spawn(datagrams(Arc::clone(&name), tokio::net::UdpSocket::from_std(udp)?));
                }
                // The sender never sends: its end ends us.
                drop(stopped.await);
                Ok(())
            })
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends it; an error that it met comes out here.
    pub fn end(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_panic| anyhow!("an echo server panicked"))?
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            eprintln!("echo server: {error:#}");
        }
    }
}

async fn accept(name: Arc<str>, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(lines(Arc::clone(&name), stream));
    }
}

async fn lines(name: Arc<str>, stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        writer.write_all(format!("{name} {line}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn datagrams(name: Arc<str>, socket: tokio::net::UdpSocket) {
    let mut datagram = [0; 1500];
    loop {
        // An ICMP error about an earlier answer is no reason to stop.
        let Ok((length, client)) = socket.recv_from(&mut datagram).await else { continue };
        let heard = datagram.get(..length).unwrap_or_default();
        drop(socket.send_to(&[name.as_bytes(), b" ", heard].concat(), client).await);
    }
}
