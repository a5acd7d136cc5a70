//! Decisions: one file of an ISO 9660 file system replaced (ECMA-119): the new content is put behind the end, and every directory
//! record of the file is led there.
//!
//! This is how a configuration drive learns what Nova could not know when it built it: which network is on which of the
//! server's interfaces. Nothing else of the drive changes.

const SECTOR: usize = 2048;
/// Where the volume descriptors begin (ECMA-119 section 6.2.1).
const DESCRIPTORS: usize = 16;
/// Descriptors that are looked at, and places of directories in all, records and the gaps behind the last one of a sector: a
/// drive has a handful.
const DESCRIPTORS_MAX: usize = 16;
const LOOKS_MAX: usize = 10_000;
/// Depth of directories that is looked into.
const DEPTH_MAX: usize = 8;

/// Primary and supplementary (Joliet) volume descriptors, and the one that ends them.
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// Offsets in a volume descriptor: number of sectors, and the root directory's record.
const VOLUME_SIZE: usize = 80;
const ROOT_RECORD: usize = 156;
/// Offsets in a directory record: first sector, length in bytes, flags, length of the name, name.
const EXTENT: usize = 2;
const LENGTH: usize = 10;
const FLAGS: usize = 25;
const NAME_LENGTH: usize = 32;
const NAME: usize = 33;
const IS_DIRECTORY: u8 = 2;

/// Why a file was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReplaced {
    /// It is another kind of file system, or a broken one.
    #[error("it is not a readable ISO 9660 file system")]
    NotIso,
    /// No directory has a file of this name.
    #[error("it holds no such file")]
    NoSuchFile,
}

/// Replaces every file of this name, in whichever directory, by one content.
pub fn replace(image: &[u8], name: &str, content: &[u8]) -> Result<Vec<u8>, NotReplaced> {
    let mut volumes = Vec::new();
    for index in DESCRIPTORS..DESCRIPTORS + DESCRIPTORS_MAX {
        let start = index * SECTOR;
        let descriptor = image.get(start..start + SECTOR).ok_or(NotReplaced::NotIso)?;
        if descriptor.get(1..6) != Some(b"CD001") {
            return Err(NotReplaced::NotIso);
        }
        match descriptor[0] {
            TERMINATOR => break,
            PRIMARY | SUPPLEMENTARY => volumes.push(start),
            _ => {}
        }
    }
    let mut search = Search { image, name, found: Vec::new(), looks: 0 };
    for volume in &volumes {
        search.directory(volume + ROOT_RECORD, 0).ok_or(NotReplaced::NotIso)?;
    }
    let found = search.found;
    if found.is_empty() {
        return Err(NotReplaced::NoSuchFile);
    }
    let mut changed = image.to_vec();
    changed.resize(image.len().next_multiple_of(SECTOR), 0);
    let extent = u32::try_from(changed.len() / SECTOR).map_err(|_| NotReplaced::NotIso)?;
    changed.extend_from_slice(content);
    changed.resize(changed.len().next_multiple_of(SECTOR), 0);
    let sectors = u32::try_from(changed.len() / SECTOR).map_err(|_| NotReplaced::NotIso)?;
    let length = u32::try_from(content.len()).map_err(|_| NotReplaced::NotIso)?;
    for record in found {
        both_orders(&mut changed, record + EXTENT, extent);
        both_orders(&mut changed, record + LENGTH, length);
    }
    for volume in volumes {
        both_orders(&mut changed, volume + VOLUME_SIZE, sectors);
    }
    Ok(changed)
}

struct Search<'a> {
    image: &'a [u8],
    name: &'a str,
    /// Where the records of the file are.
    found: Vec<usize>,
    /// Records and gaps that were looked at.
    looks: usize,
}

impl Search<'_> {
    /// Goes through the directory of this record, and those in it. None: the image is not what it says.
    fn directory(&mut self, record: usize, depth: usize) -> Option<()> {
        let start = (number(self.image, record + EXTENT)? as usize).checked_mul(SECTOR)?;
        let end = start.checked_add(number(self.image, record + LENGTH)? as usize)?;
        let mut at = start;
        while at < end {
            self.looks += 1;
            if self.looks > LOOKS_MAX {
                return None;
            }
            let length = usize::from(*self.image.get(at)?);
            if length == 0 {
                // Records do not cross sectors (ECMA-119 section 6.8.1.1).
                at = (at / SECTOR + 1) * SECTOR;
                continue;
            }
            let flags = *self.image.get(at + FLAGS)?;
            let name_length = usize::from(*self.image.get(at + NAME_LENGTH)?);
            let name = self.image.get(at + NAME..at + NAME + name_length)?;
            // A directory's first two records are itself and its parent: names of one byte, 0 and 1.
            let is_real = !matches!(name, [0] | [1]);
            if flags & IS_DIRECTORY != 0 {
                if is_real && depth < DEPTH_MAX {
                    self.directory(at, depth + 1)?;
                }
            } else if is_named(name, self.name) {
                self.found.push(at);
            }
            at = at.checked_add(length)?;
        }
        Some(())
    }
}

/// Whether a record's name is this file's: in one byte a character or, in Joliet, in two; with or without a version.
fn is_named(recorded: &[u8], name: &str) -> bool {
    let narrow: Vec<u8> = recorded.to_vec();
    let wide: Vec<u8> =
        recorded.chunks_exact(2).map(|pair| if pair[0] == 0 { pair[1] } else { b'?' }).collect();
    [narrow, wide].iter().any(|text| {
        let text = text.strip_suffix(b";1").unwrap_or(text);
        text.eq_ignore_ascii_case(name.as_bytes())
    })
}

