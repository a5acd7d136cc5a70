//! Decisions: one file of an ISO 9660 file system replaced (ECMA-119): the new content is put behind the end, and every directory
//! record of the file is led there. There may be several trees of directories over the same files, and every system reads another
//! one: the file is replaced in all of them, by the names that a reader of each sees (Rock Ridge's, where there are some), or in none.
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

/// Rock Ridge's own part of a directory record: entries with a signature, a length, a version, and of a name its flags and text
/// (IEEE P1281 and P1282, 4.1.4).
const ENTRY_HEAD: usize = 4;
const NAME_GOES_ON: u8 = 1;

/// Why a file was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReplaced {
    /// It is another kind of file system, or a broken one.
    #[error("it is not a readable ISO 9660 file system")]
    NotIso,
    /// It is that of a stick or a disk.
    #[error("it is a FAT file system, in which no file is changed here")]
    Fat,
    /// The same files are there once more, in a form that is not changed here and that readers prefer.
    #[error("it is a UDF file system beside an ISO 9660 one, and readers take that")]
    Udf,
    /// No directory has a file of this name.
    #[error("it holds no such file")]
    NoSuchFile,
    /// Readers of one of its trees would see the old one.
    #[error("only some of its trees of directories hold the file")]
    NotInEveryTree,
}

/// Replaces every file of this name, in whichever directory, by one content.
pub fn replace(image: &[u8], name: &str, content: &[u8]) -> Result<Vec<u8>, NotReplaced> {
    if is_fat(image) {
        return Err(NotReplaced::Fat);
    }
    let volumes = volumes(image)?;
    let found = places(image, name, &volumes)?;
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

/// The content of the first file of this name. None: it is not there, or not read here.
pub fn read<'a>(image: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let record = *places(image, name, &volumes(image).ok()?).ok()?.first()?;
    let start = (number(image, record + EXTENT)? as usize).checked_mul(SECTOR)?;
    image.get(start..start.checked_add(number(image, record + LENGTH)? as usize)?)
}

/// Where the descriptors of its trees are.
fn volumes(image: &[u8]) -> Result<Vec<usize>, NotReplaced> {
    let (mut volumes, mut is_over) = (Vec::new(), false);
    for start in (DESCRIPTORS..DESCRIPTORS + DESCRIPTORS_MAX).map(|index| index * SECTOR) {
        let Some(descriptor) = image.get(start..start + SECTOR) else { break };
        match (&descriptor[1..6], descriptor[0]) {
            (b"NSR02" | b"NSR03", _) => return Err(NotReplaced::Udf),
            // Behind the last one UDF's may follow, or anything.
            _ if is_over => {}
            (b"CD001", TERMINATOR) => is_over = true,
            (b"CD001", PRIMARY | SUPPLEMENTARY) => volumes.push(start),
            (b"CD001", _) => {}
            _ => break,
        }
    }
    if is_over { Ok(volumes) } else { Err(NotReplaced::NotIso) }
}

/// Where the records of the file are: in every tree as many, but for one whose names are too short for it, which readers take for
/// want of another.
fn places(image: &[u8], name: &str, volumes: &[usize]) -> Result<Vec<usize>, NotReplaced> {
    let mut search = Search { image, name, found: Vec::new(), looks: 0, has_long_names: false };
    let mut counts = Vec::new();
    for volume in volumes {
        let before = search.found.len();
        search.has_long_names = image.get(*volume) == Some(&SUPPLEMENTARY);
        search.directory(volume + ROOT_RECORD, 0).ok_or(NotReplaced::NotIso)?;
        let count = search.found.len() - before;
        if count > 0 || search.has_long_names {
            counts.push(count);
        }
    }
    match counts.first() {
        _ if search.found.is_empty() => Err(NotReplaced::NoSuchFile),
        Some(first) if counts.iter().all(|count| count == first) => Ok(search.found),
        Some(_) | None => Err(NotReplaced::NotInEveryTree),
    }
}

/// The boot sector of a FAT file system names it.
fn is_fat(image: &[u8]) -> bool {
    let names = |at: usize, name: &[u8]| image.get(at..).is_some_and(|rest| rest.starts_with(name));
    names(54, b"FAT1") || names(82, b"FAT32")
}

