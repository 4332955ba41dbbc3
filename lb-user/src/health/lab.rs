//! What the tests of probes have in common: small servers on loopback, certificates, a probe with little time.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::check::{Check, CheckKind};
use super::probe;
pub(super) use super::probe::Answer;
use super::sockets::Sockets;

pub(super) const IPV4: &str = "127.0.0.1:0";
pub(super) const IPV6: &str = "[::1]:0";

/// How long probes have here, unless a test says so.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn good(words: &str) -> Answer {
    Answer::Good(words.to_owned())
}

pub(super) fn bad(words: &str) -> Answer {
    Answer::Bad(words.to_owned())
}

pub(super) async fn ask(kind: CheckKind, endpoint: SocketAddr) -> Answer {
    ask_for(kind, endpoint, TIMEOUT).await
}

pub(super) async fn ask_for(kind: CheckKind, endpoint: SocketAddr, timeout: Duration) -> Answer {
    probe::ask(&Check { timeout, ..Check::new(kind, endpoint) }, &Sockets::host()).await
}

pub(super) async fn listen(host: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(host).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Serves connections one after the other, each by `serve`.
pub(super) async fn serve<F: Future<Output = ()> + Send + 'static>(
    host: &str,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let (listener, address) = listen(host).await;
    let served = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            serve(stream).await;
        }
    });
    (address, served)
}

/// What is heard, and what is said then, step by step.
pub(super) type Dialogue = &'static [(&'static [u8], &'static [u8])];

/// A server that holds its part of a dialogue, and closes.
pub(super) async fn dialogue(host: &str, steps: Dialogue) -> SocketAddr {
    let (address, _) = serve(host, move |mut stream| async move {
        for (heard, said) in steps {
            let mut bytes = vec![0; heard.len()];
            if stream.read_exact(&mut bytes).await.is_err() || bytes != *heard {
                return;
            }
            if stream.write_all(said).await.is_err() {
                return;
            }
        }
    })
    .await;
    address
}

/// A port that accepts and says nothing.
pub(super) async fn silent(host: &str) -> (TcpListener, SocketAddr) {
    listen(host).await
}

/// A port where nobody listens.
pub(super) async fn closed(host: &str) -> SocketAddr {
    let (listener, address) = listen(host).await;
    drop(listener);
    address
}

/// A server's certificate, and the authority that signed it.
pub(super) struct Identity {
    pub(super) authority: NamedTempFile,
    pub(super) server: Arc<ServerConfig>,
}

/// An identity of this name, good for so many days from now on, and offering these protocols.
pub(super) fn identity(name: &str, days: i64, alpn: &[&str]) -> Identity {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.distinguished_name.push(DnType::CommonName, format!("{name}'s authority, {days}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(authority.pem().as_bytes()).expect("written");

    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    params.not_before = (now - day * 1000).into();
    let length = day * u32::try_from(days.abs()).expect("few days");
    params.not_after = if days < 0 { now - length } else { now + length + day / 2 }.into();
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let mut server = builder.with_single_cert(vec![certificate.der().clone()], key).expect("a server");
    server.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Identity { authority: file, server: Arc::new(server) }
}

/// Serves TLS connections by `serve`; handshakes that fail are the client's affair.
pub(super) async fn serve_tls<F: Future<Output = ()> + Send + 'static>(
    host: &str,
    identity: &Identity,
    serve_one: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + Clone + 'static,
) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::clone(&identity.server));
    let (address, _) = serve(host, move |stream| {
        let (acceptor, serve_one) = (acceptor.clone(), serve_one.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_one(stream).await;
            }
        }
    })
    .await;
    address
}
