//! Decisions: what QEMU's copy-on-write files, versions 2 and 3, say before their data: the header and the entries of both tables.
//!
//! After QEMU's `docs/interop/qcow2.txt`. The coordinator asks while an upload passes, the rack's agent when it writes the disk;
//! both ask here, so that none takes what the other refuses. Refused, with the reason: backing files (the image would not be
//! whole), encryption, and data in another file. Reference counts and snapshots do not matter to a reader.

/// So much of a file's beginning is enough for [`Header::read`].
pub const HEADER_BYTES: usize = HEADER_BYTES_V3 + 1;
/// Largest first table: held in memory at both ends. Enough for a disk of 256 TiB in clusters of 64 KiB, which `qemu-img` makes,
/// and of 16 GiB in the smallest clusters that there are.
pub const FIRST_TABLE_BYTES_MAX: u64 = 4 << 20;
/// Largest disk that an image may describe: beyond it a number is more likely damaged than meant.
pub const VIRTUAL_BYTES_MAX: u64 = 64 << 40;

/// By what a file begins.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
const HEADER_BYTES_V2: usize = 72;
const HEADER_BYTES_V3: usize = 104;
const SECTOR_BYTES: u64 = 512;
/// Bits 9 to 55 of a table's entry hold a place in the file.
const PLACE_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const READS_ZERO: u64 = 1;
/// With extended entries a cluster has so many subclusters, each with a bit that says it is here and one that says it reads as zeroes.
pub const PARTS: u64 = 32;
/// Smallest cluster, as a power of two, and smallest one with extended entries: a subcluster is a sector at least.
const CLUSTER_BITS_MIN: u32 = 9;
const CLUSTER_BITS_MIN_EXTENDED: u32 = 14;
const CLUSTER_BITS_MAX: u32 = 21;

const INCOMPATIBLE_DIRTY: u64 = 1; // reference counts only
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_EXTERNAL_DATA: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It contradicts itself, as a file does that was cut off; words that go on with "it" or name the part.
    #[error("{0}")]
    Damaged(String),
    /// It uses something that we do not read; words that follow "the file".
    #[error("the file {0}")]
    Unsupported(String),
}

fn damaged(why: impl Into<String>) -> Fault {
    Fault::Damaged(why.into())
}

fn unsupported(what: impl Into<String>) -> Fault {
    Fault::Unsupported(what.into())
}

/// A header that was checked against the file's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    version: u32,
    cluster_bits: u32,
    virtual_bytes: u64,
    file_bytes: u64,
    first_table: u64,
    extended: bool,
    compression: Compression,
}

/// By what compressed clusters of a file were compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Deflate, without a header.
    #[default]
    Deflate,
    /// Frames of Zstandard.
    Zstd,
}

/// One entry of a second table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    word: u64,
    /// Of extended entries: which subclusters are in the file (low half) and which read as zeroes (high half).
    parts: u64,
}

/// Where the bytes of one cluster of the disk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// Nowhere: they are all zero.
    Zero,
    /// In the file from this place on. The last cluster of a file may be cut off where only zeroes would follow.
    Plain(u64),
    /// Room in the file from this place on, of which only some of the [`PARTS`] subclusters are used: those whose bit is set, the
    /// first one's the lowest. The others are all zero.
    Partly(u64, u32),
    /// Compressed as [`Header::compression`] says, between these places of the file; the stream may end before the second.
    Compressed(u64, u64),
}

