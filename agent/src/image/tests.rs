//! Edges: the cache against an upstream that misbehaves, and the readers against qemu-img.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;
use protocol::{
    command::FailureKind,
    step::{ImageFormat, ImageRef},
};
use ring::digest;
use tokio::sync::Barrier;

use super::{Cache, CachedImage, ImageError, ImageStream, Upstream, UpstreamError, source::Scratch};

const DISK_BYTES: usize = (3 << 20) + 512;
/// Of a rack.
const SERVERS: usize = 48;

/// Answers with the same bytes, in small pieces, and breaks off each of the first `breaks` streams half-way.
struct Flaky {
    content: Vec<u8>,
    breaks: usize,
    fetches: AtomicUsize,
}

#[async_trait]
impl Upstream for Flaky {
    async fn fetch(&self, _id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let rest = &self.content[offset as usize..];
        let fetch = self.fetches.fetch_add(1, Ordering::SeqCst);
        let mut items: Vec<_> = rest.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        if fetch < self.breaks {
            items.truncate(items.len() / 2);
            items.push(Err(UpstreamError { reason: "the line went dead".into() }));
        }
        Ok(Box::pin(futures::stream::iter(items)))
    }
}

fn reference(content: &[u8]) -> ImageRef {
    ImageRef {
        id: "image-1".into(),
        format: ImageFormat::Raw,
        size_bytes: content.len() as u64,
        sha512: protocol::hex::encode(digest::digest(&digest::SHA512, content)),
    }
}

fn cache(dir: &Path, content: &[u8], breaks: usize) -> (Arc<Flaky>, Cache) {
    let upstream = Arc::new(Flaky { content: content.to_vec(), breaks, fetches: AtomicUsize::new(0) });
    let opened = Cache::open(dir, 100_000, Arc::clone(&upstream) as Arc<dyn Upstream>).unwrap();
    (upstream, opened)
}

/// Sectors of noise with runs of zeroes, the same every time.
fn content() -> Vec<u8> {
    let mut state = 7u64;
    let mut bytes = vec![0; DISK_BYTES];
    for (index, sector) in bytes.chunks_mut(512).enumerate() {
        if index / 300 % 3 != 1 {
            for byte in sector {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 60) as u8; // few values, so that it can be compressed
            }
        }
    }
    bytes
}

#[tokio::test]
async fn many_servers_cause_one_download_and_a_restart_causes_none() {
    let dir = tempfile::tempdir().unwrap();
    let content = vec![5; 50_000];
    let (upstream, opened) = cache(dir.path(), &content, 0);
    let image = reference(&content);
    let all = futures::future::join_all((0..SERVERS).map(|_| opened.get(&image))).await;
    for got in all {
        let mut extents = got.unwrap().extents();
        let first = extents.recv().await.unwrap().unwrap();
        assert!(first.bytes == content && extents.recv().await.is_none());
    }
    assert_eq!(upstream.fetches.load(Ordering::SeqCst), 1);
    fs::write(dir.path().join("left.part"), "half").unwrap();
    let (upstream, opened) = cache(dir.path(), &content, 0);
    opened.get(&image).await.unwrap();
    assert_eq!(upstream.fetches.load(Ordering::SeqCst), 0);
    assert!(!dir.path().join("left.part").exists());
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let check = async |breaks: usize, good: bool| {
        let dir = tempfile::tempdir().unwrap();
        let content = vec![5; 50_000];
        let (upstream, opened) = cache(dir.path(), &content, breaks);
        let got = opened.get(&reference(&content)).await;
        match (got, good) {
            (Ok(_), true) => assert_eq!(upstream.fetches.load(Ordering::SeqCst), breaks + 1),
            (Err(failure), false) => {
                assert_eq!(failure.kind, FailureKind::ImageUnavailable);
                assert!(failure.message.contains("the line went dead"), "{failure}");
            }
            (got, _) => panic!("{breaks} breaks: {got:?}"),
        }
    };
    check(1, true).await;
    check(4, true).await;
    check(99, false).await;
}

