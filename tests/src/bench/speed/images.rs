//! Edges: an image on its way from the image service into the rack's cache, and from there by TLS to a disk, written and read back, in one
//! process: what is counted is the agent's work and the ramdisk's together, and nothing of the image service's. The disk is a file.
//!
//! Each figure is the processor time for a GB of the disk that the image describes, or of the file for the way into the cache.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event, Listener},
};
use anyhow::{Context, anyhow, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    boot::{BootPlan, BootPurpose},
    hardware, hex,
    id::{CommandId, ServerId},
    network::BootNetwork,
    ramdisk::{FromAgent, FromRamdisk, Task},
    root_device::RootDeviceHints,
    step::{ImageFormat, ImageRef, Step},
};
use ramdisk::{
    disk::OpenDisk,
    link::{Link, Received},
    write_image::ImageWriter,
};
use sha2::{Digest, Sha512};
use tokio::sync::mpsc;

use super::{cost, jobs::Measured};

/// Bytes of a GB, by which is counted.
const GB: f64 = 1e9;
/// The disk: so many pieces, of which every third one is data that a compressor makes half as long, as programs are.
const PIECES: usize = 768;
const PIECE_BYTES: usize = 1 << 20;
const DISK_BYTES: u64 = (PIECES * PIECE_BYTES) as u64;
/// As the coordinator sends them.
const CHUNK_BYTES: usize = 256 << 10;
const CACHE_BYTES: u64 = 4 << 30;
const WAIT_MAX: Duration = Duration::from_secs(300);

/// In which form the image is.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// As the disk is.
    Raw,
    /// In clusters that are compressed by deflate.
    Qcow2,
    /// Compressed as a whole.
    Zstd,
}

/// Reads the image's file as an image service would send it.
struct Service(PathBuf);

#[async_trait]
impl Upstream for Service {
    async fn fetch(&self, _id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let failed = |error: std::io::Error| UpstreamError { reason: error.to_string() };
        let mut file = File::open(&self.0).map_err(failed)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).map_err(failed)?;
        let pieces = std::iter::from_fn(move || {
            let mut piece = vec![0; CHUNK_BYTES];
            match file.read(&mut piece) {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    Some(Ok(Bytes::from(piece)))
                }
                Err(error) => Some(Err(failed(error))),
            }
        });
        Ok(Box::pin(futures::stream::iter(pieces)))
    }
}

/// Fetches the image into a cache, and from there writes it `rounds` times.
pub async fn measure(form: Form, rounds: usize) -> anyhow::Result<Measured> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().to_owned();
    let (path, format) = tokio::task::spawn_blocking(move || make(&at, form)).await??;
    let image = reference(&path, format)?;
    let cache = Arc::new(Cache::open(dir.path().join("images"), CACHE_BYTES, Arc::new(Service(path)))?);
    let used = cost::own()?;
    cache.get(&image).await?;
    let fetch = cost::own()?.saturating_sub(used);
    let used = cost::own()?;
    for _ in 0..rounds {
        write(dir.path(), &cache, &image).await?;
    }
    let written = cost::own()?.saturating_sub(used);
    let per_gb = |used: Duration, bytes: u64| used.as_secs_f64() / (bytes as f64 / GB);
    Ok(BTreeMap::from([
        ("fetch_cpu_s".to_owned(), per_gb(fetch, image.size_bytes)),
        ("write_cpu_s".to_owned(), per_gb(written, DISK_BYTES * rounds as u64)),
        ("all_cpu_s".to_owned(), per_gb(fetch + written / rounds as u32, DISK_BYTES)),
        ("most_mib".to_owned(), most_mib()?),
    ]))
}

