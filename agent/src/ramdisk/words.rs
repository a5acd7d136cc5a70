//! Decisions: a ramdisk's bytes as its words, and which of them may come first.

use protocol::{
    hardware::HardwareReport,
    id::RamdiskSessionId,
    ramdisk::{Decoder, Frame, FromRamdisk, LastTask},
    secret::Secret,
};

/// What a ramdisk says first.
pub(super) enum Greeting {
    Hello {
        token: Secret,
        hardware: Box<HardwareReport>,
    },
    Resume {
        session: RamdiskSessionId,
        secret: Secret,
        hardware: Box<HardwareReport>,
        last: Option<LastTask>,
    },
}

/// The next message among received bytes; none until more of them are there. After an error the connection is of no more use.
pub(super) fn next_message(decoder: &mut Decoder) -> Result<Option<FromRamdisk>, String> {
    match decoder.next_frame().map_err(|error| error.to_string())? {
        Some(Frame::Control(text)) => Frame::parse(&text).map(Some).map_err(|error| error.to_string()),
        Some(Frame::Data { .. }) => Err("it sent data".to_owned()),
        None => Ok(None),
    }
}

/// The first word of a connection.
pub(super) fn greeting(message: FromRamdisk) -> Result<Greeting, String> {
    match message {
        FromRamdisk::Hello { token, hardware } => Ok(Greeting::Hello { token, hardware }),
        FromRamdisk::Resume { session, secret, hardware, last } => {
            Ok(Greeting::Resume { session, secret, hardware, last })
        }
        FromRamdisk::Progress { .. } | FromRamdisk::Finished { .. } => {
            Err("spoke before its hello".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{
        id::CommandId,
        ramdisk::{encode_control, encode_data},
        step::{StepOutput, StepProgress},
    };

    use super::*;

    fn progress(command: CommandId) -> FromRamdisk {
        FromRamdisk::Progress { command, progress: StepProgress { done_bytes: 1, total_bytes: 2 } }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = next_message(&mut decoder) {}
        }
    }

    #[test]
    fn what_is_no_message_of_a_ramdisk_is_told() {
        let check = |bytes: &[u8], expected: Result<bool, &str>| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            match (next_message(&mut decoder), expected) {
                (Ok(message), Ok(is_whole)) => assert_eq!(message.is_some(), is_whole, "{bytes:?}"),
                (Err(error), Err(word)) => assert!(error.contains(word), "{error}"),
                (got, _) => panic!("{got:?} of {bytes:?}"),
            }
        };
        let message = encode_control(&progress(CommandId::random())).unwrap();
        check(&message, Ok(true));
        check(&message[..message.len() - 1], Ok(false));
        check(&encode_data(0, &[1]).unwrap(), Err("it sent data"));
        check(&encode_control(&"hello").unwrap(), Err("not understood"));
        check(b"GET / HTTP/1.1", Err("neither J nor D"));
    }

    #[test]
    fn a_connection_begins_with_a_hello_or_a_secret() {
        let finished = FromRamdisk::Finished { command: CommandId::random(), outcome: Ok(StepOutput::Done) };
        for message in [progress(CommandId::random()), finished] {
            assert!(greeting(message).is_err_and(|reason| reason.contains("before its hello")));
        }
        let hello = FromRamdisk::Hello { token: Secret::new("t"), hardware: Box::default() };
        assert!(matches!(greeting(hello), Ok(Greeting::Hello { .. })));
    }
}