#[tokio::test]
async fn an_image_that_is_not_the_promised_one_is_refused_and_not_kept() {
    let content = vec![5; 50_000];
    let good = reference(&content);
    let check = async |image: ImageRef, kind: FailureKind, word: &str| {
        let dir = tempfile::tempdir().unwrap();
        let (_, opened) = cache(dir.path(), &content, 0);
        let failure = opened.get(&image).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was kept");
    };
    let other = reference(b"other").sha512;
    check(ImageRef { sha512: other.clone(), ..good.clone() }, FailureKind::ImageCorrupt, &other[..12]).await;
    check(ImageRef { size_bytes: 49_999, ..good.clone() }, FailureKind::ImageCorrupt, "promised 49999").await;
    check(ImageRef { size_bytes: 200_000, ..good.clone() }, FailureKind::ImageUnavailable, "exceed").await;
    check(
        ImageRef { sha512: "../etc/passwd".into(), ..good.clone() },
        FailureKind::ImageUnavailable,
        "SHA-512",
    )
    .await;
}

#[tokio::test]
async fn the_least_used_image_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (0..3u8).map(|byte| vec![byte; 40_000]).collect();
    for content in &contents {
        let (_, opened) = cache(dir.path(), content, 0);
        let held = opened.get(&reference(content)).await.unwrap();
        assert_eq!(held.virtual_bytes(), 40_000);
    }
    let kept = |index: usize| dir.path().join(reference(&contents[index]).sha512).exists();
    assert_eq!([kept(0), kept(1), kept(2)], [false, true, true]);
}

/// Gives every image's bytes in small pieces, and notes how much lies in the directory meanwhile. The first `together` fetches
/// begin only when all of them have been asked for.
struct Watching {
    dir: PathBuf,
    contents: Vec<Vec<u8>>,
    together: usize,
    all_asked: Barrier,
    fetches: AtomicUsize,
    most_bytes: Arc<AtomicU64>,
}

impl Watching {
    /// Images of these lengths, each of another byte, in a cache of 100,000 bytes.
    fn cache(dir: &Path, lengths: &[usize], together: usize) -> (Arc<Self>, Cache) {
        let contents = (0..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
        let (fetches, most_bytes) = (AtomicUsize::new(0), Arc::default());
        let (dir_of, all_asked) = (dir.to_owned(), Barrier::new(together));
        let upstream = Arc::new(Self { dir: dir_of, contents, together, all_asked, fetches, most_bytes });
        let opened = Cache::open(dir, 100_000, Arc::clone(&upstream) as Arc<dyn Upstream>).unwrap();
        (upstream, opened)
    }

    fn reference(&self, index: usize) -> ImageRef {
        ImageRef { id: index.to_string(), ..reference(&self.contents[index]) }
    }
}

fn bytes_in(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().map_or(0, |meta| meta.len())).sum()
}

#[async_trait]
impl Upstream for Watching {
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        if self.fetches.fetch_add(1, Ordering::SeqCst) < self.together {
            self.all_asked.wait().await;
        }
        let rest = &self.contents[id.parse::<usize>().unwrap()][offset as usize..];
        let pieces: Vec<_> = rest.chunks(1000).map(Bytes::copy_from_slice).collect();
        let (dir, most) = (self.dir.clone(), Arc::clone(&self.most_bytes));
        Ok(Box::pin(futures::stream::iter(pieces).map(move |piece| {
            most.fetch_max(bytes_in(&dir), Ordering::SeqCst);
            Ok(piece)
        })))
    }
}

