//! Edges: `bmsctl image`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use super::{args::Output, client::Client, image_cache, output, path::path};
use api_types::{Image, List};
use domain::url_text::query;

/// Bytes that are read from the file at once.
const PIECE_BYTES: usize = 256 << 10;

/// Its commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the images that servers can boot.
    List,
    /// Show an image.
    Show {
        /// Name or id.
        image: String,
    },
    /// Upload a raw or qcow2 image file; the format is detected. A raw one may be compressed by gzip, xz or zstd.
    #[command(
        after_help = "Example: bmsctl image create demo --file demo.qcow2 --public --boot-mode uefi --min-disk-gb 10"
    )]
    Create {
        /// Name.
        name: String,
        /// Image file of a whole disk: raw, also compressed by gzip, xz or zstd, or qcow2.
        #[arg(long)]
        file: PathBuf,
        /// Make the image public: every project can use it (administrators).
        #[arg(long)]
        public: bool,
        /// Firmware with which the image boots.
        #[arg(long, value_parser = ["bios", "uefi", "both"], default_value = "both")]
        boot_mode: String,
        /// Minimum disk size in GB; by default the size of the image's disk.
        #[arg(long, value_name = "GB")]
        min_disk_gb: Option<u64>,
        /// Expected SHA-512 of the file; a file with another one is refused.
        #[arg(long, value_name = "HEX")]
        sha512: Option<String>,
    },
    /// Show the image caches of the racks, fetch images into them, or drop images from them (administrators).
    #[command(subcommand)]
    Cache(image_cache::Command),
    /// Delete an image.
    Delete {
        /// Name or id.
        image: String,
    },
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => print(output, &client.get::<List<Image>>("/v1/images").await?.items),
        Command::Show { image } => show(output, &client.get(&path(&["images", &image])?).await?),
        Command::Create { name, file, public, boot_mode, min_disk_gb, sha512 } => {
            let public = if public { "true" } else { "false" };
            let min_disk_gb = min_disk_gb.map(|gb| gb.to_string());
            let mut pairs = vec![("name", name.as_str()), ("public", public), ("boot_mode", &boot_mode)];
            pairs.extend(min_disk_gb.as_deref().map(|gb| ("min_disk_gb", gb)));
            pairs.extend(sha512.as_deref().map(|hash| ("sha512", hash)));
            let image = upload(client, &file, &query(&pairs)).await?;
            print(output, &[image])
        }
        Command::Cache(command) => image_cache::run(client, output, command).await,
        Command::Delete { image } => {
            client.delete(&path(&["images", &image])?).await?;
            output::say(output, format_args!("{image} was deleted"));
            Ok(())
        }
    }
}

fn print(output: Output, images: &[Image]) -> anyhow::Result<()> {
    let header = ["name", "id", "format", "mib", "boots by", "min disk", "status", "visibility"];
    output::list(output, images, &header, |image| {
        let Image { name, id, format, boot_mode, status, visibility, .. } = image.clone();
        let disk = format!("{} GB", image.min_disk_gb);
        vec![name, id, format, mib(image), boot_mode.to_string(), disk, status, visibility]
    })
}

fn mib(image: &Image) -> String {
    format!("{:.1}", image.size_bytes as f64 / f64::from(1 << 20))
}

fn show(output: Output, image: &Image) -> anyhow::Result<()> {
    let Image { name, id, format, boot_mode, status, visibility, .. } = image.clone();
    let fields = vec![
        ("name", name),
        ("id", id),
        ("format", format),
        ("size", format!("{} MiB", mib(image))),
        ("boots by", boot_mode.to_string()),
        ("minimum disk", format!("{} GB", image.min_disk_gb)),
        ("made for", image.sector_bytes.map(|bytes| format!("{bytes}-byte sectors")).unwrap_or_default()),
        ("status", status),
        ("visibility", visibility),
        ("project", image.project_id.clone().unwrap_or_default()),
        ("sha512", image.sha512.clone().unwrap_or_default()),
        ("created", image.created.clone().unwrap_or_default()),
    ];
    output::one(output, image, fields)
}

async fn upload(client: &Client, path: &Path, query: &str) -> anyhow::Result<Image> {
    let file = tokio::fs::File::open(path).await.with_context(|| format!("opening {}", path.display()))?;
    let about = file.metadata().await?;
    anyhow::ensure!(about.is_file(), "{} is not a file", path.display());
    let bar = ProgressBar::new(about.len());
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left {msg}",
    )?);
    let counted = bar.clone();
    let stream = ReaderStream::with_capacity(file, PIECE_BYTES)
        .inspect(move |piece| counted.inc(piece.as_ref().map_or(0, |bytes| bytes.len() as u64)));
    let path = format!("/v1/images?{query}");
    let image = client.upload(&path, about.len(), reqwest::Body::wrap_stream(stream)).await;
    bar.finish_and_clear();
    image
}
