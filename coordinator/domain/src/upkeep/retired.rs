//! Values: a password that was replaced, known by a digest: a file in which it still stands does not bring it back.

use protocol::{hex, id::ServerId, secret::Secret};
use sha2::{Digest, Sha256};

/// What a replaced password is recognised by. It is stored sealed: passwords that people choose could be guessed from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Retired(String);

impl Retired {
    /// Of this password of this server.
    pub fn of(server: ServerId, password: &Secret) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"retired BMC password\0");
        hash.update(server.0.as_bytes());
        hash.update(password.reveal().as_bytes());
        Self(hex::encode(hash.finalize()))
    }

    /// As it was stored.
    pub fn stored(digest: String) -> Self {
        Self(digest)
    }

    /// As it is stored.
    pub fn digest(&self) -> &str {
        &self.0
    }

    /// Whether it is this one.
    pub fn is(&self, server: ServerId, password: &Secret) -> bool {
        *self == Self::of(server, password)
    }
}

impl std::fmt::Debug for Retired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Retired(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_password_of_one_server() {
        let (one, other) = (ServerId::random(), ServerId::random());
        let retired = Retired::of(one, &Secret::new("calvin"));
        let check = |server, password: &str, expected: bool| {
            assert_eq!(retired.is(server, &Secret::new(password)), expected, "{password}");
        };
        check(one, "calvin", true);
        check(one, "calvin2", false);
        check(other, "calvin", false);
        assert_eq!(Retired::stored(retired.digest().to_owned()), retired);
        assert!(!format!("{retired:?}").contains(retired.digest()));
    }
}
