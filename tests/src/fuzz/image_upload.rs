//! Decisions: an image file on its way to the image service.

use domain::images::{Fault, HEAD_BYTES, Sieve};

fn pass(file: &[u8], announced: u64, piece: usize) -> Result<String, Fault> {
    let mut sieve = Sieve::new(&file[..file.len().min(HEAD_BYTES)], announced)?;
    assert!(sieve.virtual_bytes() > 0);
    file.chunks(piece).try_for_each(|piece| sieve.pass(piece))?;
    sieve.finish(None)
}

/// What is said of a file does not depend on how its bytes come: a file that passes passes in any pieces. And a shorter one
/// than was announced never does.
pub fn run(data: &[u8]) {
    let announced = data.len() as u64;
    let whole = pass(data, announced, data.len().max(1));
    for piece in [7, 512, 4096] {
        let cut = pass(data, announced, piece);
        assert_eq!(whole.is_ok(), cut.is_ok(), "{whole:?} as a whole, {cut:?} in pieces of {piece}");
    }
    assert!(pass(data, announced + 1, 4096).is_err());
}
