//! TLS, and who it says a client is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Limits;
use super::access::{Access, Tokens};
use crate::api::settings::{Role, Tcp};

/// What the files say.
#[derive(Clone)]
struct Files {
    acceptor: TlsAcceptor,
    tokens: Arc<Tokens>,
}

/// The files, and when they were read.
struct Read {
    files: Files,
    stamps: Vec<Option<SystemTime>>,
    looked: Instant,
}

/// The end of TLS.
pub(super) struct Tls {
    settings: Tcp,
    limits: Limits,
    read: Mutex<Read>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(super) fn new(settings: &Tcp, limits: Limits) -> Result<Self> {
        let stamps = stamps(settings);
        let read = Read { files: load(settings)?, stamps, looked: Instant::now() };
        Ok(Self { settings: settings.clone(), limits, read: Mutex::new(read) })
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Access)> {
        stream.set_nodelay(true)?;
        let Files { acceptor, tokens } = self.files();
        let stream = tokio::time::timeout(self.limits.header, acceptor.accept(stream)).await??;
        let (_, session) = stream.get_ref();
        let access = match session.peer_certificates() {
            // The verifier has found it to be of the CA.
            Some(_) => Access::Known(Role::Admin),
            None => Access::Token(tokens),
        };
        Ok((stream, access))
    }

    /// What the files say now; while they say nonsense, what they said before.
    fn files(&self) -> Files {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.looked.elapsed() >= self.limits.look {
            read.looked = Instant::now();
            let stamps = stamps(&self.settings);
            if stamps != read.stamps {
                match load(&self.settings) {
                    Ok(files) => {
                        tracing::info!("the API's certificates and tokens were read again");
                        read.files = files;
                    }
                    Err(error) => tracing::error!("the API keeps its certificates and tokens: {error:#}"),
                }
                read.stamps = stamps;
            }
        }
        read.files.clone()
    }
}

/// When each file was written.
fn stamps(settings: &Tcp) -> Vec<Option<SystemTime>> {
    let Tcp { listen: _, certificate, key, client_ca, token_file, read_token_file } = settings;
    let optional = [client_ca, token_file, read_token_file].into_iter().filter_map(Option::as_ref);
    let written = |path: &PathBuf| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    [certificate, key].into_iter().chain(optional).map(written).collect()
}

fn load(settings: &Tcp) -> Result<Files> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let has_tokens = settings.token_file.is_some() || settings.read_token_file.is_some();
    let config = match &settings.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).with_context(|| format!("{} is no CA", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if has_tokens { verifier.allow_unauthenticated() } else { verifier };
            config.with_client_cert_verifier(verifier.build()?)
        }
        None => config.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(&settings.key)
        .with_context(|| format!("{} has no private key (api.key)", settings.key.display()))?;
    let mut config = config.with_single_cert(certificates(&settings.certificate)?, key).with_context(|| {
        format!("{} and {} do not belong together", settings.certificate.display(), settings.key.display())
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tokens = Tokens::read(settings.token_file.as_deref(), settings.read_token_file.as_deref())?;
    Ok(Files { acceptor: TlsAcceptor::from(Arc::new(config)), tokens: Arc::new(tokens) })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>> { Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?) };
    let certificates = read().with_context(|| format!("cannot read certificates from {}", path.display()))?;
    anyhow::ensure!(!certificates.is_empty(), "{} has no certificate", path.display());
    Ok(certificates)
}
