//! Who is a client, and what may it do?

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;

use crate::api::problem::Problem;
use crate::api::route::Route;
use crate::api::settings::Role;

/// A token that is shorter could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// How the role of a client is known.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// By its connection: a peer on the unix socket, or a certificate.
    Known(Role),
    /// By a token in each request.
    Token(Arc<Tokens>),
}

impl Access {
    /// Whether a request may go by a route.
    pub(super) fn check(&self, route: Route, headers: &HeaderMap) -> Result<(), Problem> {
        let role = match self {
            Self::Known(role) => *role,
            Self::Token(tokens) => tokens.role(headers).ok_or_else(unauthorized)?,
        };
        match role {
            Role::Admin => Ok(()),
            Role::Read if route.only_reads() => Ok(()),
            Role::Read => Err(forbidden()),
        }
    }
}

fn unauthorized() -> Problem {
    let advice = "send `Authorization: Bearer TOKEN`, or a client certificate of api.client_ca";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "neither a known token nor a client certificate", advice)
}

fn forbidden() -> Problem {
    let advice = "ask with the token of api.token_file; on the unix socket be root, or set api.socket_role = \"admin\"";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "who asks may only read", advice)
}

/// The tokens, as they are in their files.
#[derive(Default)]
pub(super) struct Tokens {
    admin: Option<Vec<u8>>,
    read: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tokens")
    }
}

impl Tokens {
    /// Reads the files.
    pub(super) fn read(admin: Option<&Path>, read: Option<&Path>) -> Result<Self> {
        let tokens = Self { admin: admin.map(token).transpose()?, read: read.map(token).transpose()? };
        ensure!(
            tokens.admin.is_none() || tokens.admin != tokens.read,
            "api.token_file and api.read_token_file hold the same token, so that nobody could only read"
        );
        Ok(tokens)
    }

    /// Whose token it is. How long that takes says nothing of how much of it is right.
    fn role(&self, headers: &HeaderMap) -> Option<Role> {
        let header = headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, given) = header.split_at_checked("bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let is = |token: &Option<Vec<u8>>| token.as_ref().is_some_and(|token| token.as_slice().ct_eq(given).into());
        match (is(&self.admin), is(&self.read)) {
            (true, _) => Some(Role::Admin),
            (false, true) => Some(Role::Read),
            (false, false) => None,
        }
    }
}

/// The token in a file that nobody else may read.
fn token(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let mode = std::fs::metadata(path).with_context(|| format!("cannot read the token {name}"))?.mode();
    ensure!(mode & 0o007 == 0, "everybody may read the token {name} (mode {:04o}); chmod 600 {name}", mode & 0o7777);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token {name}"))?;
    let token = text.trim();
    ensure!(
        token.len() >= SHORTEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "the token {name} is one word of at least {SHORTEST_TOKEN} ASCII characters; `openssl rand -hex 32` makes one"
    );
    Ok(token.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn bearing(header: &str) -> HeaderMap {
        [(AUTHORIZATION, header.parse().expect("a header"))].into_iter().collect()
    }

    #[test]
    fn a_token_has_a_role() {
        let tokens = Tokens { admin: Some(b"0123456789abcdef".to_vec()), read: Some(b"fedcba9876543210".to_vec()) };
        for (header, role) in [
            ("Bearer 0123456789abcdef", Some(Role::Admin)),
            ("bearer fedcba9876543210", Some(Role::Read)),
            ("Bearer 0123456789abcde", None),
            ("Bearer 0123456789abcdeff", None),
            ("Bearer ", None),
            ("Basic 0123456789abcdef", None),
            ("B", None),
        ] {
            assert_eq!(tokens.role(&bearing(header)), role, "{header}");
        }
        assert_eq!(tokens.role(&HeaderMap::new()), None);
        let none = Tokens::default();
        assert_eq!(none.role(&bearing("Bearer ")), None, "no token is no empty one");
    }

    #[test]
    fn a_token_that_is_no_secret_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            Tokens::read(Some(&path), None).map(|_| ()).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(write("0123456789abcdef\n", 0o640), Ok(()));
        assert!(write("0123456789abcdef", 0o644).expect_err("readable").contains("everybody may read"));
        assert!(write("short\n", 0o600).expect_err("short").contains("at least 16"));
        assert!(write("two words of a token\n", 0o600).expect_err("two").contains("one word"));
        assert_eq!(write("0123456789abcdef", 0o600), Ok(()));
        assert!(Tokens::read(Some(&path), Some(&path)).is_err(), "the same");
    }
}
