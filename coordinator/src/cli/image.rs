//! Edges: `bmsctl image`.

use std::{io::Read, path::Path};

use anyhow::{Context, bail};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use super::{
    args::{Image as Command, Output},
    client::Client,
    output,
};
use crate::{
    api::types::{Image, List},
    openstack::ironic::query,
};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => print(output, &client.get::<List<Image>>("/v1/images").await?.items),
        Command::Create { name, file, public } => {
            let image = upload(client, &name, &file, public).await?;
            print(output, &[image])
        }
        Command::Delete { image } => {
            client.delete(&format!("/v1/images/{image}")).await?;
            output::say(output, format_args!("{image} is deleted"));
            Ok(())
        }
    }
}

fn print(output: Output, images: &[Image]) -> anyhow::Result<()> {
    output::list(output, images, &["name", "id", "format", "mib", "status", "visibility"], |image| {
        let Image { name, id, format, status, visibility, size_bytes, .. } = image.clone();
        vec![name, id, format, format!("{:.1}", size_bytes as f64 / f64::from(1 << 20)), status, visibility]
    })
}

async fn upload(client: &Client, name: &str, path: &Path, public: bool) -> anyhow::Result<Image> {
    let format = format_of(path)?;
    let file = tokio::fs::File::open(path).await.with_context(|| format!("opening {}", path.display()))?;
    let length = file.metadata().await?.len();
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}")?);
    let counted = bar.clone();
    let stream = ReaderStream::with_capacity(file, 1 << 18)
        .inspect(move |chunk| counted.inc(chunk.as_ref().map_or(0, |bytes| bytes.len() as u64)));
    let query =
        query(&[("name", name), ("format", format), ("public", if public { "true" } else { "false" })]);
    let image =
        client.upload(&format!("/v1/images?{query}"), length, reqwest::Body::wrap_stream(stream)).await;
    bar.finish_and_clear();
    image
}

/// The format by the file's first bytes: "QFI\xfb" is qcow2; a disk begins with a boot record.
fn format_of(path: &Path) -> anyhow::Result<&'static str> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    file.take(512).read_to_end(&mut head)?;
    match head.as_slice() {
        [b'Q', b'F', b'I', 0xfb, ..] => Ok("qcow2"),
        [.., 0x55, 0xaa] if head.len() == 512 => Ok("raw"),
        _ => bail!("{} is neither qcow2 nor a whole disk (it has no boot record)", path.display()),
    }
}
