//! Decisions: what ramdisk and agent say to each other.

use protocol::ramdisk::{Decoder, Frame, FromAgent, FromRamdisk, encode_control, encode_data};

/// The frames of a stream, and whether it can go on.
fn frames(data: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for piece in data.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

/// Frames do not depend on how the stream was cut, and are written as they were read.
pub fn run(data: &[u8]) {
    let whole = frames(data, data.len().max(1));
    assert_eq!(whole, frames(data, 13));
    for frame in &whole.0 {
        match frame {
            Frame::Data { offset, bytes } => {
                let written = encode_data(*offset, bytes).expect("what was read can be written");
                assert_eq!(frames(&written, written.len()).0.as_slice(), std::slice::from_ref(frame));
            }
            Frame::Control(text) => message(text),
        }
    }
    message(data);
}

fn message(text: &[u8]) {
    if let Ok(message) = Frame::parse::<FromRamdisk>(text) {
        let written = encode_control(&message).expect("what was read can be written");
        let again = Frame::parse::<FromRamdisk>(&written[protocol::ramdisk::HEADER_BYTES..]);
        assert_eq!(again.expect("and read again"), message);
    }
    if let Ok(message) = Frame::parse::<FromAgent>(text) {
        let written = encode_control(&message).expect("what was read can be written");
        let again = Frame::parse::<FromAgent>(&written[protocol::ramdisk::HEADER_BYTES..]);
        assert_eq!(again.expect("and read again"), message);
    }
}
