//! Decisions: what a collector of Contrail sends.

use contrail::sandesh::{message::Message, read::Frames};

/// The frames of a stream, and whether it can go on.
fn frames(data: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut stream, mut frames) = (Frames::default(), Vec::new());
    for piece in data.chunks(piece) {
        stream.push(piece);
        loop {
            match stream.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

/// Frames do not depend on how the stream was cut, and a message is written so that it is read again and written as the same.
/// (What cannot be shown in a text is written as a space.)
pub fn run(data: &[u8]) {
    let whole = frames(data, data.len().max(1));
    assert_eq!(whole, frames(data, 11));
    for frame in whole.0.iter().map(Vec::as_slice).chain([data]) {
        if let Ok(message) = Message::decode(frame) {
            let written = message.encode();
            let again = Message::decode(&written).expect("what was written is read");
            assert_eq!(again.encode(), written);
        }
    }
}
