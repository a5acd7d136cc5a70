//! Decisions: compressed images, unpacked by libraries within bounds that are ours: gzip, xz and Zstandard around a whole file, and
//! the clusters of qcow2 files.
//!
//! What must stay true: whoever reads what comes out of a file has given up no more memory for it than [`MEMORY_BYTES_MAX`] and
//! decides himself how much he takes, so a small file that becomes a large one fills nothing.

use std::io::{self, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use lzma_rust2::XzReader;
use zstd::stream::raw::{Decoder, Operation};

use crate::qcow2::Compression;

/// Most memory for what a file refers back to: the dictionary of `xz -9`. `xz -6` needs 8 MiB, `zstd -19` the same.
pub const MEMORY_BYTES_MAX: u64 = 1 << MEMORY_BITS_MAX;
const MEMORY_BITS_MAX: u32 = 26;
/// What an xz decoder needs beside its dictionary, by the crate's own reckoning, in KiB.
const XZ_BESIDE_KIB: u32 = 128;
/// Compressed bytes that are taken from below at once.
const TAKEN_BYTES: usize = 128 << 10;
/// So much of a file's beginning tells what it is, and shows the first bytes inside: both need whole blocks, of 128 KiB at most.
pub const PACKED_HEAD_BYTES: usize = 192 << 10;

/// How a whole file was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Packing {
    /// By the file's first bytes. None: it is not compressed, or in a way that is not known here.
    pub fn of(head: &[u8]) -> Option<Self> {
        const GZIP: &[u8] = b"\x1f\x8b\x08";
        const XZ: &[u8] = b"\xfd7zXZ\0";
        const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
        [(GZIP, Self::Gzip), (XZ, Self::Xz), (ZSTD, Self::Zstd)]
            .into_iter()
            .find_map(|(start, packing)| head.starts_with(start).then_some(packing))
    }

    /// The program's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// What is inside a compressed file, as it is read; several files one behind the other are one. Not to be read on after an error.
pub fn reader<'a>(packing: Packing, file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let file = BufReader::with_capacity(TAKEN_BYTES, file);
    Ok(match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(file)),
        Packing::Xz => {
            let memory_kib = (MEMORY_BYTES_MAX >> 10) as u32 + XZ_BESIDE_KIB;
            Box::new(XzReader::new_mem_limit(file, true, memory_kib))
        }
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(file)?;
            decoder.window_log_max(MEMORY_BITS_MAX)?;
            Box::new(decoder)
        }
    })
}

/// The first bytes inside a compressed file, at most so many, of whose own beginning `head` is [`PACKED_HEAD_BYTES`] or all. What is
/// damaged ends them early.
pub fn beginning(packing: Packing, head: &[u8], bytes: usize) -> Vec<u8> {
    let mut found = vec![0; bytes];
    let mut filled = 0;
    if let Ok(mut inside) = reader(packing, head) {
        while let Some(rest) = found.get_mut(filled..).filter(|rest| !rest.is_empty())
            && let Ok(read @ 1..) = inside.read(rest)
        {
            filled += read;
        }
    }
    found.truncate(filled);
    found
}

/// A compressed cluster of a qcow2 file, unpacked to so many bytes. Behind its end there may be what belongs to others. None: it is
/// damaged.
pub fn cluster(compression: Compression, packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut cluster = vec![0; bytes];
    let filled = match compression {
        Compression::Deflate => inflate(packed, &mut cluster)?,
        Compression::Zstd => unpack_frames(packed, &mut cluster)?,
    };
    (filled == bytes).then_some(cluster)
}

fn inflate(packed: &[u8], cluster: &mut [u8]) -> Option<usize> {
    let mut deflate = Decompress::new(false);
    let status = deflate.decompress(packed, cluster, FlushDecompress::Finish);
    let is_good = matches!(status, Ok(Status::StreamEnd | Status::Ok | Status::BufError));
    is_good.then_some(deflate.total_out() as usize)
}

