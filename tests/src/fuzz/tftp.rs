//! Edges: what arrives at the TFTP server, packet by packet and in a transfer. (A transfer takes a time; any will do.)

use std::time::Instant;

use bytes::Bytes;
use pxe::tftp::{
    packet::{Packet, Request},
    transfer::{MAX_WINDOW, Terms, Transfer, Transmit},
};

use super::pieces;

/// A packet is written so that it is read again as the same.
pub fn packet(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        assert_eq!(Packet::parse(&packet.build()), Ok(packet));
    }
}

/// The first piece is a request, the others what its client says then: each causes one window of blocks at most.
pub fn transfer(data: &[u8]) {
    const FILE_BYTES: usize = 100_000;
    let now = Instant::now();
    let mut pieces = pieces(data);
    let request = match pieces.next().map(Packet::parse) {
        Some(Ok(Packet::Read(request))) => request,
        Some(_) | None => Request { file: "f".into(), mode: "octet".into(), options: Vec::new() },
    };
    let terms = Terms::agree(&request, FILE_BYTES, 1400);
    assert!((8..=1400).contains(&terms.block) && (1..=MAX_WINDOW).contains(&terms.window));
    let mut transfer = Transfer::new(Bytes::from(vec![7; FILE_BYTES]), terms, now);
    for datagram in pieces {
        transfer.handle_packet(datagram, now);
        let mut sent = 0;
        while let Some(transmit) = transfer.poll_transmit(now) {
            sent += match transmit {
                Transmit::Options(_) => 1,
                Transmit::Blocks { count, .. } => usize::from(count),
            };
        }
        assert!(sent <= usize::from(MAX_WINDOW) + 1, "one datagram caused {sent}");
        while transfer.poll_event().is_some() {}
    }
}
