//! Decisions: the public key in the certificate of a BMC.

/// The key is a piece of the certificate.
pub fn run(data: &[u8]) {
    if let Some(key) = agent::bmc::key_info(data) {
        assert!(data.windows(key.len()).any(|window| window == key));
    }
}
