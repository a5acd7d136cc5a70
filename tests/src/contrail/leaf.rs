//! Decisions: one leaf's configuration, and how it becomes what the leaf does: by commits, one after another.
//!
//! ```text
//!   objects -> configuration -- differs from the last one tried --> commit, which takes its time
//!                                                                     | good: the leaf does it
//!                                                                     | refused: the leaf does what it did before
//! ```
//!
//! A commit is of the objects as they were when it began; what changes meanwhile is in the next one. It is whole or nothing: one
//! VLAN that two networks claim leaves every port of the leaf where it was.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::{
    store::Store,
    switch::{Attached, PortName, Style, Unit, ports},
};

/// What a leaf is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The style of its fabric.
    pub style: Style,
    /// What its ports are attached to.
    pub ports: BTreeMap<PortName, Attached>,
}

/// Why a leaf takes no configuration: the number of one network is another one's already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The number.
    pub vlan: u16,
    /// Fully qualified names of both networks, in the order of their ports.
    pub networks: [Vec<String>; 2],
}

impl fmt::Display for Duplicate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.networks.each_ref().map(|name| name.join(":"));
        write!(out, "Duplicate vlan-id {} exists for vlan {second}: it is that of vlan {first}", self.vlan)
    }
}

impl Configuration {
    /// What the objects want of every leaf, by its name.
    pub fn of_all(store: &Store) -> BTreeMap<String, Self> {
        let mut leaves: BTreeMap<String, Self> = BTreeMap::new();
        for (port, style, attached) in ports(store) {
            let leaf = leaves.entry(port.switch.clone());
            let leaf = leaf.or_insert_with(|| Self { style, ports: BTreeMap::new() });
            leaf.ports.insert(port, attached);
        }
        leaves
    }

    /// Refuses what a leaf refuses. Only VLANs of the whole switch have numbers that can clash: those of the enterprise style.
    pub fn check(&self) -> Result<(), Duplicate> {
        let mut numbers: BTreeMap<u16, &Unit> = BTreeMap::new();
        let units = match self.style {
            Style::Enterprise => Some(self.ports.values().flat_map(Attached::units)),
            Style::ServiceProvider => None,
        };
        for unit in units.into_iter().flatten() {
            let first = *numbers.entry(unit.vlan).or_insert(unit);
            if first.network != unit.network {
                let networks = [first, unit].map(|it| it.network.fq_name.clone());
                return Err(Duplicate { vlan: unit.vlan, networks });
            }
        }
        Ok(())
    }
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The leaf does what it says.
    Done,
    /// The leaf does what it did before.
    Refused(Duplicate),
}

impl Outcome {
    /// The switch's words, if it refused.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Done => None,
            Self::Refused(duplicate) => Some(duplicate.to_string()),
        }
    }
}

/// A leaf. Moments are times since a beginning that the caller chooses.
#[derive(Debug, Default)]
pub struct Leaf {
    running: Option<Configuration>,
    tried: Option<Configuration>,
    under_way: Option<(Configuration, Duration)>,
    last: Option<Outcome>,
    commits: u64,
}

impl Leaf {
    /// What it does; none: nothing was committed yet, and its ports are as somebody left them.
    pub fn running(&self) -> Option<&Configuration> {
        self.running.as_ref()
    }

    /// Whether a commit is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// How the last commit ended, and how many have ended.
    pub fn last(&self) -> (Option<&Outcome>, u64) {
        (self.last.as_ref(), self.commits)
    }

    /// Tells it what the objects say now. A commit begins, unless one is under way or the last one was of the same.
    pub fn want(&mut self, wanted: &Configuration, now: Duration, takes: Duration) {
        if self.under_way.is_none() && self.tried.as_ref() != Some(wanted) {
            self.under_way = Some((wanted.clone(), now + takes));
        }
    }

