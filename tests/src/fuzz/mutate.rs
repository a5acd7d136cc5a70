//! Decisions: changed copies of known inputs, the same ones for the same seed.

/// Numbers at which parsers break: nothing, almost nothing, the ends of what fits 1, 2, 4 and 8 bytes.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0xffff_ffff_ffff_ffff];
/// Most changes of one copy.
const CHANGES_MAX: usize = 6;
/// Longest piece that is cut out, doubled or taken from another input.
const PIECE_BYTES_MAX: usize = 256;
/// How often a piece is repeated at most: what nests or lists without end shows itself.
const REPEATS_MAX: usize = 400;

/// A source of changes. The numbers are those of SplitMix64: they stay the same whatever library changes its own.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// Starts with this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        self.number().checked_rem(end as u64).map_or(0, |number| number as usize)
    }

    /// A changed copy of one of the inputs, of at most `bytes_max` bytes.
    pub fn next(&mut self, corpus: &[Vec<u8>], bytes_max: usize) -> Vec<u8> {
        let mut bytes = corpus.get(self.below(corpus.len())).cloned().unwrap_or_default();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(bytes_max);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        match self.below(8) {
            0 | 1 => self.flip(bytes),
            2 => self.overwrite(bytes),
            3 => {
                let (from, to) = self.range(bytes.len());
                bytes.drain(from..to);
            }
            4 => bytes.truncate(self.below(bytes.len())),
            5 => self.repeat(bytes),
            6 => self.splice(bytes, corpus),
            _ => {
                let at = self.below(bytes.len() + 1);
                bytes.insert(at, self.number() as u8);
            }
        }
    }

    /// Where a piece begins and ends.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length);
        (from, from + self.below((length - from).min(PIECE_BYTES_MAX) + 1))
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << self.below(8);
        }
    }

    /// A number with a meaning, in either byte order.
    fn overwrite(&mut self, bytes: &mut [u8]) {
        let (width, number) = (1 << self.below(4), NUMBERS[self.below(NUMBERS.len())]);
        let at = self.below(bytes.len());
        let big = self.below(2) == 0;
        let digits = if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let digits = if big { &digits[8 - width..] } else { &digits[..width] };
        bytes.iter_mut().skip(at).zip(digits).for_each(|(to, from)| *to = *from);
    }

    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.range(bytes.len());
        let times = if self.below(4) == 0 { self.below(REPEATS_MAX) } else { 1 };
        let piece = bytes[from..to].repeat(times);
        bytes.splice(to..to, piece);
    }

    fn splice(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let Some(other) = corpus.get(self.below(corpus.len())) else { return };
        let (from, to) = self.range(other.len());
        let at = self.below(bytes.len() + 1);
        let over = (to - from).min(bytes.len() - at) * self.below(2);
        bytes.splice(at..at + over, other[from..to].iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_within_the_bound() {
        let corpus = [b"".to_vec(), b"a text".to_vec(), vec![7; 300]];
        let all = |seed| -> Vec<Vec<u8>> {
            let mut mutator = Mutator::new(seed);
            (0..2000).map(|_| mutator.next(&corpus, 400)).collect()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).iter().all(|bytes| bytes.len() <= 400));
        assert!(all(1).iter().any(|bytes| bytes.len() == 400), "nothing grows");
        assert!(Mutator::new(1).next(&[], 400).len() <= 400);
    }
}
