//! Values: one packet of serial over LAN (section 15.9).

use super::super::{Malformed, wire::Reader};

/// Bytes before the characters.
pub const HEADER_BYTES: usize = 4;
/// Characters of one packet: their count has one byte.
pub const CHARACTERS_MAX: usize = 255;

/// Which end a packet is from: their last header bytes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The console.
    Console,
    /// The BMC.
    Bmc,
}

/// What is said beside the characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// The packet that is acknowledged was not taken, or not all of it.
    pub not_taken: bool,
    /// Console: send a break on the line. BMC: there was one.
    pub is_break: bool,
    /// BMC: characters cannot be taken now.
    pub is_unavailable: bool,
    /// BMC: the console has been taken away from this session.
    pub is_over: bool,
    /// BMC: characters from the server were lost.
    pub overrun: bool,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolPacket {
    /// Number, 1 to 15; 0: nothing is to be acknowledged.
    pub number: u8,
    /// The other end's packet that is acknowledged; 0: none.
    pub acknowledged: u8,
    /// How many of its characters were taken.
    pub taken: u8,
    /// What else is said.
    pub signals: Signals,
    /// Characters, at most [`CHARACTERS_MAX`].
    pub characters: Vec<u8>,
}

impl Signals {
    fn build(self, from: End) -> u8 {
        let not_taken = u8::from(self.not_taken) << 6;
        match from {
            End::Console => not_taken | u8::from(self.is_break) << 4,
            End::Bmc => {
                not_taken
                    | u8::from(self.is_unavailable) << 5
                    | u8::from(self.is_over) << 4
                    | u8::from(self.overrun) << 3
                    | u8::from(self.is_break) << 2
            }
        }
    }

    fn parse(byte: u8, from: End) -> Self {
        let bit = |bit: u8| byte & 1 << bit != 0;
        match from {
            End::Console => Self { not_taken: bit(6), is_break: bit(4), ..Self::default() },
            End::Bmc => Self {
                not_taken: bit(6),
                is_unavailable: bit(5),
                is_over: bit(4),
                overrun: bit(3),
                is_break: bit(2),
            },
        }
    }
}

impl SolPacket {
    /// To bytes, from this end.
    pub fn build(&self, from: End) -> Vec<u8> {
        let mut bytes =
            vec![self.number & 0x0f, self.acknowledged & 0x0f, self.taken, self.signals.build(from)];
        bytes.extend(&self.characters[..self.characters.len().min(CHARACTERS_MAX)]);
        bytes
    }

    /// From bytes, of this end.
    pub fn parse(bytes: &[u8], from: End) -> Result<Self, Malformed> {
        let mut reader = Reader::new("SOL packet", bytes);
        let [number, acknowledged, taken, signals] = reader.array()?;
        let characters = reader.rest();
        if characters.len() > CHARACTERS_MAX {
            return Err(Malformed::new("SOL packet", "has more characters than can be counted"));
        }
        Ok(Self {
            number: number & 0x0f,
            acknowledged: acknowledged & 0x0f,
            taken,
            signals: Signals::parse(signals, from),
            characters: characters.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn packets_come_back(number in 0..16_u8, acknowledged in 0..16_u8, taken: u8, bits: [bool; 5], characters in vec(any::<u8>(), 0..200)) {
            let [not_taken, is_break, is_unavailable, is_over, overrun] = bits;
            let signals = Signals { not_taken, is_break, is_unavailable, is_over, overrun };
            let packet = SolPacket { number, acknowledged, taken, signals, characters };
            prop_assert_eq!(SolPacket::parse(&packet.build(End::Bmc), End::Bmc), Ok(packet.clone()));
            let of_console = Signals { not_taken, is_break, ..Signals::default() };
            let packet = SolPacket { signals: of_console, ..packet };
            prop_assert_eq!(SolPacket::parse(&packet.build(End::Console), End::Console), Ok(packet));
        }

        #[test]
        fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..300)) {
            let _ = (SolPacket::parse(&bytes, End::Bmc), SolPacket::parse(&bytes, End::Console));
        }
    }
}
