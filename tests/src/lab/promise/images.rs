//! Edges: the promise of image management: a tenant's image from its file to Glance and away again; files that are no
//! images; uploads that break off; Glance away. No server is booted.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use api_types::{CachedImage, CachedImageStatus, Image, ImageCache, ImageFirmware, Server};
use faces::problem::Problem;
use openstack::{client::http_client, login::login};
use protocol::hex;
use sha2::{Digest, Sha512};

use super::super::{
    Lab,
    step::{Steps, wait_for},
    story::{FLAVOR, IMAGE, NETWORK},
    up,
};
use crate::{
    image,
    openstack::{OpenStack, Who},
};

/// The tenant's image.
const MINE: &str = "mine";
/// An image that never comes to be.
const NEVER: &str = "never";
/// How long what a broken upload has left may stay.
const LEFT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let files = Files::make(lab).await?;
    steps.step("upload a tenant's image, and read it back", upload(lab, &files)).await?;
    steps.step("see who may boot and delete what", rights(lab)).await?;
    steps
        .step("fetch an image into the rack's cache before anybody needs it, and drop it", cached(lab))
        .await?;
    steps.step("refuse files that are no images, with the reason", refused_files(lab, &files)).await?;
    steps.step("refuse an image that the servers cannot start", unfit(lab, &files)).await?;
    steps.step("take an upload away that its sender broke off", broken_off(lab, &files)).await?;
    steps.step("take an upload away in which the coordinator was killed", killed(lab, &files)).await?;
    steps.step("say what to do while Glance is away", glance_away(lab, &files)).await
}

/// What is uploaded.
struct Files {
    dir: PathBuf,
    good: PathBuf,
    raw: PathBuf,
}

impl Files {
    async fn make(lab: &Lab) -> anyhow::Result<Self> {
        let built = image::build(&lab.site.cache()).await?;
        let dir = lab.site.run().join("promise-images");
        tokio::fs::create_dir_all(&dir).await?;
        let raw = dir.join("disk.raw");
        let mut disk: Vec<u8> = (0..1_u32 << 20).map(|n| (n / 512) as u8 | 1).collect();
        // One partition, as Glance too wants to see.
        disk[446..510].fill(0);
        disk[450] = 0x83;
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        tokio::fs::write(&raw, disk).await?;
        Ok(Self { dir, good: built.qcow2, raw })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// A qcow2 file as `qemu-img` makes it.
    fn qemu_img(&self, name: &str, options: &[&str], bytes: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(name);
        let output = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2"])
            .args(options)
            .arg(&path)
            .arg(bytes)
            .output()
            .context("starting qemu-img")?;
        ensure!(output.status.success(), "qemu-img: {}", String::from_utf8_lossy(&output.stderr));
        Ok(path)
    }
}

fn sha512(path: &Path) -> anyhow::Result<String> {
    let digest = Sha512::digest(std::fs::read(path)?);
    Ok(hex::encode(digest))
}

/// Every image that Glance has, whatever its state, with the files that it keeps.
async fn everything(lab: &Lab) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let images: Vec<Image> = lab.admin.json("image list").await?;
    let kept = std::fs::read_dir(lab.site.run().join("openstack/glance/images"))?;
    let names = kept.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok((images.into_iter().map(|image| image.id).collect(), names.collect()))
}

async fn create(who: &super::super::ctl::Ctl, line: &str) -> anyhow::Result<Image> {
    let mut made: Vec<Image> = who.json(&format!("image create {line}")).await?;
    made.pop().context("no image was made")
}

async fn upload(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let (file, hash) = (files.good.display(), sha512(&files.good)?);
    let line = format!("{MINE} --file {file} --boot-mode bios --min-disk-gb 1 --sha512 {hash}");
    let made = create(&lab.tenant, &line).await?;
    ensure!(made.format == "qcow2" && made.status == "active" && made.visibility != "public", "{made:?}");
    ensure!(made.boot_mode == ImageFirmware::Bios && made.min_disk_gb == 1, "{made:?}");
    ensure!(made.sha512.as_deref() == Some(hash.as_str()), "{made:?}");
    // Its partition table is inside of the qcow2 file.
    ensure!(made.sector_bytes == Some(512), "{made:?}");
    ensure!(made.size_bytes == std::fs::metadata(&files.good)?.len(), "{made:?}");
    let shown: Image = lab.tenant.json(&format!("image show {MINE}")).await?;
    ensure!(shown == made, "{shown:?} is not {made:?}");
    let raw = create(&lab.tenant, &format!("plain --file {}", files.raw.display())).await?;
    ensure!(raw.format == "raw" && raw.boot_mode == ImageFirmware::Both && raw.min_disk_gb == 1, "{raw:?}");
    lab.tenant.run("image delete plain").await?;
    let words = lab.tenant.refused("image delete plain").await?;
    ensure!(words.contains("there is no image"), "{words}");
    Ok(())
}