#[tokio::test]
async fn downloads_at_once_have_room_for_all_of_each_or_wait() {
    let check = async |lengths: &[usize], together: usize| {
        let dir = tempfile::tempdir().unwrap();
        let (upstream, opened) = Watching::cache(dir.path(), lengths, together);
        let images: Vec<_> = (0..lengths.len()).map(|index| upstream.reference(index)).collect();
        let all = futures::future::join_all(images.iter().map(|image| opened.get(image)));
        let all = tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
        for (got, length) in all.iter().zip(lengths) {
            assert_eq!(got.as_ref().unwrap().virtual_bytes(), *length as u64);
        }
        let most = upstream.most_bytes.load(Ordering::SeqCst).max(bytes_in(dir.path()));
        assert!(most <= 100_000, "{lengths:?}: {most} bytes in a cache of 100000");
        assert_eq!(upstream.fetches.load(Ordering::SeqCst), lengths.len());
    };
    check(&[60_000, 60_000], 1).await;
    check(&[100_000, 1, 100_000], 1).await;
    // What fits together is fetched together.
    check(&[50_000, 50_000], 2).await;
    check(&[40_000, 40_000, 40_000, 40_000], 2).await;
}

fn qemu_img(dir: &Path, arguments: &[&str]) {
    let output = Command::new("qemu-img").args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The disk as our extents describe it.
async fn disk(path: &Path, format: ImageFormat) -> Result<Vec<u8>, ImageError> {
    let image = Arc::new(CachedImage::open(path, format)?);
    let mut disk = vec![0; image.virtual_bytes() as usize];
    let mut extents = image.extents();
    let mut last = 0;
    while let Some(extent) = extents.recv().await {
        let extent = extent?;
        let at = extent.offset as usize;
        assert!(at >= last, "extents out of order");
        last = at + extent.bytes.len();
        disk[at..last].copy_from_slice(&extent.bytes);
    }
    Ok(disk)
}

#[tokio::test]
async fn qcow2_reads_as_qemu_img_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let content = content();
    fs::write(dir.path().join("raw"), &content).unwrap();
    assert!(disk(&dir.path().join("raw"), ImageFormat::Raw).await.unwrap() == content, "raw");
    let check = async |options: &[&str]| {
        let convert = ["convert", "-f", "raw", "-O", "qcow2"];
        qemu_img(dir.path(), &[&convert[..], options, &["raw", "image"]].concat());
        let found = disk(&dir.path().join("image"), ImageFormat::Qcow2).await;
        assert!(found.is_ok_and(|found| found == content), "{options:?}");
    };
    check(&[]).await;
    check(&["-c"]).await;
    check(&["-o", "compat=0.10"]).await;
    check(&["-c", "-o", "compat=0.10,cluster_size=4096"]).await;
    check(&["-c", "-o", "cluster_size=512"]).await;
    check(&["-c", "-o", "cluster_size=2M"]).await;
    check(&["-S", "0"]).await;
    check(&["-o", "preallocation=metadata"]).await;
    check(&["-c", "-o", "compression_type=zstd"]).await;
    check(&["-o", "compression_type=zstd"]).await;
    check(&["-c", "-o", "compression_type=zstd,cluster_size=512"]).await;
    check(&["-c", "-o", "compression_type=zstd,cluster_size=2M"]).await;
    check(&["-o", "extended_l2=on"]).await;
    check(&["-o", "extended_l2=on,cluster_size=16k"]).await;
    check(&["-o", "extended_l2=on,cluster_size=2M"]).await;
    check(&["-c", "-o", "extended_l2=on,compression_type=zstd,cluster_size=128k"]).await;
}

