//! Flows of clients that live for as long as a test wants: who answers now?

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpSocket;
use xtask::lab::{Answer, Client, Lab, VIPS};

/// How long a client waits for an answer; the lab takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(700);

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(2);

/// The VIP of a client's address family.
pub fn vip(client: Client) -> IpAddr {
    let [four, six] = VIPS;
    let text = if client.address.is_ipv4() { four } else { six };
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// A UDP flow.
#[derive(Debug)]
pub struct UdpFlow {
    socket: UdpSocket,
    asked: u32,
}

impl UdpFlow {
    /// A flow to a port of the VIP. Nothing is sent yet.
    pub fn new(lab: &Lab, client: Client, port: u16) -> Result<Self> {
        let to = SocketAddr::new(vip(client), port);
        let socket = lab.enter(client.host, || {
            let socket = UdpSocket::bind((client.address, 0))?;
            socket.connect(to)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        })?;
        Ok(Self { socket, asked: 0 })
    }

    /// Sends a datagram; gives who answers.
    pub fn ask(&mut self) -> Result<Answer> {
        self.asked += 1;
        let word = self.asked.to_string();
        let mut datagram = [0; 100];
        let mut exchange = || -> std::io::Result<Answer> {
            self.socket.send(word.as_bytes())?;
            loop {
                let length = self.socket.recv(&mut datagram)?;
                if let Some(answer) = answer(&String::from_utf8_lossy(&datagram[..length]), &word) {
                    return Ok(answer);
                }
            }
        };
        heard(exchange())
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct TcpFlow {
    stream: BufReader<TcpStream>,
    asked: u32,
}

impl TcpFlow {
    /// Connects to a port of the VIP.
    pub fn open(lab: &Lab, client: Client, port: u16) -> Result<Self> {
        Self::open_to(lab, client, SocketAddr::new(vip(client), port))
    }

    /// Connects to any address.
    pub fn open_to(lab: &Lab, client: Client, to: SocketAddr) -> Result<Self> {
        let stream = lab.enter(client.host, || connect(client.address, to).with_context(|| format!("TCP to {to}")))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), asked: 0 })
    }

    /// Sends a line; gives who answers. Answers to earlier lines that come late are passed over.
    pub fn ask(&mut self) -> Result<Answer> {
        self.asked += 1;
        let word = self.asked.to_string();
        let mut exchange = || -> std::io::Result<Answer> {
            self.stream.get_mut().write_all(format!("{word}\n").as_bytes())?;
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line)? == 0 {
                    return Err(ErrorKind::ConnectionReset.into());
                }
                if let Some(answer) = answer(line.trim_end(), &word) {
                    return Ok(answer);
                }
            }
        };
        heard(exchange())
    }
}

/// Connects from an address of its own, which std cannot.
fn connect(from: IpAddr, to: SocketAddr) -> Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(from, 0))?;
        tokio::time::timeout(CONNECT, socket.connect(to)).await?.context("cannot connect")?.into_std().context("no std")
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn answer(text: &str, word: &str) -> Option<Answer> {
    let (host, heard) = text.split_once(' ')?;
    (heard == word).then(|| Answer::from(host))
}

fn heard(exchange: std::io::Result<Answer>) -> Result<Answer> {
    match exchange {
        Ok(answer) => Ok(answer),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(Answer::Silence),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            Ok(Answer::Refused)
        }
        Err(error) => Err(error).context("a client's socket"),
    }
}