async fn rights(lab: &Lab) -> anyhow::Result<()> {
    let names = async |who: &super::super::ctl::Ctl| -> anyhow::Result<BTreeSet<String>> {
        let images: Vec<Image> = who.json("image list").await?;
        Ok(images.into_iter().map(|image| image.name).collect())
    };
    let (mine, others) = (names(&lab.tenant).await?, names(&lab.other).await?);
    ensure!(mine.contains(MINE) && mine.contains(IMAGE), "the tenant sees {mine:?}");
    ensure!(!others.contains(MINE) && others.contains(IMAGE), "another tenant sees {others:?}");
    for line in [format!("image show {MINE}"), format!("image delete {MINE}")] {
        let words = lab.other.refused(&line).await?;
        ensure!(words.contains("there is no image"), "{line}: {words}");
    }
    let words = lab.tenant.refused(&format!("image delete {IMAGE}")).await?;
    ensure!(words.contains("belongs to another project"), "{words}");
    ensure!(names(&lab.tenant).await?.contains(IMAGE), "a public image was deleted by a tenant");
    Ok(())
}

/// The image in the rack's cache; none: it is not there.
async fn in_cache(lab: &Lab, name: &str) -> anyhow::Result<Option<CachedImage>> {
    let mut caches: Vec<ImageCache> = lab.admin.json("image cache list").await?;
    ensure!(caches.len() == 1, "the lab has one rack: {caches:?}");
    let cache = caches.remove(0);
    ensure!(cache.problem.is_none() && cache.free_bytes > 0, "{cache:?}");
    Ok(cache.images.into_iter().find(|image| image.name.as_deref() == Some(name)))
}

async fn cached(lab: &Lab) -> anyhow::Result<()> {
    for _ in 0..2 {
        let caches: Vec<ImageCache> = lab.admin.json(&format!("image cache warm {MINE} --wait")).await?;
        ensure!(caches.len() == 1, "{caches:?}");
        let there = in_cache(lab, MINE).await?.context("it is not in the cache")?;
        ensure!(there.status == CachedImageStatus::Cached && there.bytes > 0, "{there:?}");
        ensure!(there.waiting.is_empty() && there.in_use.is_empty(), "{there:?}");
    }
    let rack = lab.admin.json::<Vec<ImageCache>>("image cache list").await?.remove(0).rack;
    let drop = format!("image cache drop {MINE} --rack {rack}");
    for line in ["image cache list", drop.as_str()] {
        let words = lab.tenant.refused(line).await?;
        ensure!(words.contains("administrator"), "{line}: {words}");
    }
    lab.admin.run(&drop).await?;
    ensure!(in_cache(lab, MINE).await?.is_none(), "it is still in the cache");
    let words = lab.admin.refused(&drop).await?;
    ensure!(words.contains("there is no cached image"), "{words}");
    Ok(())
}

async fn refused_files(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let before = everything(lab).await?;
    let good = std::fs::read(&files.good)?;
    let other_hash = format!("--sha512 {}", "0".repeat(128));
    let backed = ["-u", "-F", "raw", "-b", "nothing.raw"];
    let cases = [
        (files.write("empty", b"")?, "", "the file is empty"),
        (files.write("page", b"<html>404 Not Found</html>")?, "", "with a boot record"),
        (files.write("packed", &[b"\x1f\x8b".as_slice(), &[7; 600]].concat())?, "", "gunzip"),
        (files.write("short", &good[..good.len() / 3 * 2])?, "", "damaged or cut off"),
        (files.write("shorter", &good[..100])?, "", "damaged or cut off"),
        (files.qemu_img("backed", &backed, "1M")?, "", "needs a backing file"),
        (files.qemu_img("large", &[], "5G")?, "--min-disk-gb 4", "request 5 GB or more"),
        (files.good.clone(), other_hash.as_str(), "SHA-512"),
        (files.good.clone(), "--sha512 abc", "128 hexadecimal digits"),
        (files.good.clone(), "--min-disk-gb 0", "min_disk_gb: must be"),
        (files.good.clone(), "--public", "administrator"),
    ];
    for (file, options, expected) in cases {
        let line = format!("image create {NEVER} --file {} {options}", file.display());
        let words = lab.tenant.refused(&line).await?;
        ensure!(words.contains(expected), "{line}: {words}");
    }
    let after = everything(lab).await?;
    ensure!(before == after, "refused uploads left something: {before:?}, then {after:?}");
    Ok(())
}