    /// When the commit under way ends.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.under_way.as_ref().map(|(_, due)| *due)
    }

    /// Ends the commit whose time has come; says whether there was one.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        let Some((tried, _)) = self.under_way.take_if(|(_, due)| *due <= now) else { return false };
        self.last = Some(match tried.check() {
            Ok(()) => {
                self.running = Some(tried.clone());
                Outcome::Done
            }
            Err(duplicate) => Outcome::Refused(duplicate),
        });
        self.tried = Some(tried);
        self.commits += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::switch::Network, *};

    const TAKES: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn unit((network, vlan): (u128, u16)) -> Unit {
        let network = Network { id: Uuid::from_u128(network), fq_name: vec![format!("vn{network}")] };
        Unit { network, vlan, filter: None }
    }

    /// Ports with the network and the number of their untagged frames.
    fn leaf(style: Style, ports: &[(u128, u16)]) -> Configuration {
        let port = |(number, attached): (usize, &(u128, u16))| {
            let name = PortName { switch: "qfx1".into(), port: format!("xe-0/0/{number}") };
            (name, Attached { untagged: Some(unit(*attached)), tagged: BTreeMap::new() })
        };
        Configuration { style, ports: ports.iter().enumerate().map(port).collect() }
    }

    #[test]
    fn a_number_belongs_to_one_network_of_a_leaf() {
        let check = |ports: &[(u128, u16)], expected: Option<(u16, [&str; 2])>| {
            let found = leaf(Style::Enterprise, ports).check().err();
            let expected = expected.map(|(vlan, networks)| Duplicate {
                vlan,
                networks: networks.map(|name| vec![name.to_owned()]),
            });
            assert_eq!(found, expected, "{ports:?}");
            assert_eq!(leaf(Style::ServiceProvider, ports).check(), Ok(()));
        };
        check(&[], None);
        check(&[(1, 4094), (1, 4094)], None);
        check(&[(1, 3001), (2, 3002), (1, 3001)], None);
        check(&[(1, 4094), (2, 4094)], Some((4094, ["vn1", "vn2"])));
        check(&[(1, 3001), (2, 3002), (3, 3001)], Some((3001, ["vn1", "vn3"])));
        // A tag is a number of the switch as well.
        let mut tagged = leaf(Style::Enterprise, &[(1, 100)]);
        tagged.ports.values_mut().for_each(|port| drop(port.tagged.insert(100, unit((2, 100)))));
        let said = tagged.check().unwrap_err().to_string();
        assert_eq!(said, "Duplicate vlan-id 100 exists for vlan vn2: it is that of vlan vn1");
    }

    #[test]
    fn commits_take_their_time_and_come_one_after_another() {
        let [first, second, third] =
            [&[(1, 10)][..], &[(2, 20)], &[(3, 30)]].map(|it| leaf(Style::Enterprise, it));
        let mut qfx = Leaf::default();
        qfx.want(&first, at(0), TAKES);
        assert!(!qfx.handle_timeout(at(29)));
        assert_eq!((qfx.running(), qfx.is_busy(), qfx.poll_timeout()), (None, true, Some(at(30))));
        // What changes meanwhile waits for the next one, and only the newest of it is committed.
        qfx.want(&second, at(10), TAKES);
        qfx.want(&third, at(20), TAKES);
        assert!(qfx.handle_timeout(at(30)));
        assert_eq!(
            (qfx.running(), qfx.is_busy(), qfx.last()),
            (Some(&first), false, (Some(&Outcome::Done), 1))
        );
        qfx.want(&third, at(30), TAKES);
        assert_eq!(qfx.poll_timeout(), Some(at(60)));
        qfx.handle_timeout(at(60));
        assert_eq!((qfx.running(), qfx.last().1), (Some(&third), 2));
        // What is done already is not committed again.
        qfx.want(&third, at(61), TAKES);
        assert!(!qfx.is_busy());
    }

    #[test]
    fn a_refused_commit_changes_nothing_and_is_tried_again_only_when_it_is_another() {
        let good = leaf(Style::Enterprise, &[(1, 10), (2, 20)]);
        let bad = leaf(Style::Enterprise, &[(2, 20), (3, 20)]);
        let mut qfx = Leaf::default();
        for wanted in [&good, &bad] {
            qfx.want(wanted, at(0), Duration::ZERO);
            qfx.handle_timeout(at(0));
        }
        assert_eq!(qfx.running(), Some(&good));
        assert!(matches!(qfx.last(), (Some(Outcome::Refused(it)), 2) if it.vlan == 20), "{:?}", qfx.last());
        qfx.want(&bad, at(1), Duration::ZERO);
        assert!(!qfx.is_busy());
        qfx.want(&good, at(2), Duration::ZERO);
        qfx.handle_timeout(at(2));
        assert_eq!((qfx.running(), qfx.last()), (Some(&good), (Some(&Outcome::Done), 3)));
    }
}
