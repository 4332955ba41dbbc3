//! TLS: the handshake of every check that has one, and the check that is nothing but a handshake.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::parse_x509_certificate;

use super::probe::{Call, Failure};

mod unverified;

const SECONDS_OF_A_DAY: i64 = 24 * 3600;

/// What a configuration says of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The name that is asked for, and that the certificate must have if it is verified. Without it the Host of an
    /// https check, else the address, which is not sent.
    pub sni: Option<String>,
    /// Whether the certificate must be valid and signed by an authority that is known.
    pub verify: bool,
    /// A PEM file of the authorities; without it the system's.
    pub ca: Option<PathBuf>,
    /// The days that the certificate must still be good for.
    pub min_days_left: Option<u32>,
}

/// How TLS is spoken with a server. Two are equal if their settings and authorities are.
#[derive(Clone, Debug)]
pub struct Tls {
    settings: TlsSettings,
    authorities: Vec<CertificateDer<'static>>,
    http2: bool,
    client: Arc<ClientConfig>,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (&self.settings, &self.authorities, self.http2) == (&other.settings, &other.authorities, other.http2)
    }
}

impl Eq for Tls {}

/// Why TLS cannot be spoken as the settings say.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file of authorities.
    #[error("cannot read the certificates of {}: {reason}", path.display())]
    Authorities {
        /// Its name.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no store of authorities.
    #[error("this system has no certificate authorities (Debian has them in ca-certificates)")]
    NoSystemStore,
    /// What the TLS library says.
    #[error("TLS: {0}")]
    Library(String),
}

impl Tls {
    /// Reads the authorities, if the settings name a file and want it looked at. `http2`: it is HTTP/2 that is to be spoken.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn new(settings: TlsSettings, http2: bool) -> Result<Self, TlsError> {
        let file = settings.ca.as_deref().filter(|_| settings.verify);
        let authorities = file.map(authorities).transpose()?.unwrap_or_default();
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Library(error.to_string()))?;
        let client = if settings.verify {
            client.with_webpki_verifier(verifier(&authorities, provider)?)
        } else {
            client.dangerous().with_custom_certificate_verifier(unverified::accept(&provider))
        };
        let mut client = client.with_no_client_auth();
        // Each probe is to see what a new client sees.
        client.resumption = Resumption::disabled();
        if http2 {
            client.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(Self { settings, authorities, http2, client: Arc::new(client) })
    }

    /// Whether it is HTTP/2 that is spoken.
    pub fn http2(&self) -> bool {
        self.http2
    }

    /// What it was made of.
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// The handshake. `host` is the name that is asked for where the settings have none.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        endpoint: SocketAddr,
        host: Option<&str>,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = self.settings.sni.as_deref().or(host).and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let name = name.unwrap_or_else(|| endpoint.ip().into());
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let stream = connector.connect(name, stream).await.map_err(refused)?;
        let (_, connection) = stream.get_ref();
        if self.http2 && connection.alpn_protocol() != Some(b"h2") {
            return Err(Failure::bad("the server does not offer HTTP/2"));
        }
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        if let (Some(least), Some(certificate)) = (self.settings.min_days_left, certificate) {
            let left = days_left(certificate)?;
            if left < i64::from(least) {
                return Err(Failure::bad(format!("certificate good for {left} days, expected at least {least}")));
            }
        }
        Ok(stream)
    }
}

/// The tls check.
pub(super) async fn ask(tls: &Tls, call: Call<'_>) -> Result<String, Failure> {
    let stream = call.sockets.tcp(call.endpoint).await?;
    let stream = tls.handshake(stream, call.endpoint, None).await?;
    let (_, connection) = stream.get_ref();
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let version = version.replace("TLSv1_", "TLS 1.");
    Ok(match connection.peer_certificates().and_then(<[_]>::first).map(days_left) {
        Some(Ok(days)) => format!("{version}, certificate good for {days} days"),
        Some(Err(_)) | None => version,
    })
}

fn refused(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Failure::bad("connection closed during the TLS handshake");
    }
    error.into()
}

/// Whole days until the certificate expires, negative once it has.
fn days_left(certificate: &CertificateDer<'_>) -> Result<i64, Failure> {
    let (_, parsed) = parse_x509_certificate(certificate)
        .map_err(|error| Failure::bad(format!("the certificate cannot be read: {error}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let left = parsed.validity().not_after.timestamp() - i64::try_from(now).unwrap_or(i64::MAX);
    Ok(left.div_euclid(SECONDS_OF_A_DAY))
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::Authorities { path: path.to_owned(), reason };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("there is none".to_owned())) } else { Ok(found) }
}

fn verifier(
    authorities: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = if authorities.is_empty() { system_roots()? } else { Arc::new(roots(authorities.iter().cloned())) };
    WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| TlsError::Library(error.to_string()))
}

/// The system's authorities, read once: they are some hundred kilobytes, and many checks may want them.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let store = ROOTS.get_or_init(|| Arc::new(roots(rustls_native_certs::load_native_certs().certs)));
    if store.is_empty() { Err(TlsError::NoSystemStore) } else { Ok(Arc::clone(store)) }
}

fn roots(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    // One that the library does not understand can vouch for nobody; the others can.
    store.add_parsable_certificates(certificates);
    store
}

#[cfg(test)]
mod tests;