fn number(image: &[u8], at: usize) -> Option<u32> {
    let bytes = image.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// ECMA-119 section 7.3.3: every number is there twice, in both byte orders.
fn both_orders(image: &mut [u8], at: usize, value: u32) {
    if let Some(place) = image.get_mut(at..at + 8) {
        place[..4].copy_from_slice(&value.to_le_bytes());
        place[4..].copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(name: &[u8], extent: u32, length: u32, flags: u8) -> Vec<u8> {
        let mut record = vec![0; NAME];
        both_orders(&mut record, EXTENT, extent);
        both_orders(&mut record, LENGTH, length);
        record[FLAGS] = flags;
        record[NAME_LENGTH] = name.len() as u8;
        record.extend_from_slice(name);
        if record.len() % 2 == 1 {
            record.push(0);
        }
        record[0] = record.len() as u8;
        record
    }

    /// Root with one directory that holds two files, named in both ways.
    fn image(wide: bool) -> Vec<u8> {
        let spell = |text: &str| -> Vec<u8> {
            if wide { text.bytes().flat_map(|byte| [0, byte]).collect() } else { text.bytes().collect() }
        };
        let sector = SECTOR as u32;
        let mut image = vec![0; 22 * SECTOR];
        image[16 * SECTOR] = if wide { SUPPLEMENTARY } else { PRIMARY };
        image[17 * SECTOR] = TERMINATOR;
        for index in [16, 17] {
            image[index * SECTOR + 1..index * SECTOR + 6].copy_from_slice(b"CD001");
        }
        let mut put = |at: usize, records: &[Vec<u8>]| {
            let bytes = records.concat();
            image[at..at + bytes.len()].copy_from_slice(&bytes);
        };
        put(16 * SECTOR + ROOT_RECORD, &[record(&[0], 18, sector, IS_DIRECTORY)]);
        let own =
            |extent| [record(&[0], extent, sector, IS_DIRECTORY), record(&[1], 18, sector, IS_DIRECTORY)];
        let [this, parent] = own(18);
        put(18 * SECTOR, &[this, parent, record(&spell("latest"), 19, sector, IS_DIRECTORY)]);
        let [this, parent] = own(19);
        let files =
            [record(&spell("network_data.json;1"), 20, 2, 0), record(&spell("meta_data.json;1"), 21, 4, 0)];
        put(19 * SECTOR, [vec![this, parent], files.to_vec()].concat().as_slice());
        image[20 * SECTOR..20 * SECTOR + 2].copy_from_slice(b"{}");
        image[21 * SECTOR..21 * SECTOR + 4].copy_from_slice(b"meta");
        image
    }

    fn read(image: &[u8], name: &str) -> Vec<u8> {
        let mut search = Search { image, name, found: vec![], looks: 0 };
        search.directory(16 * SECTOR + ROOT_RECORD, 0).unwrap();
        let at = search.found[0];
        let start = number(image, at + EXTENT).unwrap() as usize * SECTOR;
        image[start..start + number(image, at + LENGTH).unwrap() as usize].to_vec()
    }

    #[test]
    fn one_file_is_replaced_and_the_others_stay() {
        for wide in [false, true] {
            let before = image(wide);
            let content = b"{\"links\": []}".repeat(300);
            let after = replace(&before, "network_data.json", &content).unwrap();
            assert_eq!(read(&after, "network_data.json"), content);
            assert_eq!(read(&after, "meta_data.json"), b"meta");
            assert_eq!(after.len() % SECTOR, 0);
            assert_eq!(number(&after, 16 * SECTOR + VOLUME_SIZE), Some((after.len() / SECTOR) as u32));
            let again = replace(&after, "network_data.json", b"short").unwrap();
            assert_eq!(read(&again, "network_data.json"), b"short");
            assert_eq!(replace(&before, "vendor_data.json", b""), Err(NotReplaced::NoSuchFile));
        }
        assert_eq!(replace(b"a vfat image", "network_data.json", b""), Err(NotReplaced::NotIso));
    }

    /// A directory may be as long as the image, and be named as often as there are records: what is between records counts, too.
    #[test]
    fn the_work_is_bounded_whatever_the_directories_say() {
        const DIRECTORIES: u32 = 20;
        const SECTORS: u32 = 1000;
        let mut image = image(false);
        image.resize((30 + SECTORS as usize) * SECTOR, 0);
        let many: Vec<_> =
            (0..DIRECTORIES).map(|_| record(b"d", 25, SECTORS * SECTOR as u32, IS_DIRECTORY)).collect();
        let many = many.concat();
        image[18 * SECTOR..18 * SECTOR + many.len()].copy_from_slice(&many);
        assert_eq!(replace(&image, "network_data.json", b"{}"), Err(NotReplaced::NotIso));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec((0_usize..22 * SECTOR, any::<u8>()), 0..40), cut in 0_usize..22 * SECTOR) {
            let mut image = image(false);
            for (at, byte) in noise {
                image[at] = byte;
            }
            let _ = replace(&image, "network_data.json", b"{}");
            let _ = replace(&image[..cut], "network_data.json", b"{}");
        }
    }
}
