//! Values: the proofs of isolation, as a server's page shows them.

use api_types::{IsolatedNetwork, Proof, Sighting};
use domain::records::AskedBy;
use jiff::Timestamp;

use super::view::{Tone, When};

/// Proofs that are shown at once; the older ones are behind a click.
const SHOWN: usize = 8;

/// One of them.
pub struct ProofRow {
    /// When it was asked for.
    pub at: Option<When>,
    /// Port.
    pub port: String,
    /// Why it was asked for.
    pub why: &'static str,
    /// The network that was expected.
    pub wanted: String,
    /// What was read back.
    pub read_back: String,
    /// How good that is.
    pub tone: Tone,
    /// How long it took, and how often it was tried.
    pub took: String,
    /// When the gate read it once more before the power-on.
    pub confirmed: Option<When>,
    /// What was heard of the port afterwards, and whether that is where it was put.
    pub heard: Vec<(String, bool)>,
}

/// Rows of proofs, the newest first: those to be shown at once, and the older ones.
pub fn rows(proofs: Vec<Proof>, now: Timestamp) -> (Vec<ProofRow>, Vec<ProofRow>) {
    let mut rows: Vec<_> = proofs.into_iter().map(|proof| row(proof, now)).collect();
    let older = rows.split_off(rows.len().min(SHOWN));
    (rows, older)
}

fn row(proof: Proof, now: Timestamp) -> ProofRow {
    let (read_back, tone) = match (proof.observed, proof.error) {
        (Some(observed), _) if proof.holds => (observed, Tone::Good),
        (Some(observed), _) => (format!("{observed}, not the expected network"), Tone::Bad),
        (None, Some(error)) => (error, Tone::Bad),
        (None, None) => ("nothing yet".to_owned(), Tone::Warn),
    };
    let heard = heard(proof.seen);
    ProofRow {
        at: When::read(&proof.at, now),
        port: proof.port,
        why: match proof.asked_by {
            AskedBy::Gate => "before power-on",
            AskedBy::Isolate => "isolation",
            AskedBy::Park => "at rest",
        },
        wanted: proof.wanted,
        read_back,
        tone,
        took: if proof.tries > 1 {
            format!("{} ms, tried {} times", proof.took_ms, proof.tries)
        } else {
            format!("{} ms", proof.took_ms)
        },
        confirmed: proof.confirmed.as_deref().and_then(|text| When::read(text, now)),
        heard,
    }
}

/// What was heard, and whether that is where the port was put: one line for what follows each other on one network.
fn heard(seen: Vec<Sighting>) -> Vec<(String, bool)> {
    let mut runs: Vec<(IsolatedNetwork, bool, Vec<String>)> = Vec::new();
    for Sighting { network, what, agrees, boot_stage, .. } in seen {
        let what = boot_stage.map_or(what, |stage| stage.words().to_owned());
        match runs.last_mut().filter(|(last, agreed, _)| *last == network && *agreed == agrees) {
            Some((_, _, run)) => run.push(what),
            None => runs.push((network, agrees, vec![what])),
        }
    }
    let line = |(network, agrees, run): (IsolatedNetwork, bool, Vec<String>)| {
        let stray = if agrees { "" } else { ", an unexpected network" };
        (format!("{} on {network}{stray}", run.join(", ")), agrees)
    };
    runs.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::BootStage;

    #[test]
    fn a_proof_says_what_was_read_back_and_what_disagrees() {
        let proof = |observed: Option<&str>, holds, error: Option<&str>| Proof {
            at: "2026-01-02T03:04:05Z".into(),
            port: "eth0".into(),
            mac: String::new(),
            asked_by: AskedBy::Gate,
            wanted: "cleaning".into(),
            observed: observed.map(str::to_owned),
            holds,
            error: error.map(str::to_owned),
            took_ms: 7,
            tries: if error.is_some() { 3 } else { 1 },
            confirmed: None,
            seen: vec![Sighting {
                at: String::new(),
                network: IsolatedNetwork::Cleaning,
                what: "DHCP".into(),
                boot_stage: None,
                agrees: holds,
            }],
        };
        let check = |proof: Proof, text: &str, tone: Tone, took: &str, heard: &str| {
            let row = row(proof, Timestamp::UNIX_EPOCH);
            assert_eq!((row.read_back.as_str(), row.tone, row.took.as_str()), (text, tone, took));
            assert_eq!(row.heard[0].0, heard);
        };
        check(proof(Some("cleaning"), true, None), "cleaning", Tone::Good, "7 ms", "DHCP on cleaning");
        let stray = "DHCP on cleaning, an unexpected network";
        check(proof(Some("none"), false, None), "none, not the expected network", Tone::Bad, "7 ms", stray);
        check(proof(None, false, Some("no answer")), "no answer", Tone::Bad, "7 ms, tried 3 times", stray);
        let (shown, older) = rows(vec![proof(None, false, None); SHOWN + 2], Timestamp::UNIX_EPOCH);
        assert_eq!((shown.len(), older.len()), (SHOWN, 2));
    }
    #[test]
    fn what_follows_each_other_on_one_network_is_one_line() {
        let one = |what: &str, boot_stage, network, agrees| Sighting {
            at: String::new(),
            network,
            what: what.into(),
            boot_stage,
            agrees,
        };
        let (cleaning, provisioning) = (IsolatedNetwork::Cleaning, IsolatedNetwork::Provisioning);
        let seen = vec![
            one("boot: Kernel", Some(BootStage::Kernel), cleaning, true),
            one("the ramdisk's hello", None, cleaning, true),
            one("boot: DhcpDiscover", Some(BootStage::DhcpDiscover), provisioning, false),
        ];
        let lines = heard(seen);
        assert_eq!(lines[0], ("kernel, the ramdisk's hello on cleaning".to_owned(), true));
        assert_eq!(lines[1], ("DHCP request on provisioning, an unexpected network".to_owned(), false));
        assert_eq!(lines.len(), 2);
    }
}
