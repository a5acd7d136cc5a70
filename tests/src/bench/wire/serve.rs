//! Edges: the boot service by a file, as `bms-agent boot --static` has it, for who measures it.

use std::path::Path;

use agent::alone::{Part, Rack};
use tokio_util::sync::CancellationToken;

/// Serves DHCP, TFTP and HTTP until this process is ended.
pub async fn serve(file: &Path) -> anyhow::Result<()> {
    Ok(Rack::read(file)?.serve(Part::All, CancellationToken::new()).await?)
}
