//! Over TCP, with TLS.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::director::Running;
use super::{PATIENCE, Said, request, say};
use crate::api::server::Limits;
use crate::api::settings::{Settings, Tcp};

const ADMIN: &str = "admin-0123456789abcdef";
const READER: &str = "read-0123456789abcdef";

/// A CA in a directory, and what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        std::fs::write(directory.join(format!("{name}.pem")), issuer.pem()).expect("written");
        Self { issuer, directory: directory.to_owned() }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.directory.join(format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.directory.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}

/// Who is let in.
#[derive(Clone, Copy, Default)]
struct Keys {
    ca: bool,
    tokens: bool,
}

/// The settings for files that this writes.
fn settings(directory: &Path, keys: Keys) -> Settings {
    let ca = Authority::new(directory, "ca");
    ca.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    ca.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    Authority::new(directory, "stranger-ca").sign("stranger", ExtendedKeyUsagePurpose::ClientAuth);
    for (name, token) in [("admin", ADMIN), ("read", READER)] {
        let path = directory.join(name);
        std::fs::write(&path, format!("{token}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    }
    // A port that is free now, on an address that no other test has.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let file = |name: &str, wanted: bool| wanted.then(|| directory.join(name));
    let tcp = Tcp {
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        certificate: directory.join("server.pem"),
        key: directory.join("server.key"),
        client_ca: file("ca.pem", keys.ca),
        token_file: file("admin", keys.tokens),
        read_token_file: file("read", keys.tokens),
    };
    Settings { tcp: Some(tcp), ..Settings::default() }
}

/// A server over TCP.
struct Remote {
    running: Running,
    listen: SocketAddr,
}

impl Remote {
    fn new(keys: Keys) -> Self {
        let mut listen = None;
        let limits = Limits { look: Duration::ZERO, header: Duration::from_secs(1), ..Limits::default() };
        let running = Running::with(limits, |directory| {
            let settings = settings(directory, keys);
            listen = settings.tcp.as_ref().map(|tcp| tcp.listen);
            settings
        });
        Self { running, listen: listen.expect("set above") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.running.directory.path().join(name)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.listen).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    /// Asks over TLS, perhaps with a certificate.
    fn ask(&self, certificate: Option<&str>, bytes: &[u8]) -> Said {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file("ca.pem")).expect("a CA")).expect("added");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        let config = config.with_root_certificates(roots);
        let config = match certificate {
            Some(name) => {
                let chain = vec![CertificateDer::from_pem_file(self.file(&format!("{name}.pem"))).expect("read")];
                let key = PrivateKeyDer::from_pem_file(self.file(&format!("{name}.key"))).expect("read");
                config.with_client_auth_cert(chain, key).expect("fitting")
            }
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        say(StreamOwned::new(session, self.connect()), bytes)
    }

    fn with_token(&self, token: &str, method: &str, path: &str) -> Said {
        self.ask(None, &request(method, path, &[&format!("Authorization: Bearer {token}")], ""))
    }
}

#[test]
fn plaintext_is_refused() {
    let remote = Remote::new(Keys { tokens: true, ..Keys::default() });
    let bearer = format!("Authorization: Bearer {ADMIN}");
    let said = say(remote.connect(), &request("GET", "/v1/status", &[&bearer], ""));
    assert_eq!((said.status, said.body.as_str()), (0, ""), "{said:?}");
    // One that does not even shake hands is closed.
    let start = Instant::now();
    assert_eq!(say(remote.connect(), b"").status, 0);
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_token_says_what_may_be_done() {
    let remote = Remote::new(Keys { tokens: true, ..Keys::default() });
    for (what, token, method, path, status) in [
        ("the reader reads", READER, "GET", "/v1/status", 200),
        ("the reader may not change", READER, "DELETE", "/v1/services", 403),
        ("the administrator reads", ADMIN, "GET", "/v1/services", 200),
        ("the administrator changes", ADMIN, "DELETE", "/v1/services", 204),
        ("a wrong token", "admin-0123456789abcdee", "GET", "/v1/status", 401),
        ("an empty token", "", "GET", "/v1/status", 401),
    ] {
        let said = remote.with_token(token, method, path);
        assert_eq!(said.status, status, "{what}: {said:?}");
    }
    let nobody = remote.ask(None, &request("GET", "/v1/status", &[], ""));
    assert!(nobody.status == 401 && nobody.head.contains("www-authenticate: bearer"), "{nobody:?}");
    assert!(nobody.body.contains("#unauthorized"), "{nobody:?}");
    let denied = remote.with_token(READER, "POST", "/v1/zero");
    assert!(denied.body.contains("#forbidden"), "{denied:?}");
}

#[test]
fn a_client_certificate_is_an_administrators() {
    let remote = Remote::new(Keys { ca: true, ..Keys::default() });
    let flush = request("DELETE", "/v1/services", &[], "");
    assert_eq!(remote.ask(Some("client"), &flush).status, 204);
    assert_eq!(remote.ask(Some("stranger"), &flush).status, 0, "of another CA");
    assert_eq!(remote.ask(None, &flush).status, 0, "without one there is no TLS");
    assert_eq!(remote.with_token(ADMIN, "GET", "/v1/status").status, 0, "tokens are not asked for");
}

#[test]
fn a_certificate_or_a_token_will_do_where_both_are_configured() {
    let remote = Remote::new(Keys { ca: true, tokens: true });
    let flush = request("DELETE", "/v1/services", &[], "");
    assert_eq!(remote.ask(Some("client"), &flush).status, 204);
    assert_eq!(remote.with_token(ADMIN, "DELETE", "/v1/services").status, 204);
    assert_eq!(remote.ask(None, &flush).status, 401);
}

#[test]
fn files_that_are_replaced_are_read_again() {
    let remote = Remote::new(Keys { tokens: true, ..Keys::default() });
    assert_eq!(remote.with_token(ADMIN, "GET", "/v1/status").status, 200);
    let other = "another-0123456789abcdef";
    std::fs::write(remote.file("admin"), other).expect("written");
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    let set = |name: &str, at| {
        std::fs::File::options()
            .write(true)
            .open(remote.file(name))
            .and_then(|file| file.set_modified(at))
            .expect("set");
    };
    set("admin", later);
    assert_eq!(remote.with_token(ADMIN, "GET", "/v1/status").status, 401);
    assert_eq!(remote.with_token(other, "GET", "/v1/status").status, 200);
    // Nonsense changes nothing.
    std::fs::write(remote.file("server.pem"), "nonsense").expect("written");
    set("server.pem", later);
    assert_eq!(remote.with_token(other, "GET", "/v1/status").status, 200);
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("lvx.sock");
    let good = settings(directory.path(), Keys { ca: true, tokens: true });
    let bind = |change: &dyn Fn(&mut Tcp)| {
        let mut settings = good.clone();
        settings.tcp.iter_mut().for_each(change);
        format!("{:#}", crate::api::server::Server::bind(&socket, &settings).expect_err("refused"))
    };
    let missing = directory.path().join("missing");
    assert!(bind(&|tcp| tcp.certificate.clone_from(&missing)).contains("cannot read certificates"));
    assert!(bind(&|tcp| tcp.certificate = directory.path().join("admin")).contains("no certificate"));
    assert!(bind(&|tcp| tcp.key = directory.path().join("client.key")).contains("do not belong together"));
    assert!(bind(&|tcp| tcp.token_file = Some(missing.clone())).contains("cannot read the token"));
    assert!(bind(&|tcp| tcp.read_token_file.clone_from(&tcp.token_file)).contains("the same token"));
    assert!(!socket.exists(), "nothing stays");
}