/// The image's file, and its format.
fn make(dir: &Path, form: Form) -> anyhow::Result<(PathBuf, ImageFormat)> {
    let raw = dir.join("raw");
    let mut file = BufWriter::new(File::create(&raw)?);
    let mut state = 7_u64;
    for index in 0..PIECES {
        let mut piece = vec![0_u8; PIECE_BYTES];
        if index % 3 == 1 {
            for word in piece.chunks_exact_mut(8) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                word[..4].copy_from_slice(&state.to_be_bytes()[..4]);
            }
        }
        file.write_all(&piece)?;
    }
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    let made = |name: &str| dir.join(name);
    Ok(match form {
        Form::Raw => (raw, ImageFormat::Raw),
        Form::Qcow2 => {
            let packed = made("qcow2");
            run(Command::new("qemu-img").args(["convert", "-c", "-O", "qcow2"]).args([&raw, &packed]))?;
            (packed, ImageFormat::Qcow2)
        }
        Form::Zstd => {
            let packed = made("raw.zst");
            run(Command::new("zstd").arg("-q").arg(&raw).arg("-o").arg(&packed))?;
            (packed, ImageFormat::Raw)
        }
    })
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Hashes what is written to it.
struct Hashing<'a>(&'a mut Sha512);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn reference(path: &Path, format: ImageFormat) -> anyhow::Result<ImageRef> {
    let mut hash = Sha512::new();
    let size_bytes = std::io::copy(&mut File::open(path)?, &mut Hashing(&mut hash))?;
    Ok(ImageRef { id: "bench".to_owned(), format, size_bytes, sha512: hex::encode(hash.finalize()) })
}

/// One deployment: a session, one step, and the ramdisk's half of it.
async fn write(dir: &Path, cache: &Arc<Cache>, image: &ImageRef) -> anyhow::Result<()> {
    let state_dir = tempfile::tempdir_in(dir)?;
    let network = BootNetwork::Provisioning;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let listeners = vec![Listener { network, interface: "lo".to_owned(), address, prefix_len: 8 }];
    let (events, mut seen) = mpsc::channel(16);
    let boots = Vec::new();
    let config = ControlConfig {
        listeners,
        state_dir: state_dir.path().to_owned(),
        boots,
        resume_wait: WAIT_MAX,
        step_silence: WAIT_MAX,
    };
    let control = Control::start(config, Arc::clone(cache), events)?;
    let token = control.issue(ServerId::random(), BootPlan { purpose: BootPurpose::Deploy, network });
    let agent = control.address(network).context("nothing listens")?;
    let fingerprint = control.fingerprint().to_owned();
    let hello = FromRamdisk::Hello { token, hardware: Box::default() };
    let disk = state_dir.path().join("disk");
    let ramdisk = tokio::task::spawn_blocking(move || serve(agent, &fingerprint, &hello, &disk));
    let session = loop {
        if let Event::Ready { session, .. } = seen.recv().await.context("the agent has ended")? {
            break session;
        }
    };
    let step = Step::WriteImage { image: image.clone(), root_device: RootDeviceHints::default() };
    let step = control.run_step(session, CommandId::random(), step, |_| ());
    tokio::time::timeout(WAIT_MAX, step).await??;
    ramdisk.await??;
    control.stop().await;
    Ok(())
}

/// What a ramdisk does for one image.
fn serve(
    agent: std::net::SocketAddr,
    fingerprint: &str,
    hello: &FromRamdisk,
    disk: &Path,
) -> anyhow::Result<()> {
    let mut link = Link::connect(agent, fingerprint)?;
    link.greet(hello)?;
    let Received::Message(FromAgent::Run { command, task: Task::WriteImage { virtual_bytes, .. } }) =
        link.receive()?
    else {
        return Err(anyhow!("another task came"));
    };
    let file = File::options().read(true).write(true).create_new(true).open(disk)?;
    file.set_len(virtual_bytes)?;
    let disk = OpenDisk::from_file(file, "disk".to_owned(), virtual_bytes);
    let mut writer = ImageWriter::new(disk, hardware::Disk::default(), virtual_bytes);
    let sha256 = loop {
        match link.receive()? {
            Received::Data { offset, bytes } => {
                writer.write(offset, &bytes)?;
            }
            Received::Message(FromAgent::DataEnd { sha256 }) => break sha256,
            Received::Message(other) => return Err(anyhow!("{other:?} came")),
        }
    };
    let output = writer.finish(&sha256, &mut |_| ())?;
    link.send(&FromRamdisk::Finished { command, outcome: Ok(output) })?;
    link.farewell();
    Ok(())
}

/// Most memory that this process has had, in MiB.
fn most_mib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