async fn unfit(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let large = files.qemu_img("large", &[], "5G")?;
    create(&lab.tenant, &format!("by-uefi --file {} --boot-mode uefi", files.raw.display())).await?;
    create(&lab.tenant, &format!("large --file {}", large.display())).await?;
    let mut disk = std::fs::read(&files.raw)?;
    disk[4096..8192].fill(0);
    disk[4096..4104].copy_from_slice(b"EFI PART");
    let other = files.write("for-4096.raw", &disk)?;
    create(&lab.tenant, &format!("for-4096 --file {}", other.display())).await?;
    for (image, expected) in [
        ("by-uefi", "boots only with UEFI"),
        ("large", "needs a disk of 5 GB"),
        ("for-4096", "was made for disks with sectors of 4096 bytes"),
    ] {
        let line = format!("server create unfit --flavor {FLAVOR} --image {image} --network {NETWORK}");
        let words = lab.tenant.refused(&line).await?;
        ensure!(words.contains(expected), "{line}: {words}");
        lab.tenant.run(&format!("image delete {image}")).await?;
    }
    let servers: Vec<Server> = lab.tenant.json("server list").await?;
    ensure!(servers.iter().all(|server| server.name != "unfit"), "{servers:?}");
    Ok(())
}

/// Begins an upload that takes long, and returns once Glance has heard of it.
async fn begin_upload(lab: &Lab, files: &Files) -> anyhow::Result<std::process::Child> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let token = login(&http_client(None)?, &cloud.credentials(Who::Demo)).await?.token;
    // The token goes by a file: arguments can be read by everybody.
    let header = files.write("token", format!("X-Auth-Token: {}\n", token.reveal()).as_bytes())?;
    let child = Command::new("curl")
        .args(["-sS", "--limit-rate", "100k", "-X", "POST", "--cacert"])
        .arg(lab.site.ca_file())
        .arg("-H")
        .arg(format!("@{}", header.display()))
        .arg("-T")
        .arg(&files.good)
        .arg(format!("https://{}/v1/images?name={NEVER}", lab.site.api()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting curl")?;
    wait_for("Glance to hear of the upload", LEFT_WAIT_MAX, async |seen| {
        let images: Vec<Image> = lab.admin.json("image list").await?;
        *seen = format!("{images:?}");
        Ok(images.iter().any(|image| image.name == NEVER && image.status != "active").then_some(()))
    })
    .await?;
    Ok(child)
}

async fn wait_gone(lab: &Lab, before: &(BTreeSet<String>, BTreeSet<String>)) -> anyhow::Result<()> {
    wait_for("Glance to hold nothing of the upload", LEFT_WAIT_MAX, async |seen| {
        let now = everything(lab).await?;
        *seen = format!("{now:?} instead of {before:?}");
        Ok((now == *before).then_some(()))
    })
    .await
}

async fn broken_off(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let before = everything(lab).await?;
    let mut child = begin_upload(lab, files).await?;
    child.kill()?;
    child.wait()?;
    wait_gone(lab, &before).await
}

async fn killed(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let before = everything(lab).await?;
    let mut child = begin_upload(lab, files).await?;
    lab.processes.kill("coordinator")?;
    child.wait()?;
    up::coordinator(lab).await?;
    wait_gone(lab, &before).await
}

async fn glance_away(lab: &Lab, files: &Files) -> anyhow::Result<()> {
    let before = everything(lab).await?;
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let address = lab.site.openstack().glance.trim_start_matches("http://").parse()?;
    let interrupted = cloud.interrupt("glance", address).await?;
    let said = async {
        let line = format!("image create {NEVER} --file {}", files.good.display());
        for line in [line.as_str(), "image list"] {
            let words = lab.tenant.refused(line).await?;
            ensure!(
                words.contains("Glance did not answer") && words.contains("try again"),
                "{line}: {words}"
            );
        }
        let token = login(&http_client(None)?, &cloud.credentials(Who::Demo)).await?.token;
        let http = http_client(Some(&lab.site.ca_file()))?;
        let request = http.get(format!("https://{}/v1/images", lab.site.api()));
        let answer = request.header("X-Auth-Token", token.reveal()).send().await?;
        let kind =
            answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let problem: Problem = answer.json().await?;
        ensure!(kind.as_deref() == Some("application/problem+json"), "{kind:?}");
        ensure!(problem.status == 503 && problem.kind == "openstack-unavailable", "{problem:?}");
        Ok(())
    }
    .await;
    cloud.resume(&interrupted).await?;
    said?;
    wait_gone(lab, &before).await?;
    lab.tenant.run(&format!("image delete {MINE}")).await.map(drop)
}
