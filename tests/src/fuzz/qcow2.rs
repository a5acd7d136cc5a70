//! Edges: an image file as an agent reads it. (It reads files.)

use std::{fs, path::Path};

use agent::image::CachedImage;
use protocol::step::ImageFormat;

/// Most looks at the file, and extents: a megabyte each.
const LOOKS_MAX: usize = 8;

/// Extents rise, do not overlap and lie on the disk, whatever the tables say.
pub fn run(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file can be made in the directory for such files");
    fs::write(file.path(), data).expect("and written");
    for format in [ImageFormat::Qcow2, ImageFormat::Raw] {
        read(file.path(), format);
    }
}

fn read(path: &Path, format: ImageFormat) {
    let Ok(image) = CachedImage::open(path, format) else { return };
    let (mut end, mut looks) = (0, 0);
    let wanted = || {
        looks += 1;
        looks <= LOOKS_MAX
    };
    let _ = image.each_extent(wanted, |extent| {
        assert!(extent.offset >= end && !extent.bytes.is_empty());
        end = extent.offset + extent.bytes.len() as u64;
        assert!(end <= image.virtual_bytes());
        true
    });
}