/// Parts of clusters that are written, discarded and zeroed one by one, as no conversion leaves them.
#[tokio::test]
async fn subclusters_read_as_qemu_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    qemu_img(
        dir.path(),
        &["create", "-q", "-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k", "image", "8M"],
    );
    let writes = [
        "write -P 1 4k 4k",
        "write -P 2 200k 60k",
        "write -P 3 1M 128k",
        "write -z 1028k 8k",
        "discard 1056k 4k",
        "write -z -u 2M 128k",
        "write -P 4 2052k 512",
        "write -P 5 8191k 1k",
    ];
    let mut qemu_io = Command::new("qemu-io");
    qemu_io.args(["-d", "unmap", "image"]).args(writes.iter().flat_map(|write| ["-c", write]));
    assert!(qemu_io.current_dir(dir.path()).output().unwrap().status.success());
    qemu_img(dir.path(), &["convert", "-O", "raw", "image", "raw"]);
    let found = disk(&dir.path().join("image"), ImageFormat::Qcow2).await.unwrap();
    assert!(found == fs::read(dir.path().join("raw")).unwrap());
}

fn run(dir: &Path, program: &mut Command) {
    let output = program.current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What comes out of the cache for a file of this content.
async fn cached(dir: &Path, content: &[u8]) -> Result<Vec<u8>, String> {
    let (_, opened) = cache_of(dir, content, 64 << 20);
    let image = opened.get(&reference(content)).await.map_err(|failure| failure.message)?;
    let mut disk = vec![0; image.virtual_bytes() as usize];
    let copied = image.each_extent(
        || true,
        |extent| {
            let at = extent.offset as usize;
            disk[at..at + extent.bytes.len()].copy_from_slice(&extent.bytes);
            true
        },
    );
    copied.map_err(|error| error.to_string()).map(|()| disk)
}

fn cache_of(dir: &Path, content: &[u8], max_bytes: u64) -> (Arc<Flaky>, Cache) {
    let upstream = Arc::new(Flaky { content: content.to_vec(), breaks: 1, fetches: AtomicUsize::new(0) });
    let opened = Cache::open(dir, max_bytes, Arc::clone(&upstream) as Arc<dyn Upstream>).unwrap();
    (upstream, opened)
}

#[tokio::test]
async fn a_compressed_disk_is_unpacked_once_whatever_packed_it() {
    let dir = tempfile::tempdir().unwrap();
    let content = content();
    fs::write(dir.path().join("raw"), &content).unwrap();
    qemu_img(dir.path(), &["convert", "-c", "-f", "raw", "-O", "qcow2", "raw", "qcow2"]);
    let check = async |program: &str, options: &[&str], of: &str| {
        let packed = Command::new(program).args(options).args(["-c", of]).current_dir(dir.path()).output();
        let packed = packed.unwrap().stdout;
        assert!(packed.len() > 1000);
        let cache = tempfile::tempdir().unwrap();
        assert!(cached(cache.path(), &packed).await.unwrap() == content, "{program} {options:?} {of}");
        let held: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|file| file.unwrap()).collect();
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].file_name().to_string_lossy(), format!("{}.disk", reference(&packed).sha512));
        // What is zero takes no room.
        let takes = held[0].metadata().unwrap().blocks() * 512;
        assert!(takes < content.len() as u64, "{takes} bytes");
        // After a restart it is still there, and the file itself is another thing.
        let (upstream, opened) = cache_of(cache.path(), &packed, 64 << 20);
        opened.get(&reference(&packed)).await.unwrap();
        assert_eq!(upstream.fetches.load(Ordering::SeqCst), 0);
        let file = opened.file(&reference(&packed)).await.unwrap();
        assert!(file.whole().unwrap() == packed);
    };
    check("gzip", &["-1"], "raw").await;
    check("xz", &["-0"], "raw").await;
    check("xz", &["-9", "--block-size=500000"], "raw").await;
    check("zstd", &["-1"], "raw").await;
    check("zstd", &["-19", "--long=26"], "raw").await;
    check("gzip", &[], "qcow2").await;
    check("zstd", &[], "qcow2").await;
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_refused_with_the_reason_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let check = async |packed: &[u8], max_bytes: u64, kind: FailureKind, words: &str| {
        let cache = tempfile::tempdir().unwrap();
        let (_, opened) = cache_of(cache.path(), packed, max_bytes);
        let failure = opened.get(&reference(packed)).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "something was kept");
    };
    let pack = |program: &str, options: &[&str], content: &[u8]| {
        fs::write(dir.path().join("raw"), content).unwrap();
        let packed = Command::new(program).args(options).args(["-c", "raw"]).current_dir(dir.path()).output();
        packed.unwrap().stdout
    };
    const MANY: u64 = 64 << 20;
    let content = content();
    let good = pack("zstd", &["-1"], &content);
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 0x40;
    let corrupt = FailureKind::ImageCorrupt;
    check(&damaged, MANY, corrupt, "compressed by zstd in it cannot be unpacked").await;
    check(&good[..good.len() - 100], MANY, corrupt, "cannot be unpacked").await;
    // Zeroes take no room and would take time without end.
    check(&pack("zstd", &[], &vec![0; (32 << 20) + 1]), MANY, corrupt, "more than 33554432 bytes").await;
    check(&pack("gzip", &[], &vec![0; (32 << 20) + 1]), MANY, corrupt, "more than 33554432 bytes").await;
    let unavailable = FailureKind::ImageUnavailable;
    check(&good, good.len() as u64 + 70_000, unavailable, "make image_cache.size_mib larger").await;
}

