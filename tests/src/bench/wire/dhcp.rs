//! Edges: many DHCP clients at once, by perfdhcp: what an exchange costs the server, and how long it takes.

use std::{
    fmt::Write,
    net::Ipv4Addr,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use protocol::mac::MacAddr;
use tokio::time::{Instant, sleep, timeout};

use super::{SERVER, World, load, served::Served};

/// First and last address that is given away.
pub(super) const RANGE: (Ipv4Addr, Ipv4Addr) =
    (Ipv4Addr::new(198, 18, 8, 0), Ipv4Addr::new(198, 18, 63, 255));
/// Machines that have a lease already: ours from a file, for the first proof of an address takes a tenth of a second each; the
/// peer's by one exchange before.
const CLIENTS: u32 = 10_000;
/// So many of them ask at once.
const AT_ONCE: u32 = 1_000;
/// perfdhcp's first one.
const FIRST: [u8; 6] = [0, 0x0c, 1, 2, 3, 4];
/// Left of the leases in the file: so little that each is written to the disk once more before its ACK.
const LEFT: Duration = Duration::from_secs(400);
/// Exchanges begun in a second, where it is measured how long they take.
const RATE: u32 = 500;
/// How long a server may take to start.
const SERVES_WITHIN: Duration = Duration::from_secs(20);
/// How long perfdhcp may take.
const LOAD_WITHIN: Duration = Duration::from_secs(120);

/// The file by which ours serves everything.
pub(super) fn describe(world: &World) -> anyhow::Result<PathBuf> {
    let dir = world.aside("ours.d")?;
    let (leases, file) = (dir.join("leases"), dir.join("rack.toml"));
    std::fs::write(&leases, lent())?;
    let text = format!(
        "interface = \"eth0\"\naddress = \"{SERVER}\"\nprefix = 16\nrange = [\"{}\", \"{}\"]\nrelays = [\"{}\"]\nroot = {:?}\n\
         leases = {leases:?}\n[default]\n",
        RANGE.0,
        RANGE.1,
        load::address(0),
        world.files(),
    );
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Lines of leases, as they are kept.
fn lent() -> String {
    let until = (SystemTime::now() + LEFT).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (0..=CLIENTS).fold(String::new(), |mut lines, number| {
        let address = Ipv4Addr::from(u32::from(RANGE.0) + number);
        let _ = writeln!(lines, "{} {address} {until}", mac(number));
        lines
    })
}

/// The client of this number.
fn mac(number: u32) -> MacAddr {
    let [high, low, a, b, c, d] = FIRST;
    let [a, b, c, d] = (u32::from_be_bytes([a, b, c, d]) + number).to_be_bytes();
    MacAddr([high, low, a, b, c, d])
}

/// Microseconds of the server's processor time for an exchange of four messages.
pub(super) async fn cost(world: &World, served: &Served, quick: bool) -> anyhow::Result<f64> {
    let clients = if quick { 2 * AT_ONCE } else { CLIENTS };
    wait_until_it_serves(world).await?;
    let before = served.used()?;
    for first in (0..clients).step_by(AT_ONCE as usize) {
        let (base, count) = (format!("mac={}", mac(first)), AT_ONCE.to_string());
        let said = perfdhcp(world, &["--scenario", "avalanche", "-b", &base, "-R", &count]).await?;
        let done = answers(&said).min();
        ensure!(done == Some(AT_ONCE), "of {AT_ONCE} clients {done:?} were served: {said}");
    }
    Ok((served.used()? - before) * 1e6 / f64::from(clients))
}

/// How long of a hundred answers all but the slowest take, in milliseconds.
pub(super) async fn p99(world: &World, quick: bool) -> anyhow::Result<f64> {
    let count = if quick { 500 } else { 5_000 }.to_string();
    wait_until_it_serves(world).await?;
    let rate = RATE.to_string();
    let said = perfdhcp(world, &["-R", &count, "-n", &count, "-r", &rate, "-x", "t"]).await?;
    let mut took: Vec<f64> = said.lines().filter_map(delay).collect();
    ensure!(took.len() > 100, "too few answers: {said}");
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() * 99 / 100] * 1e3)
}

/// Seconds between a question and its answer.
fn delay(line: &str) -> Option<f64> {
    let (sent, received) = line.strip_prefix("sent / received: ")?.split_once(" / ")?;
    Some(received.trim().parse::<f64>().ok()? - sent.trim().parse::<f64>().ok()?)
}

/// How many answers came: of a server's offers, and of its acknowledgements.
fn answers(said: &str) -> impl Iterator<Item = u32> {
    let received = said.lines().filter_map(|line| line.strip_prefix("received packets: "));
    received.filter_map(|count| count.trim().parse().ok())
}

/// Somebody is answered.
async fn wait_until_it_serves(world: &World) -> anyhow::Result<()> {
    let until = Instant::now() + SERVES_WITHIN;
    loop {
        // At a rate, for else it asks as often as it can; and it ends with the offer, mostly.
        let said = perfdhcp(world, &["-n", "1", "-R", "1", "-r", "10"]).await?;
        if answers(&said).any(|answers| answers > 0) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the server does not answer: {said}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// It is a relay to the server. What it says, also when exchanges were lost.
async fn perfdhcp(world: &World, args: &[&str]) -> anyhow::Result<String> {
    let relay = load::address(0).to_string();
    let mut command = world.client.command("perfdhcp");
    command.args(["-4", "-l", &relay, "-W", "1000000"]).args(args).arg(SERVER);
    let run = timeout(LOAD_WITHIN, command.kill_on_drop(true).output());
    let output =
        run.await.context("perfdhcp takes for ever")?.context("starting perfdhcp (package kea-admin)")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // 3: some were lost.
    ensure!(
        matches!(output.status.code(), Some(0 | 3)),
        "perfdhcp: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perfdhcp_says_is_read() {
        let said =
            "received packets: 12\nsent / received: 000000.402432 / 000000.405132\nreceived packets: 11\n";
        assert_eq!(answers(said).collect::<Vec<_>>(), [12, 11]);
        let took: Vec<_> = said.lines().filter_map(delay).collect();
        assert!(took.len() == 1 && (took[0] - 0.0027).abs() < 1e-9, "{took:?}");
    }

    #[test]
    fn leases_are_of_the_clients_to_come() {
        let lent = lent();
        assert!(lent.starts_with("00:0c:01:02:03:04 198.18.8.0 "), "{}", &lent[..60]);
        assert!(lent.contains("00:0c:01:02:04:00 198.18.8.252 "));
    }
}