fn unpack_frames(packed: &[u8], cluster: &mut [u8]) -> Option<usize> {
    let mut decoder = Decoder::new().ok()?;
    let (mut taken, mut filled) = (0, 0);
    while filled < cluster.len() {
        let status = decoder.run_on_buffers(&packed[taken..], &mut cluster[filled..]).ok()?;
        if status.bytes_read == 0 && status.bytes_written == 0 {
            break;
        }
        taken += status.bytes_read;
        filled += status.bytes_written;
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::DeflateEncoder, write::GzEncoder};

    use super::*;

    fn content() -> Vec<u8> {
        (0..300_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes_and_several_are_one() {
        let content = content();
        let zstd = zstd::encode_all(&content[..], 3).unwrap();
        for (packing, packed) in [(Packing::Gzip, gzip(&content)), (Packing::Zstd, zstd)] {
            assert_eq!(Packing::of(&packed), Some(packing));
            let mut found = Vec::new();
            reader(packing, &packed.repeat(2)[..]).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == content.repeat(2), "{packing:?}");
            assert_eq!(beginning(packing, &packed, 5000), &content[..5000]);
            assert_eq!(beginning(packing, &packed[..packed.len() / 2], 5000), &content[..5000]);
        }
        assert_eq!(Packing::of(b"\x1f\x8b\x07"), None);
        assert_eq!(beginning(Packing::Xz, b"\xfd7zXZ\0 and noise", 100), b"");
    }

    /// A frame may say that all of a disk is what it refers back to.
    #[test]
    fn memory_is_bounded_whatever_a_file_says() {
        let check = |window_log: u8, expected: bool| {
            // RFC 8878, section 3.1.1.1: no content size, a window of two to the power of so many bytes; one empty last block.
            let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 1, 0, 0];
            let read = reader(Packing::Zstd, &frame[..]).unwrap().read_to_end(&mut Vec::new());
            assert_eq!(read.is_ok(), expected, "{window_log}: {read:?}");
        };
        check(10, true);
        check(26, true);
        check(27, false);
        check(31, false);
        // `xz`, with the size of the dictionary in its block's header changed, and the check sum behind it.
        for (dictionary, words) in [(0x1c, None), (0x1e, Some("memory"))] {
            let read = reader(Packing::Xz, &xz(dictionary)[..]).unwrap().read_to_end(&mut Vec::new());
            let found = read.as_ref().err().map(ToString::to_string);
            assert_eq!(
                found.as_ref().map(|found| found.contains("memory")),
                words.map(|_| true),
                "{found:?}"
            );
        }
    }

    /// An empty block of xz whose dictionary has this size, as its properties write it.
    fn xz(dictionary: u8) -> Vec<u8> {
        let head = [2, 0, 0x21, 1, dictionary, 0, 0, 0];
        let block = [&head[..], &crc32(&head), &[0, 0, 0, 0]].concat();
        let index = [0, 1, 13, 0];
        let flags = [0, 0];
        let back = [&1u32.to_le_bytes()[..], &flags].concat();
        let start = [&b"\xfd7zXZ\0"[..], &flags, &crc32(&flags)].concat();
        let end = [&crc32(&back)[..], &back, b"YZ"].concat();
        [&start[..], &block, &index, &crc32(&index), &end].concat()
    }

    fn crc32(bytes: &[u8]) -> [u8; 4] {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    }

    #[test]
    fn a_cluster_is_whole_or_damaged() {
        let content = &content()[..65536];
        let mut deflate = DeflateEncoder::new(Vec::new(), Level::fast());
        deflate.write_all(content).unwrap();
        let zstd = zstd::encode_all(content, 3).unwrap();
        for (compression, packed) in
            [(Compression::Deflate, deflate.finish().unwrap()), (Compression::Zstd, zstd)]
        {
            let behind = [&packed[..], &[0xff; 100]].concat();
            assert_eq!(cluster(compression, &packed, 65536).as_deref(), Some(content));
            assert_eq!(cluster(compression, &behind, 65536).as_deref(), Some(content));
            assert_eq!(cluster(compression, &packed[..packed.len() / 2], 65536), None);
            assert_eq!(cluster(compression, b"noise", 65536), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(noise: Vec<u8>, at in 0_usize..2000, byte: u8) {
            for packing in [Packing::Gzip, Packing::Xz, Packing::Zstd] {
                let start: &[u8] = match packing {
                    Packing::Gzip => b"\x1f\x8b\x08",
                    Packing::Xz => b"\xfd7zXZ\0",
                    Packing::Zstd => b"\x28\xb5\x2f\xfd",
                };
                beginning(packing, &[start, &noise].concat(), 4096);
            }
            let mut packed = gzip(&[7; 9000]);
            let at = at % packed.len();
            packed[at] = byte;
            beginning(Packing::Gzip, &packed, 4096);
            cluster(Compression::Zstd, &noise, 4096);
            cluster(Compression::Deflate, &noise, 4096);
        }
    }
}
