//! The unix socket: who may use it, and as what.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::unistd::{Gid, Group, geteuid};
use tokio::net::UnixStream;

use crate::api::settings::{Role, Settings};

/// A socket that is removed when it goes.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    listener: UnixListener,
    /// The role of those who are not root.
    others: Role,
}

impl Socket {
    /// Listens. A socket that a dead daemon left is replaced; that of a living one is not.
    pub(super) fn bind(path: &Path, settings: &Settings) -> Result<Self> {
        let group = settings.socket_group.as_deref().map(group).transpose()?;
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        make_room(path)?;
        // Nobody can connect before it has its permissions: until then it has another name.
        let beside = path.with_extension("new");
        remove(&beside)?;
        let listener = UnixListener::bind(&beside)?;
        let bound = Self { path: beside.clone(), listener, others: settings.socket_role };
        bound.listener.set_nonblocking(true)?;
        if let Some(group) = group {
            std::os::unix::fs::chown(&beside, None, Some(group.as_raw()))
                .with_context(|| format!("cannot give {} to the group of api.socket_group", path.display()))?;
        }
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(settings.socket_mode))?;
        std::fs::rename(&beside, path)?;
        let mut bound = bound;
        path.clone_into(&mut bound.path);
        Ok(bound)
    }

    /// For the runtime of this thread.
    pub(super) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }

    /// The role of a client: root's, and the daemon's own user's, is that of an administrator.
    pub(super) fn role(&self, client: &UnixStream) -> Role {
        match client.peer_cred() {
            Ok(peer) if peer.uid() == 0 || peer.uid() == geteuid().as_raw() => Role::Admin,
            Ok(_) | Err(_) => self.others,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Removes what a dead daemon left, and nothing else.
fn make_room(path: &Path) -> io::Result<()> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            let why = format!("another lvx listens on {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, why))
        }
        // The kernel says the same of a socket without a listener and of a file that is none.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file is there and is no socket"));
            }
            std::fs::remove_file(path)
        }
        Err(_) => Ok(()),
    }
}

/// Removes a socket that a daemon left that was killed while it made it.
fn remove(beside: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(beside) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(beside),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A group by its name or number.
fn group(name: &str) -> Result<Gid> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let group = Group::from_name(name).with_context(|| format!("cannot look up the group {name}"))?;
    let advice = || format!("there is no group {name} (api.socket_group); `groupadd --system {name}` makes it");
    Ok(group.with_context(advice)?.gid)
}