/// What is known to be no disk is refused wherever it is: as it is, in a qcow2 file, in a compressed one.
#[tokio::test]
async fn what_is_no_disk_reaches_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let check = async |expected: Option<&str>| {
        qemu_img(path, &["convert", "-c", "-f", "raw", "-O", "qcow2", "raw", "qcow2"]);
        run(path, Command::new("zstd").args(["-q", "-f", "raw", "-o", "zst"]));
        for (name, format) in
            [("raw", ImageFormat::Raw), ("qcow2", ImageFormat::Qcow2), ("zst", ImageFormat::Raw)]
        {
            let content = fs::read(path.join(name)).unwrap();
            let cache = tempfile::tempdir().unwrap();
            let (_, opened) = cache_of(cache.path(), &content, 64 << 20);
            let got = opened.get(&ImageRef { format, ..reference(&content) }).await;
            match (got, expected) {
                (Ok(_), None) => {}
                (Err(failure), Some(words)) => assert!(failure.message.contains(words), "{failure}"),
                (got, expected) => panic!("{name}: {got:?} instead of {expected:?}"),
            }
        }
    };
    fs::write(path.join("raw"), content()).unwrap();
    check(None).await;
    let file = fs::File::create(path.join("raw")).unwrap();
    file.set_len(4 << 20).unwrap();
    run(path, Command::new("mkfs.ext4").args(["-q", "-F", "raw"]));
    check(Some("it is an ext file system without a partition table")).await;
    run(path, Command::new("mkfs.vfat").arg("raw"));
    check(Some("it is a FAT file system")).await;
    fs::create_dir(path.join("empty")).unwrap();
    run(path, Command::new("genisoimage").args(["-quiet", "-o", "raw", "empty"]));
    check(Some("it is an ISO image, a medium to install from")).await;
    fs::write(path.join("disk"), content()).unwrap();
    for (format, words) in
        [("vmdk", "VMDK"), ("vdi", "VDI"), ("vhdx", "VHDX"), ("vpc", "VHD"), ("qed", "QED")]
    {
        qemu_img(path, &["convert", "-f", "raw", "-O", format, "disk", "raw"]);
        check(Some(words)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("raw"), content()).unwrap();
    let check = async |arguments: &[&str], word: &str| {
        qemu_img(dir.path(), arguments);
        let error = disk(&dir.path().join("image"), ImageFormat::Qcow2).await.unwrap_err().to_string();
        assert!(error.contains(word), "{arguments:?}: {error}");
    };
    check(&["create", "-f", "qcow2", "-b", "raw", "-F", "raw", "image"], "backing file").await;
    check(&["create", "-f", "qcow2", "-o", "data_file=data", "image", "1M"], "another file").await;
    check(&["convert", "-f", "raw", "-O", "vmdk", "raw", "image"], "begin like").await;
}