impl Header {
    /// Checks the header of a file of so many bytes, of which `head` is the beginning: [`HEADER_BYTES`] or more, or all of it.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Self, Fault> {
        let field = Fields(head);
        if head.len() < HEADER_BYTES_V2 {
            return Err(short());
        }
        if !head.starts_with(&MAGIC) {
            return Err(damaged("it does not begin like a qcow2 file"));
        }
        let version = field.u32_at(4)?;
        if !matches!(version, 2 | 3) {
            return Err(unsupported(format!("is of qcow version {version}")));
        }
        if field.u64_at(8)? != 0 {
            return Err(unsupported("needs a backing file, so it is not the whole image"));
        }
        if field.u32_at(32)? != 0 {
            return Err(unsupported("is encrypted"));
        }
        let Features { extended, compression } = match version {
            3 => Features::read(field)?,
            _ => Features::default(),
        };
        let cluster_bits = field.u32_at(20)?;
        let smallest = if extended { CLUSTER_BITS_MIN_EXTENDED } else { CLUSTER_BITS_MIN };
        if !(smallest..=CLUSTER_BITS_MAX).contains(&cluster_bits) {
            return Err(damaged(format!("its clusters are 2^{cluster_bits} bytes")));
        }
        let virtual_bytes = field.u64_at(24)?;
        if !(1..=VIRTUAL_BYTES_MAX).contains(&virtual_bytes) {
            return Err(damaged(format!("it describes a disk of {virtual_bytes} bytes")));
        }
        let first_table = field.u64_at(40)?;
        let header =
            Self { version, cluster_bits, virtual_bytes, file_bytes, first_table, extended, compression };
        header.check_first_table(field.u32_at(36)?.into())?;
        Ok(header)
    }

    fn check_first_table(&self, entries: u64) -> Result<(), Fault> {
        let needed = self.first_entries();
        if entries < needed {
            return Err(damaged(format!("its first table has {entries} entries where {needed} are needed")));
        }
        let bytes = needed * 8;
        if bytes > FIRST_TABLE_BYTES_MAX {
            let larger = "make it with larger clusters";
            return Err(unsupported(format!(
                "has a first table of {bytes} bytes, more than {FIRST_TABLE_BYTES_MAX}: {larger}"
            )));
        }
        let end = self.first_table.saturating_add(bytes);
        if end > self.file_bytes {
            return Err(damaged(format!("its first table ends at {end} of {}", self.file_bytes)));
        }
        Ok(())
    }

    /// Size of the disk that the file describes, in bytes.
    pub fn virtual_bytes(&self) -> u64 {
        self.virtual_bytes
    }

    /// Size of the file itself, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// By what its compressed clusters were compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Size of a cluster in bytes; a second table has the same size.
    pub fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Where in the file the first table is, and how many bytes of it matter.
    pub fn first_table(&self) -> (u64, usize) {
        (self.first_table, self.first_entries() as usize * 8)
    }

    /// One entry of the first table covers a cluster of entries, each of which covers a cluster.
    fn first_entries(&self) -> u64 {
        self.virtual_bytes.div_ceil(1 << (self.cluster_bits + self.second_bits()))
    }

    /// A second table has two to the power of so many entries: of eight bytes each, or of sixteen.
    fn second_bits(&self) -> u32 {
        self.cluster_bits - if self.extended { 4 } else { 3 }
    }

    /// For a place of the disk: the entry of the first table, and the entry of the second table to which that leads.
    pub fn entries_of(&self, offset: u64) -> (usize, usize) {
        let cluster = offset >> self.cluster_bits;
        let second = cluster & ((1 << self.second_bits()) - 1);
        ((cluster >> self.second_bits()) as usize, second as usize)
    }

    /// The place of the disk to which these entries belong.
    pub fn offset_of(&self, first: usize, second: usize) -> u64 {
        ((first as u64) << self.second_bits() | second as u64) << self.cluster_bits
    }

    /// Where the second tables are, by the bytes of the first one; 0 for an entry that leads to none.
    pub fn second_tables(&self, first_table: &[u8]) -> Result<Vec<u64>, Fault> {
        let places: Vec<u64> = words(first_table).map(|entry| entry & PLACE_MASK).collect();
        // A table takes a cluster, and no two entries share one: a file that says otherwise describes more than is in it.
        let tables = places.iter().filter(|place| **place != 0).count() as u64;
        if tables > self.file_bytes >> self.cluster_bits {
            return Err(damaged(format!(
                "{tables} entries of its first table lead to tables, for which it is too short"
            )));
        }
        let bytes = self.cluster_bytes();
        let is_good = |place: &u64| place & (bytes - 1) == 0 && place + bytes <= self.file_bytes;
        match places.iter().find(|place| !is_good(place) && **place != 0) {
            Some(bad) => Err(damaged(format!("a second table lies at {bad} of {}", self.file_bytes))),
            None => Ok(places),
        }
    }

    /// The entries of a second table, whose bytes these are.
    pub fn entries<'a>(&self, table: &'a [u8]) -> impl Iterator<Item = Entry> + use<'a> {
        let bytes = if self.extended { 16 } else { 8 };
        table.chunks_exact(bytes).map(|entry| {
            let mut words = words(entry);
            Entry { word: words.next().unwrap_or(0), parts: words.next().unwrap_or(0) }
        })
    }

    /// Where the cluster of this entry of a second table is.
    pub fn cluster(&self, Entry { word, parts }: Entry) -> Result<Cluster, Fault> {
        if word & COMPRESSED != 0 {
            return self.compressed(word);
        }
        let place = word & PLACE_MASK;
        let here = match self.extended {
            true => parts_here(place, parts)?,
            false if self.version >= 3 && word & READS_ZERO != 0 => 0,
            false => u32::MAX,
        };
        if place == 0 || here == 0 {
            return Ok(Cluster::Zero);
        }
        if place & (self.cluster_bytes() - 1) != 0 {
            return Err(damaged(format!("a cluster lies askew at {place}")));
        }
        self.check_inside(place)?;
        Ok(if here == u32::MAX { Cluster::Plain(place) } else { Cluster::Partly(place, here) })
    }

    /// The entry's low bits are the place, the rest the number of further sectors that the stream reaches into.
    fn compressed(&self, entry: u64) -> Result<Cluster, Fault> {
        let place_bits = 62 - (self.cluster_bits - 8);
        let place = entry & ((1 << place_bits) - 1);
        let further = (entry & !(3 << 62)) >> place_bits;
        let last_sector = (place & !(SECTOR_BYTES - 1)) + further * SECTOR_BYTES;
        self.check_inside(last_sector.max(place))?;
        Ok(Cluster::Compressed(place, (last_sector + SECTOR_BYTES).min(self.file_bytes)))
    }

    fn check_inside(&self, place: u64) -> Result<(), Fault> {
        if place >= self.file_bytes {
            return Err(damaged(format!("a cluster lies at {place} of {}", self.file_bytes)));
        }
        Ok(())
    }
}

