//! Digests of a body, as keepalived's `genhash` makes them.

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::pattern::{HexPattern, hex};

/// What a body must hash to, written `md5:<32 digits>` or `sha256:<64 digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// As `genhash` prints it, and keepalived's `digest` has it.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Digest {
    /// Reads a digest; one without a name is MD5, as keepalived writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digits) = text.split_once(':').unwrap_or(("md5", text));
        let bytes = HexPattern::parse(digits)?.bytes()?;
        match name {
            "md5" => bytes.try_into().ok().map(Self::Md5),
            "sha256" => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    /// The digest of the same kind of a body.
    pub(super) fn of_same_kind(&self, body: &[u8]) -> Self {
        match self {
            Self::Md5(_) => Self::Md5(Md5::digest(body).into()),
            Self::Sha256(_) => Self::Sha256(Sha256::digest(body).into()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(bytes) => write!(out, "md5:{}", hex(bytes)),
            Self::Sha256(bytes) => write!(out, "sha256:{}", hex(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard_tools() {
        // printf hello | md5sum; printf hello | sha256sum
        for text in [
            "md5:5d41402abc4b2a76b9719d911017c592",
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ] {
            let digest = Digest::parse(text).expect("a digest");
            assert_eq!(digest.of_same_kind(b"hello"), digest);
            assert_ne!(digest.of_same_kind(b"hullo"), digest);
            assert_eq!(digest.to_string(), text);
        }
        assert!(Digest::parse("5D41402ABC4B2A76B9719D911017C592").is_some());
        for text in ["", "md5:", "sha1:00", "md5:5d41", "sha256:5d41402abc4b2a76b9719d911017c592"] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
