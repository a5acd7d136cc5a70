//! Decisions: what answers a ramdisk's DHCP client.

use protocol::mac::MacAddr;
use ramdisk::dhcp::{Answer, parse};

/// The answers of the corpus are to this.
const TRANSACTION: u32 = 7;
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// A lease has an address and a sensible prefix.
pub fn run(data: &[u8]) {
    match parse(data, TRANSACTION, MAC) {
        Some(Answer::Offer(lease) | Answer::Ack(lease)) => {
            assert!(lease.prefix <= 32 && !lease.address.is_unspecified());
        }
        Some(Answer::Nak) | None => {}
    }
}
