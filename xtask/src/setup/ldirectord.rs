//! Debian's ldirectord, unpacked under the target directory: installed, it would bring the real `ipvsadm` along and
//! start with the machine. The Perl modules that it loads are installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Step, packages};
use crate::{command, workspace};

/// Perl modules that it loads, at its start or for its checks by TCP and HTTP, and their packages in Debian and Ubuntu.
const MODULES: [(&str, &str); 5] = [
    ("LWP::UserAgent", "libwww-perl"),
    ("Mail::Send", "libmailtools-perl"),
    ("Socket6", "libsocket6-perl"),
    ("IO::Socket::INET6", "libio-socket-inet6-perl"),
    ("Net::INET6Glue::INET_is_INET6", "libnet-inet6glue-perl"),
];

/// Where the program is, once the machine is set up.
pub fn ldirectord() -> PathBuf {
    directory().join("usr/sbin/ldirectord")
}

/// Its example of a configuration.
pub fn ldirectord_sample() -> PathBuf {
    directory().join("usr/share/doc/ldirectord/examples/ldirectord.cf")
}

fn directory() -> PathBuf {
    workspace::target().join("ldirectord")
}

/// Makes sure of the program and its modules.
pub(super) fn ensure() -> Result<Step> {
    let missing: Vec<_> =
        MODULES.into_iter().filter(|(module, _)| !loads(module)).map(|(_, package)| package).collect();
    if missing.is_empty() && ldirectord().is_file() {
        return Ok(Step::Ready("ldirectord".to_owned()));
    }
    if workspace::program("apt-get").is_none() {
        bail!(
            "missing: ldirectord (its script as {}) and the Perl modules of {}",
            ldirectord().display(),
            MODULES.map(|(_, package)| package).join(", ")
        );
    }
    if !missing.is_empty() {
        packages::install(&missing)?;
    }
    if !ldirectord().is_file() {
        packages::unpack("ldirectord", &directory())?;
    }
    Ok(Step::Done("ldirectord".to_owned()))
}

fn loads(module: &str) -> bool {
    command::output(Command::new("perl").arg(format!("-M{module}")).args(["-e", "1"])).is_ok()
}