/// A file with a disk of 64 TiB, whose tables are all there is: so many of them, each with these entries first, and all of them
/// led to by as many entries of the first table.
fn wide(tables: usize, led_to: usize, entries: &[u64]) -> tempfile::NamedTempFile {
    const CLUSTER: usize = 1 << 16;
    const VIRTUAL_BYTES: u64 = 64 << 40;
    let firsts = (VIRTUAL_BYTES >> (16 + 13)) as usize;
    let second = CLUSTER + (firsts * 8).next_multiple_of(CLUSTER);
    let mut bytes = vec![0; second + (tables + 1) * CLUSTER];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &16u32.to_be_bytes());
    put(24, &VIRTUAL_BYTES.to_be_bytes());
    put(36, &(firsts as u32).to_be_bytes());
    put(40, &(CLUSTER as u64).to_be_bytes());
    put(100, &104u32.to_be_bytes());
    for index in 0..led_to {
        let table = second + index % tables * CLUSTER;
        put(CLUSTER + (firsts - led_to + index) * 8, &(table as u64 | 1 << 63).to_be_bytes());
    }
    for table in 0..tables {
        for (index, entry) in entries.iter().enumerate() {
            put(second + table * CLUSTER + index * 8, &entry.to_be_bytes());
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

/// A small file may describe a disk of 64 TiB. What is done for it follows from what is in the file, not from that number.
#[test]
fn the_work_follows_from_the_file_and_not_from_the_disk_that_it_describes() {
    const LOOKS_MAX: usize = 100;
    let check = |file: tempfile::NamedTempFile, expected: Result<usize, &str>| {
        let looks = std::cell::Cell::new(0);
        let wanted = || {
            looks.set(looks.get() + 1);
            looks.get() < LOOKS_MAX
        };
        let read = CachedImage::open(file.path(), ImageFormat::Qcow2)
            .and_then(|image| image.each_extent(wanted, |_| true));
        match (read, expected) {
            (Ok(()), Ok(expected)) => assert_eq!(looks.get(), expected),
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{error}"),
            (read, _) => panic!("{read:?} after {} looks", looks.get()),
        }
    };
    // Tables that lead nowhere, or to clusters that read as zeroes.
    check(wide(10, 10, &[]), Ok(1));
    check(wide(10, 10, &[1, 1, 1]), Ok(1));
    // One cluster of data in each of ten tables, half a GiB apart.
    check(wide(10, 10, &[0, 0, 1 << 16]), Ok(11));
    // The same tables for the whole disk: no file that was written so shares them.
    check(wide(1, 131_072, &[]), Err("lead to tables"));
    check(wide(1, 131_072, &[1 << 16]), Err("lead to tables"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// One changed byte anywhere in the tables: an error or other data, but no panic and no endless reading.
    #[test]
    fn no_damage_panics(at in 0usize..0x50000, byte in any::<u8>(), cut in any::<bool>()) {
        static IMAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let image = IMAGE.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("raw"), &content()[..600 << 10]).unwrap();
            qemu_img(dir.path(), &["convert", "-c", "-f", "raw", "-O", "qcow2", "raw", "image"]);
            fs::read(dir.path().join("image")).unwrap()
        });
        let mut damaged = image.clone();
        let at = at % damaged.len();
        damaged[at] = byte;
        if cut {
            damaged.truncate(at);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), damaged).unwrap();
        if let Ok(image) = CachedImage::open(file.path(), ImageFormat::Qcow2) {
            let mut buffer = vec![0; (image.virtual_bytes() as usize).min(1 << 20)];
            let _ = image.read_at(0, &mut buffer, &mut Scratch::default());
        }
    }
}