/// Which subclusters of an extended entry are in the file: none that reads as zeroes, too, and none of a cluster that has no place.
fn parts_here(place: u64, parts: u64) -> Result<u32, Fault> {
    let (here, zero) = (parts as u32, (parts >> 32) as u32);
    if here & zero != 0 || (place == 0 && here != 0) {
        return Err(damaged(format!("the subclusters of the cluster at {place} contradict themselves")));
    }
    Ok(here)
}

fn words(table: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = table.as_chunks::<8>();
    words.iter().map(|word| u64::from_be_bytes(*word))
}

/// Numbers of a header, most significant byte first.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u32_at(self, at: usize) -> Result<u32, Fault> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(short)
    }

    fn u64_at(self, at: usize) -> Result<u64, Fault> {
        Ok(u64::from(self.u32_at(at)?) << 32 | u64::from(self.u32_at(at + 4)?))
    }
}

fn short() -> Fault {
    damaged("it is shorter than a qcow2 header")
}

/// What version 3 says that a reader has to know.
#[derive(Default)]
struct Features {
    extended: bool,
    compression: Compression,
}

impl Features {
    fn read(field: Fields<'_>) -> Result<Self, Fault> {
        let (incompatible, length) = (field.u64_at(72)?, field.u32_at(100)? as usize);
        if incompatible & INCOMPATIBLE_CORRUPT != 0 {
            return Err(damaged("it is marked corrupt"));
        }
        if incompatible & INCOMPATIBLE_EXTERNAL_DATA != 0 {
            return Err(unsupported("keeps its data in another file"));
        }
        const KNOWN: u64 = INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION | INCOMPATIBLE_EXTENDED_L2;
        if incompatible & !KNOWN != 0 {
            return Err(unsupported(format!("has features {incompatible:#x} that are not known here")));
        }
        let is_told = incompatible & INCOMPATIBLE_COMPRESSION != 0 && length > HEADER_BYTES_V3;
        let compression = match is_told {
            true => match *field.0.get(HEADER_BYTES_V3).ok_or_else(short)? {
                0 => Compression::Deflate,
                1 => Compression::Zstd,
                other => return Err(unsupported(format!("has clusters compressed in a way {other}"))),
            },
            false => Compression::Deflate,
        };
        Ok(Self { extended: incompatible & INCOMPATIBLE_EXTENDED_L2 != 0, compression })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: u64 = 1 << 16;
    const FILE_BYTES: u64 = 8 << 20;

    /// A header of version 3 for a disk of 10 MiB in clusters of 64 KiB, its first table in the second cluster.
    fn head() -> Vec<u8> {
        let mut head = vec![0; HEADER_BYTES];
        put(&mut head, 0, b"QFI\xfb\0\0\0\x03");
        put(&mut head, 20, &16u32.to_be_bytes());
        put(&mut head, 24, &(10u64 << 20).to_be_bytes());
        put(&mut head, 36, &64u32.to_be_bytes());
        put(&mut head, 40, &CLUSTER.to_be_bytes());
        put(&mut head, 100, &104u32.to_be_bytes());
        head
    }

    fn plain(word: u64) -> Entry {
        Entry { word, parts: 0 }
    }

    fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[track_caller]
    fn check<T: std::fmt::Debug>(found: Result<T, Fault>, expected: Option<&str>) {
        match (found, expected) {
            (Ok(_), None) => {}
            (Err(fault), Some(words)) => assert!(fault.to_string().contains(words), "{fault}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn every_field_of_a_header_is_checked() {
        let check = |at: usize, value: &[u8], expected: Option<&str>| {
            let mut head = head();
            put(&mut head, at, value);
            check(Header::read(&head, FILE_BYTES), expected);
        };
        check(0, b"Q", None);
        check(0, b"R", Some("begin like"));
        check(7, &[4], Some("version 4"));
        check(7, &[2], None);
        check(15, &[1], Some("backing file"));
        check(35, &[2], Some("encrypted"));
        check(79, &[2], Some("corrupt"));
        check(79, &[4], Some("another file"));
        check(79, &[16], None);
        check(79, &[32], Some("0x20"));
        check(23, &[8], Some("2^8"));
        check(23, &[22], Some("2^22"));
        check(24, &[0; 8], Some("a disk of 0 bytes"));
        check(24, &(VIRTUAL_BYTES_MAX + 1).to_be_bytes(), Some("describes a disk"));
        check(39, &[0], Some("has 0 entries where 1"));
        check(40, &(FILE_BYTES - 8).to_be_bytes(), None);
        check(40, &(FILE_BYTES - 7).to_be_bytes(), Some("first table ends at"));
        check(40, &[0xff; 8], Some("first table ends at"));
    }

    #[test]
    fn compression_is_told_by_a_longer_header_only() {
        let check = |length: u32, kind: u8, expected: Result<Compression, &str>| {
            let mut head = head();
            put(&mut head, 79, &[8]);
            put(&mut head, 100, &length.to_be_bytes());
            put(&mut head, 104, &[kind]);
            match (Header::read(&head, FILE_BYTES), expected) {
                (Ok(header), Ok(expected)) => assert_eq!(header.compression(), expected),
                (Err(fault), Err(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(104, 1, Ok(Compression::Deflate));
        check(112, 0, Ok(Compression::Deflate));
        check(112, 1, Ok(Compression::Zstd));
        check(112, 2, Err("in a way 2"));
    }

    /// Both ends hold the first table in memory, so its bound is one.
    #[test]
    fn a_first_table_is_as_large_as_both_ends_hold() {
        // Clusters of 512 bytes: an entry covers 32 KiB.
        for (virtual_bytes, expected) in [(16u64 << 30, None), ((16 << 30) + 1, Some("larger clusters"))] {
            let mut head = head();
            put(&mut head, 20, &9u32.to_be_bytes());
            put(&mut head, 24, &virtual_bytes.to_be_bytes());
            put(&mut head, 36, &u32::MAX.to_be_bytes());
            check(Header::read(&head, 1 << 30), expected);
        }
    }

    #[test]
    fn a_header_that_is_cut_off_is_too_short() {
        for length in 0..HEADER_BYTES_V3 {
            check(Header::read(&head()[..length], FILE_BYTES), Some("shorter than"));
        }
        check(Header::read(&head()[..HEADER_BYTES_V3], FILE_BYTES), None);
    }

    #[test]
    fn second_tables_lie_in_the_file_and_share_no_cluster() {
        let header = Header::read(&head(), FILE_BYTES).unwrap();
        let check = |entries: &[u64], expected: Option<&str>| {
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_be_bytes()).collect();
            check(header.second_tables(&bytes), expected);
        };
        check(&[0, (2 * CLUSTER) | (1 << 63), 0], None);
        check(&[FILE_BYTES - CLUSTER], None);
        check(&[FILE_BYTES], Some("a second table lies at 8388608 of 8388608"));
        check(&[CLUSTER / 2], Some("a second table lies at 32768"));
        check(&[2 * CLUSTER; 128], None);
        check(&[2 * CLUSTER; 129], Some("lead to tables"));
        assert_eq!(header.second_tables(&(7 * CLUSTER).to_be_bytes()), Ok(vec![7 * CLUSTER]));
    }

    #[test]
    fn clusters_begin_inside_the_file() {
        let header = Header::read(&head(), FILE_BYTES).unwrap();
        let check =
            |entry: u64, expected: Result<Cluster, &str>| match (header.cluster(plain(entry)), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{entry:#x}"),
                (Err(fault), Err(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            };
        let two_sectors = COMPRESSED | 1 << 54;
        check(0, Ok(Cluster::Zero));
        check((3 * CLUSTER) | READS_ZERO, Ok(Cluster::Zero));
        check((3 * CLUSTER) | (1 << 63), Ok(Cluster::Plain(3 * CLUSTER)));
        check(FILE_BYTES - CLUSTER, Ok(Cluster::Plain(FILE_BYTES - CLUSTER)));
        check(FILE_BYTES, Err("a cluster lies at 8388608 of"));
        check(CLUSTER + 512, Err("askew"));
        check(two_sectors | 700, Ok(Cluster::Compressed(700, 512 + 1024)));
        check(COMPRESSED | (FILE_BYTES - 1), Ok(Cluster::Compressed(FILE_BYTES - 1, FILE_BYTES)));
        check(two_sectors | (FILE_BYTES - 700), Ok(Cluster::Compressed(FILE_BYTES - 700, FILE_BYTES)));
        check(two_sectors | (FILE_BYTES - 200), Err("a cluster lies"));
    }

    #[test]
    fn subclusters_are_here_or_read_as_zeroes() {
        let mut head = head();
        put(&mut head, 79, &[16]);
        let header = Header::read(&head, FILE_BYTES).unwrap();
        let check = |word: u64, parts: u64, expected: Result<Cluster, &str>| {
            let table = [word.to_be_bytes(), parts.to_be_bytes()].concat();
            let entry = header.entries(&table).next().unwrap();
            match (header.cluster(entry), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{parts:#x}"),
                (Err(fault), Err(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        let place = (3 * CLUSTER) | (1 << 63);
        check(0, 0, Ok(Cluster::Zero));
        check(0, u64::from(u32::MAX) << 32, Ok(Cluster::Zero));
        check(place, 0, Ok(Cluster::Zero));
        // The bit that says of a whole cluster that it reads as zeroes means nothing here.
        check(place | READS_ZERO, u32::MAX.into(), Ok(Cluster::Plain(3 * CLUSTER)));
        check(place, 5 | 2 << 32, Ok(Cluster::Partly(3 * CLUSTER, 5)));
        check(place, 5 | 4 << 32, Err("contradict"));
        check(0, 5, Err("contradict"));
        check(COMPRESSED | 700, 0, Ok(Cluster::Compressed(700, 1024)));
        // A table has half as many entries, and covers half of what it would.
        assert_eq!(header.entries(&[0; 64]).count(), 4);
        assert_eq!(header.entries_of(CLUSTER * 4096), (1, 0));
        put(&mut head, 20, &13u32.to_be_bytes());
        assert!(Header::read(&head, FILE_BYTES).unwrap_err().to_string().contains("2^13"));
    }

    #[test]
    fn places_of_the_disk_and_entries_belong_together() {
        let header = Header::read(&head(), FILE_BYTES).unwrap();
        assert_eq!(header.entries_of(0), (0, 0));
        assert_eq!(header.entries_of(CLUSTER * 8191 + 5), (0, 8191));
        assert_eq!(header.entries_of(CLUSTER * 8192), (1, 0));
        assert_eq!(header.offset_of(1, 3), CLUSTER * 8195);
    }

    proptest::proptest! {
        #[test]
        fn any_header_and_any_entry_are_survived(at in 0..HEADER_BYTES - 8, bytes: [u8; 8], file_bytes: u64, entry: u64, parts: u64) {
            let mut head = head();
            put(&mut head, at, &bytes);
            let Ok(header) = Header::read(&head, file_bytes) else { return Ok(()) };
            assert!(header.first_table().1 as u64 <= FIRST_TABLE_BYTES_MAX);
            let _ = header.second_tables(&entry.to_be_bytes());
            match header.cluster(Entry { word: entry, parts }) {
                Ok(Cluster::Plain(place) | Cluster::Partly(place, _)) => assert!(place < file_bytes),
                Ok(Cluster::Compressed(begin, end)) => assert!(begin < end && end <= file_bytes),
                Ok(Cluster::Zero) | Err(_) => {}
            }
        }
    }
}