struct Search<'a> {
    image: &'a [u8],
    name: &'a str,
    /// Where the records of the file are.
    found: Vec<usize>,
    /// Records and gaps that were looked at.
    looks: usize,
    /// Whether a name of any length was seen, or there may be one.
    has_long_names: bool,
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
            } else if self.is_it(at, length, name)? {
                self.found.push(at);
            }
            at = at.checked_add(length)?;
        }
        Some(())
    }

    /// Whether this record is the file's: by Rock Ridge's name, if it has one.
    fn is_it(&mut self, at: usize, length: usize, name: &[u8]) -> Option<bool> {
        // A name of an even length is followed by a byte that makes the record's length even.
        let own = at + NAME + name.len() + usize::from(name.len().is_multiple_of(2));
        let mut entries = self.image.get(own.min(at + length)..at + length)?;
        let mut long: Option<Vec<u8>> = None;
        while let Some(entry) =
            entries.get(2).and_then(|length| entries.get(ENTRY_HEAD..usize::from(*length)))
        {
            if entries.starts_with(b"NM") {
                let (flags, text) = entry.split_first()?;
                long.get_or_insert_default().extend(text);
                self.has_long_names = true;
                if flags & NAME_GOES_ON == 0 {
                    break;
                }
            }
            entries = &entries[ENTRY_HEAD + entry.len()..];
        }
        Some(match long {
            Some(long) => long == self.name.as_bytes(),
            None => is_named(name, self.name),
        })
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
        let mut search = Search { image, name, found: vec![], looks: 0, has_long_names: false };
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
        assert_eq!(replace(b"no image", "network_data.json", b""), Err(NotReplaced::NotIso));
    }

    /// Drives as Nova and people make them, and what Linux's programs read of them afterwards.
    #[test]
    fn every_reader_sees_the_new_file_or_it_is_refused() {
        const NOVA: &str = "-ldots -allow-lowercase -allow-multidot -l -J -r";
        let check = |options: &str, expected: Result<(), NotReplaced>| {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            for version in ["latest", "2018-08-27"] {
                std::fs::create_dir_all(path("drive/openstack").join(version)).unwrap();
                for file in ["network_data.json", "meta_data.json", "a_much_longer_name_of_network_data.json"]
                {
                    std::fs::write(path("drive/openstack").join(version).join(file), "{\"old\": 1}").unwrap();
                }
            }
            let mut made = std::process::Command::new("genisoimage");
            made.args(["-quiet", "-V", "config-2", "-o"]).arg(path("iso")).args(options.split(' '));
            let made = made.arg(path("drive")).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let before = std::fs::read(path("iso")).unwrap();
            let changed = match (replace(&before, "network_data.json", b"{\"new\": 2}"), expected) {
                (Ok(changed), Ok(())) => changed,
                (found, expected) => {
                    assert_eq!(found.map(drop), expected, "{options}");
                    return;
                }
            };
            assert_eq!(super::read(&before, "network_data.json"), Some(&b"{\"old\": 1}"[..]));
            std::fs::write(path("iso"), &changed).unwrap();
            for tree in ["-R", "-J"]
                .into_iter()
                .filter(|tree| options.split(' ').any(|option| option.eq_ignore_ascii_case(tree)))
            {
                for (file, words) in [("network_data.json", "new"), ("meta_data.json", "old")] {
                    for version in ["latest", "2018-08-27"] {
                        let file = format!("/openstack/{version}/{file}");
                        let mut shown = std::process::Command::new("isoinfo");
                        shown.arg("-i").arg(path("iso")).args([tree, "-x", &file]);
                        let shown = shown.output().unwrap().stdout;
                        let shown = String::from_utf8_lossy(&shown);
                        assert!(shown.contains(words), "{options} {tree} {file}: {shown}");
                    }
                }
            }
        };
        check(NOVA, Ok(()));
        check("-R", Ok(()));
        check("-J -R", Ok(()));
        // Its other tree has names of eight letters and three.
        check("-J", Ok(()));
        check(&format!("{NOVA} -hide network_data.json"), Err(NotReplaced::NotInEveryTree));
        check(&format!("{NOVA} -hide-joliet network_data.json"), Err(NotReplaced::NotInEveryTree));
        // Names of 31 letters and of eleven.
        check("-l", Ok(()));
        check("-iso-level 1", Err(NotReplaced::NoSuchFile));
        check(&format!("{NOVA} -udf"), Err(NotReplaced::Udf));
    }

    #[test]
    fn other_kinds_of_drives_are_named() {
        let mut fat = vec![0; 64 << 10];
        fat[54..59].copy_from_slice(b"FAT16");
        assert_eq!(replace(&fat, "network_data.json", b""), Err(NotReplaced::Fat));
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
