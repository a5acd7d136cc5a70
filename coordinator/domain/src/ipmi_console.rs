//! Values: by which name and password Ironic opens a server's console by IPMI.
//!
//! Both follow from what is stored of the server already, so nothing else is kept or renewed. The password is shown to Ironic, is in
//! a file while a console is open, and whoever knows the name can collect its HMAC (IPMI 2.0 section 13.21): it must be out of reach
//! of guessing, and must give the facade's own password away to nobody.

use protocol::{id::ServerId, secret::Secret};
use sha2::{Digest, Sha256};

/// Bytes of a user name: all that IPMI has room for (section 13.20).
const USER_BYTES: usize = 16;
/// Bytes of a password: all that IPMI has room for (section 22.30).
const PASSWORD_BYTES: usize = 20;
/// What the passwords are for; another use of the same secret gets another word.
const PURPOSE: &[u8] = b"console by ipmi";
/// RFC 4648 section 6 in lower case: nothing in it means anything to a shell.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The user: the first 16 hexadecimal digits of the node's uuid.
pub fn user(id: ServerId) -> String {
    let mut digits = id.0.simple().to_string();
    digits.truncate(USER_BYTES);
    digits
}

/// How the uuid of the node begins whose user this is; none: it is no such user.
pub fn id_start(user: &str) -> Option<String> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (user.len() == USER_BYTES && user.as_bytes().iter().all(is_digit))
        .then(|| format!("{}-{}-{}", &user[..8], &user[8..12], &user[12..]))
}

/// The password: 100 bits that follow from the facade's own password, and from which that does not follow.
pub fn password(id: ServerId, facade_password: &Secret) -> Secret {
    let digest = Sha256::new()
        .chain_update(PURPOSE)
        .chain_update(id.0.as_bytes())
        .chain_update(facade_password.reveal())
        .finalize();
    let text: String = digest
        .iter()
        .take(PASSWORD_BYTES)
        .map(|byte| char::from(ALPHABET[usize::from(byte & 0x1f)]))
        .collect();
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_user_leads_back_to_its_node() {
        let id = ServerId(Uuid::from_u128(0x1be2_6c0b_03f2_4d2e_8f70_0123_4567_89ab));
        assert_eq!(user(id), "1be26c0b03f24d2e");
        assert!(id.to_string().starts_with(&id_start(&user(id)).unwrap()));
        for none in [
            "",
            "admin",
            "1be26c0b03f24d2",
            "1BE26C0B03F24D2E",
            "1be26c0b03f24d2e8",
            "1be26c0b-03f24d2",
            "ééééééé1é",
        ] {
            assert_eq!(id_start(none), None, "{none}");
        }
    }

    #[test]
    fn a_password_is_of_its_node_and_gives_no_other_away() {
        let (one, other) = (ServerId(Uuid::from_u128(1)), ServerId(Uuid::from_u128(2)));
        let facade = Secret::new("facade");
        let mine = password(one, &facade);
        assert_eq!((mine.reveal().len(), mine.reveal()), (PASSWORD_BYTES, password(one, &facade).reveal()));
        assert_ne!(mine.reveal(), password(other, &facade).reveal());
        assert_ne!(mine.reveal(), password(one, &Secret::new("renewed")).reveal());
    }
}
