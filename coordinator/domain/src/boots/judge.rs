//! Decisions: what is missing first in an attempt to boot, why that may be, and what to do.
//!
//! What was seen is certain; why something was not seen is a guess, and is worded as one. Whatever is not there yet is waited for, each for
//! a time of its own, and then called missing.

use protocol::{
    boot::{BootMode, BootStage},
    hardware::PERHAPS_UNUSED,
};

use super::{Attempt, Mark, What};

/// Until a BMC must have confirmed a power-on.
const POWER_ON_MAX_US: u64 = 90 * SECOND_US;
/// From the power-on to the first request: servers with much memory test it for minutes.
const SELF_TEST_MAX_US: u64 = 600 * SECOND_US;
/// From one thing that is fetched to the next.
const FETCH_MAX_US: u64 = 120 * SECOND_US;
/// From the ramdisk's download to its hello: it waits for disks that appear late.
const START_MAX_US: u64 = 240 * SECOND_US;
const SECOND_US: u64 = 1_000_000;

/// A firmware that begins anew so often does so for ever.
const RESTARTS_MIN: usize = 2;

/// What is known of the server beside the attempt.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How its firmware is told to boot.
    pub boot_mode: BootMode,
    /// Whether its firmware starts signed programs only; none: nobody knows.
    pub secure_boot: Option<bool>,
    /// No later attempt has begun.
    pub is_newest: bool,
    /// Now, in microseconds since 1970.
    pub now_us: u64,
}

/// What is to be said of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The ramdisk has come, and all that it was asked was done.
    Complete,
    /// What comes next may still come.
    UnderWay,
    /// The BMC has not confirmed the power-on.
    NoPower,
    /// The firmware asked for no address.
    NoRequest,
    /// It asked on another network than its boot is permitted on.
    WrongNetwork,
    /// It asked by an interface by which it does not boot.
    WrongInterface,
    /// It asked, and was refused.
    Refused,
    /// It was offered an address and did not take it.
    NoLease,
    /// It took an address and fetched nothing.
    NoLoader,
    /// It fetched a loader, which did not run.
    LoaderNotRun,
    /// The loader has read its script and fetched no kernel.
    NoKernel,
    /// The kernel was fetched and no ramdisk.
    NoInitrd,
    /// Kernel and ramdisk were fetched, and nothing came of it.
    NoHello,
    /// The firmware begins anew again and again.
    Loop,
    /// The ramdisk has come, and parts of the hardware stay unused.
    Unused,
    /// A step of the ramdisk has failed.
    StepFailed,
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Complete,
        Self::UnderWay,
        Self::NoPower,
        Self::NoRequest,
        Self::WrongNetwork,
        Self::WrongInterface,
        Self::Refused,
        Self::NoLease,
        Self::NoLoader,
        Self::LoaderNotRun,
        Self::NoKernel,
        Self::NoInitrd,
        Self::NoHello,
        Self::Loop,
        Self::Unused,
        Self::StepFailed,
    ];
}

/// An attempt, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is to be said of it.
    pub finding: Finding,
    /// The same in a sentence, with what was seen last.
    pub reason: String,
    /// What to do, the likeliest first; empty: nothing.
    pub remedies: Vec<&'static str>,
}

/// Judges an attempt.
pub fn judge(attempt: &Attempt, known: &Known) -> Verdict {
    let seen = Seen::of(&attempt.marks);
    if let Some(hello) = seen.hello {
        return after_hello(attempt, hello);
    }
    if let Some((what, is_permitted_elsewhere)) = seen.refused {
        return refused(what, is_permitted_elsewhere);
    }
    if let Some(what) = seen.other_interface {
        return by_another(what);
    }
    if seen.restarts >= RESTARTS_MIN {
        return restarted(&seen);
    }
    let (finding, longest_us) = seen.next();
    let is_over = !known.is_newest || seen.is_off || seen.failure.is_some();
    let waited_us = known.now_us.saturating_sub(seen.last_us);
    if !is_over && waited_us < longest_us {
        let seconds = waited_us / SECOND_US;
        let reason = format!(
            "{}: waited for since {seconds} s, at most {} s",
            expected(finding),
            longest_us / SECOND_US
        );
        return Verdict { finding: Finding::UnderWay, reason, remedies: Vec::new() };
    }
    missing(finding, &seen, known)
}

/// What was seen, without what lies before the firmware's last beginning.
struct Seen<'a> {
    power_on: bool,
    /// The power went off after it had been on, or after something was fetched.
    is_off: bool,
    stage: Option<(BootStage, &'a str)>,
    furthest: Option<BootStage>,
    restarts: usize,
    /// What was refused last, and whether it is permitted on the other network.
    refused: Option<(&'a What, bool)>,
    /// It asked by another interface last, and by none that boots.
    other_interface: Option<&'a What>,
    hello: Option<&'a [String]>,
    /// Why the last step failed before there was a ramdisk: the power-on itself.
    failure: Option<&'a str>,
    last_us: u64,
}

impl<'a> Seen<'a> {
    fn of(marks: &'a [Mark]) -> Self {
        let mut seen = Seen {
            power_on: false,
            is_off: false,
            stage: None,
            furthest: None,
            restarts: 0,
            refused: None,
            other_interface: None,
            hello: None,
            failure: None,
            last_us: 0,
        };
        for Mark { at_us, what } in marks {
            seen.last_us = *at_us;
            match what {
                What::Ordered(_) | What::Gone { .. } => {}
                What::Step { failure, .. } => seen.failure = failure.as_deref(),
                What::PowerOn => (seen.power_on, seen.is_off) = (true, false),
                What::PowerOff => seen.is_off = seen.power_on || seen.stage.is_some(),
                What::Stage { stage, detail, .. } => {
                    seen.restarts += usize::from(*stage == BootStage::DhcpDiscover && seen.stage.is_some());
                    seen.furthest = seen.furthest.max(Some(*stage));
                    (seen.stage, seen.refused) = (Some((*stage, detail.as_str())), None);
                    seen.other_interface = None;
                }
                // Behind a stage it is our loader or ramdisk that looks for another way.
                What::OtherInterface { .. } if seen.stage.is_some() => {}
                What::OtherInterface { .. } => seen.other_interface = Some(what),
                What::Refused { planned, .. } => seen.refused = Some((what, planned.is_some())),
                What::Hello { faults } => seen.hello = Some(faults),
            }
        }
        seen
    }

    /// What is missing if nothing more comes, and how long that may take.
    fn next(&self) -> (Finding, u64) {
        match self.stage.map(|(stage, _)| stage) {
            None if !self.power_on => (Finding::NoPower, POWER_ON_MAX_US),
            None => (Finding::NoRequest, SELF_TEST_MAX_US),
            Some(BootStage::DhcpDiscover) => (Finding::NoLease, FETCH_MAX_US),
            Some(BootStage::DhcpAck) => (Finding::NoLoader, FETCH_MAX_US),
            Some(BootStage::Loader) => (Finding::LoaderNotRun, FETCH_MAX_US),
            Some(BootStage::Script) => (Finding::NoKernel, FETCH_MAX_US),
            Some(BootStage::Kernel) => (Finding::NoInitrd, FETCH_MAX_US),
            Some(BootStage::Initrd) => (Finding::NoHello, START_MAX_US),
        }
    }

    fn detail(&self) -> &str {
        self.stage.map_or("", |(_, detail)| detail)
    }
}

/// What is waited for, if it may still come.
fn expected(finding: Finding) -> &'static str {
    match finding {
        Finding::NoPower => "the power-on",
        Finding::NoRequest => "the firmware's DHCP request",
        Finding::NoLease => "the request for the offered address",
        Finding::NoLoader => "the download of a boot loader or a script",
        Finding::LoaderNotRun => "the loader's request for its script",
        Finding::NoKernel => "the download of the kernel",
        Finding::NoInitrd => "the download of the ramdisk",
        Finding::NoHello => "the ramdisk's connection",
        Finding::Complete
        | Finding::UnderWay
        | Finding::WrongNetwork
        | Finding::WrongInterface
        | Finding::Refused
        | Finding::Loop
        | Finding::Unused
        | Finding::StepFailed => "nothing",
    }
}

fn after_hello(attempt: &Attempt, faults: &[String]) -> Verdict {
    let failed = attempt.marks.iter().rev().find_map(|mark| {
        let What::Step { what, failure } = &mark.what else { return None };
        Some((what, failure.as_ref()?))
    });
    if let Some((what, why)) = failed {
        return Verdict {
            finding: Finding::StepFailed,
            reason: format!("the ramdisk has started, and {what} failed: {why}"),
            remedies: vec!["correct what the reason names, then repeat what was asked"],
        };
    }
    let faults: Vec<_> =
        faults.iter().filter(|fault| !fault.starts_with(PERHAPS_UNUSED)).map(String::as_str).collect();
    if faults.is_empty() {
        let reason = "the ramdisk has started and connected".to_owned();
        return Verdict { finding: Finding::Complete, reason, remedies: Vec::new() };
    }
    Verdict {
        finding: Finding::Unused,
        reason: format!("the ramdisk has started; part of the hardware stays unused: {}", faults.join("; ")),
        remedies: vec![
            "let the rack serve the ramdisk for any server (`ramdisk-pack --only physical`), with the firmware that firmware.txt names as missing",
            "a controller without a disk behind it may have none, or show none: look into its own setup",
        ],
    }
}

fn refused(what: &What, is_permitted_elsewhere: bool) -> Verdict {
    let (finding, remedy) = match is_permitted_elsewhere {
        true => (
            Finding::WrongNetwork,
            "check the VLAN of the server's switch port, its cable, and whether it is the port in the inventory (`bmsctl node show --proof`)",
        ),
        false => (Finding::Refused, "correct what the reason names, then power the server off and on again"),
    };
    Verdict { finding, reason: what.words(), remedies: vec![remedy] }
}

fn by_another(what: &What) -> Verdict {
    Verdict {
        finding: Finding::WrongInterface,
        reason: format!("the server {}", what.words()),
        remedies: vec![
            "let its firmware boot by the interface that is meant: its boot order, and network boot of the other one switched off (`bmsctl node show` has both)",
            "if it is to boot by this one: set `pxe_enabled` of its port in the import file (in Ironic: `openstack baremetal port set --pxe-enabled`), and import again",
            "an interface that boots by itself may follow: firmware tries one after the other",
        ],
    }
}

fn restarted(seen: &Seen<'_>) -> Verdict {
    let furthest = seen.furthest.map_or("nothing", BootStage::words);
    Verdict {
        finding: Finding::Loop,
        reason: format!(
            "the firmware has begun anew {} times, and came as far as: {furthest}",
            seen.restarts
        ),
        remedies: vec![
            "watch its console (`bmsctl console`) for what it says before it restarts",
            "memory, a power supply or a watchdog may reset it: read its event log (`bmsctl node sel`)",
        ],
    }
}

const SEE_CONSOLE: &str = "watch its console (`bmsctl console`)";

fn missing(finding: Finding, seen: &Seen<'_>, known: &Known) -> Verdict {
    let verdict =
        |reason: String, remedies: &[&'static str]| Verdict { finding, reason, remedies: remedies.to_vec() };
    match finding {
        Finding::NoPower => verdict(
            match seen.failure {
                Some(why) => format!("the power-on failed: {why}"),
                None => "the BMC did not confirm the power-on".to_owned(),
            },
            &[
                "read what was refused and why (`bmsctl node history`)",
                "test the BMC (`bmsctl node bmc health`)",
            ],
        ),
        Finding::NoRequest => verdict(
            "the server is on, and its firmware asked for no address on the network of its boot".to_owned(),
            &[
                "it may have booted its old disk: network boot must be on in the firmware's settings, and some BMCs ignore the boot device that they are told",
                "the NIC that boots may be another one: compare its MAC address with `bmsctl node show`",
                "its cable, or the VLAN of its switch port, may be wrong: `bmsctl node show --proof`",
                SEE_CONSOLE,
            ],
        ),
        Finding::NoLease => verdict(
            "an address was offered, and the server did not ask for it".to_owned(),
            &[
                "another DHCP server on this network may have been faster: there must be none",
                "the offer may not arrive: check the VLAN of its switch port in both directions",
            ],
        ),
        Finding::NoLoader => verdict(
            format!("the server has an address ({}) and fetched nothing", seen.detail()),
            &[
                "TFTP may be blocked: it answers from a port of its own, so that nothing between server and agent may filter UDP",
                "one that is iPXE already fetches its script by HTTP from the agent's http_port: that may be blocked",
                SEE_CONSOLE,
            ],
        ),
        Finding::LoaderNotRun => loader_not_run(seen, known),
        Finding::NoKernel => verdict(
            format!("the loader runs ({}), and fetched no kernel", seen.detail()),
            &[
                "HTTP to the agent's http_port may be blocked, or the loader's driver of this NIC may be faulty",
                SEE_CONSOLE,
            ],
        ),
        Finding::NoInitrd => verdict(
            "the kernel was fetched, and no ramdisk".to_owned(),
            &["the loader may lack memory, or has refused the kernel: watch its console (`bmsctl console`)"],
        ),
        Finding::NoHello => no_hello(seen, known),
        Finding::Complete
        | Finding::UnderWay
        | Finding::WrongNetwork
        | Finding::WrongInterface
        | Finding::Refused
        | Finding::Loop
        | Finding::Unused
        | Finding::StepFailed => verdict(String::new(), &[]),
    }
}

fn loader_not_run(seen: &Seen<'_>, known: &Known) -> Verdict {
    const DAMAGED: &str =
        "the firmware may have taken the file for damaged or too large: watch its console (`bmsctl console`)";
    let reason = format!("a loader was fetched ({}) and never ran", seen.detail());
    let (reason, remedies) = match (known.boot_mode, known.secure_boot) {
        (BootMode::Bios, _) | (_, Some(false)) => (reason, vec![DAMAGED]),
        (BootMode::Uefi, Some(true)) => (
            format!("{reason}: Secure Boot is on"),
            vec![
                "let the rack serve signed loaders (boot.shim and boot.grub in its agent's configuration; boot.loader, or the capability boot_loader:shim, chooses them), or switch Secure Boot off",
                "with signed loaders: the firmware may trust none of Microsoft's keys, or have revoked this shim",
                DAMAGED,
            ],
        ),
        (BootMode::Uefi, None) => (
            format!("{reason}: Secure Boot?"),
            vec![
                "if Secure Boot is on, let the rack serve signed loaders (boot.shim and boot.grub in its agent's configuration)",
                DAMAGED,
            ],
        ),
    };
    Verdict { finding: Finding::LoaderNotRun, reason, remedies }
}

fn no_hello(seen: &Seen<'_>, known: &Known) -> Verdict {
    let mut reason = "kernel and ramdisk were fetched, and the ramdisk never connected".to_owned();
    let mut remedies = vec![
        "it may have no driver for the NIC: its console names the numbers, such as `no NIC driver for 8086:1572` (`bmsctl console --log`)",
        "let the rack serve the ramdisk for any server (`ramdisk-pack --only physical`)",
    ];
    if seen.is_off {
        reason.push_str(": it has switched the server off, as it does when it finds no way to the agent");
    } else if known.boot_mode == BootMode::Uefi && known.secure_boot != Some(false) {
        remedies
            .push("Secure Boot may have refused the kernel: it must be one that the shim's maker has signed");
    }
    Verdict { finding: Finding::NoHello, reason, remedies }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{
        boot::{BootPlan, BootPurpose},
        mac::MacAddr,
        network::BootNetwork,
    };

    use super::*;

    const BEGAN_US: u64 = 1_000 * SECOND_US;

    fn attempt(what: Vec<What>) -> Attempt {
        let plan = BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning };
        let all = std::iter::once(What::Ordered(plan.clone())).chain(what);
        let marks = (BEGAN_US..).step_by(SECOND_US as usize).zip(all);
        Attempt { plan, marks: marks.map(|(at_us, what)| Mark { at_us, what }).collect() }
    }

    fn stage(stage: BootStage) -> What {
        What::Stage { stage, mac: MacAddr([2, 0, 0, 0, 0, 1]), detail: format!("{stage:?} here") }
    }

    /// As far as a stage, from the power-on.
    fn until(last: BootStage) -> Vec<What> {
        let stages = BootStage::ALL.into_iter().take_while(|one| *one <= last);
        std::iter::once(What::PowerOn).chain(stages.map(stage)).collect()
    }

    fn known(secure_boot: Option<bool>) -> Known {
        Known { boot_mode: BootMode::Uefi, secure_boot, is_newest: true, now_us: BEGAN_US + 3600 * SECOND_US }
    }

    fn refused(planned: Option<BootNetwork>) -> What {
        What::Refused { network: BootNetwork::Cleaning, planned, reason: "why not".to_owned() }
    }

    fn failed() -> What {
        What::Step { what: "a step".to_owned(), failure: Some("the disk is full".to_owned()) }
    }

    #[test]
    fn the_first_thing_that_is_missing_is_named_with_what_to_do() {
        let check = |what: Vec<What>, finding: Finding, words: &str| {
            let verdict = judge(&attempt(what.clone()), &known(None));
            assert_eq!(verdict.finding, finding, "{what:?}");
            assert!(verdict.reason.contains(words), "{:?} lacks {words:?}", verdict.reason);
            assert_eq!(verdict.remedies.is_empty(), finding == Finding::Complete, "{what:?}");
        };
        check(vec![], Finding::NoPower, "did not confirm");
        check(vec![failed()], Finding::NoPower, "the power-on failed: the disk is full");
        check(vec![What::PowerOn], Finding::NoRequest, "asked for no address");
        check(until(BootStage::DhcpDiscover), Finding::NoLease, "offered");
        check(until(BootStage::DhcpAck), Finding::NoLoader, "DhcpAck here");
        check(until(BootStage::Loader), Finding::LoaderNotRun, "(Loader here) and never ran: Secure Boot?");
        check(until(BootStage::Script), Finding::NoKernel, "fetched no kernel");
        check(until(BootStage::Kernel), Finding::NoInitrd, "no ramdisk");
        check(until(BootStage::Initrd), Finding::NoHello, "never connected");
        let and = |last, more: Vec<What>| [until(last), more].concat();
        let off = and(BootStage::Initrd, vec![What::PowerOff]);
        check(off, Finding::NoHello, "switched the server off");
        let hello =
            |faults: &[&str]| What::Hello { faults: faults.iter().map(|one| (*one).to_owned()).collect() };
        check(and(BootStage::Initrd, vec![hello(&[])]), Finding::Complete, "connected");
        let perhaps = hello(&["perhaps unused: 8086:2922"]);
        check(and(BootStage::Initrd, vec![perhaps]), Finding::Complete, "connected");
        let unused = hello(&["no disk behind 1000:0097"]);
        check(and(BootStage::Initrd, vec![unused.clone()]), Finding::Unused, "no disk behind 1000:0097");
        check(
            and(BootStage::Initrd, vec![unused, failed()]),
            Finding::StepFailed,
            "a step failed: the disk is full",
        );
        // What was refused counts until something was given.
        check(vec![What::PowerOn, refused(None)], Finding::Refused, "why not");
        let elsewhere = refused(Some(BootNetwork::Provisioning));
        check(vec![What::PowerOn, elsewhere.clone()], Finding::WrongNetwork, "on the cleaning network");
        let given = vec![What::PowerOn, elsewhere, stage(BootStage::DhcpDiscover)];
        check(given, Finding::NoLease, "offered");
        let by_another =
            What::OtherInterface { mac: MacAddr([2, 0, 0, 0, 0, 9]), network: BootNetwork::Cleaning };
        let words = "asked on the cleaning network by 02:00:00:00:00:09";
        check(vec![What::PowerOn, by_another.clone()], Finding::WrongInterface, words);
        // Firmware tries one after the other, and a loader or a ramdisk all of them.
        check(
            [vec![What::PowerOn, by_another.clone()], until(BootStage::DhcpAck)].concat(),
            Finding::NoLoader,
            "",
        );
        check(and(BootStage::Initrd, vec![by_another]), Finding::NoHello, "never connected");
        // A loader by itself, and one that a boot ROM had, begin with the same request: once is no loop.
        let again =
            |times| std::iter::repeat_n(until(BootStage::Loader), times).flatten().collect::<Vec<_>>();
        check(again(2), Finding::LoaderNotRun, "never ran");
        check(again(3), Finding::Loop, "2 times, and came as far as: boot loader");
    }

    #[test]
    fn what_may_still_come_is_waited_for_and_what_is_over_is_not() {
        let check = |last: BootStage, longest_us: u64| {
            let attempt = attempt(until(last));
            let last_us = attempt.marks.last().unwrap().at_us;
            let found = |waited_us, is_newest| {
                let known = Known { now_us: last_us + waited_us, is_newest, ..known(None) };
                judge(&attempt, &known).finding == Finding::UnderWay
            };
            assert!(found(longest_us - 1, true), "{last:?}");
            assert!(!found(longest_us, true), "{last:?}");
            assert!(!found(0, false), "{last:?}: another one has begun");
        };
        check(BootStage::DhcpAck, FETCH_MAX_US);
        check(BootStage::Initrd, START_MAX_US);
        let on = attempt(vec![What::PowerOn]);
        let at = |now_us| judge(&on, &Known { now_us, ..known(None) }).finding;
        assert_eq!(at(BEGAN_US + SELF_TEST_MAX_US), Finding::UnderWay, "servers test themselves for minutes");
        assert_eq!(at(BEGAN_US + SECOND_US + SELF_TEST_MAX_US), Finding::NoRequest);
        // By a clock that is behind, nothing is late.
        assert_eq!(at(0), Finding::UnderWay);
        let off = attempt([until(BootStage::Initrd), vec![What::PowerOff]].concat());
        let now_us = off.marks.last().unwrap().at_us;
        assert_eq!(judge(&off, &Known { now_us, ..known(None) }).finding, Finding::NoHello);
        // Off before it was on is how it begins.
        let first = attempt(vec![What::PowerOff]);
        assert_eq!(judge(&first, &Known { now_us: BEGAN_US, ..known(None) }).finding, Finding::UnderWay);
    }

    #[test]
    fn secure_boot_is_blamed_where_it_can_be() {
        let check = |boot_mode, secure_boot, expected: Option<&str>| {
            let known = Known { boot_mode, ..known(secure_boot) };
            let reason = judge(&attempt(until(BootStage::Loader)), &known).reason;
            match expected {
                Some(words) => assert!(reason.ends_with(words), "{reason:?}"),
                None => assert!(!reason.contains("Secure Boot"), "{reason:?}"),
            }
        };
        check(BootMode::Uefi, None, Some("never ran: Secure Boot?"));
        check(BootMode::Uefi, Some(true), Some("never ran: Secure Boot is on"));
        check(BootMode::Uefi, Some(false), None);
        check(BootMode::Bios, None, None);
    }

    fn any_what() -> impl Strategy<Value = What> {
        prop_oneof![
            Just(What::PowerOn),
            Just(What::PowerOff),
            proptest::sample::select(BootStage::ALL.to_vec()).prop_map(stage),
            Just(refused(None)),
            Just(refused(Some(BootNetwork::Provisioning))),
            Just(What::OtherInterface { mac: MacAddr([2, 0, 0, 0, 0, 9]), network: BootNetwork::Cleaning }),
            Just(What::Hello { faults: vec![] }),
            Just(failed()),
            Just(What::Gone { reason: "power".to_owned() }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_was_seen_is_judged_in_words(
            what in proptest::collection::vec(any_what(), 0..20), secure_boot: Option<bool>, is_newest: bool, now_s in 0..10_000_u64,
        ) {
            let has_hello = what.iter().any(|one| matches!(one, What::Hello { .. }));
            let known = Known { is_newest, now_us: now_s * SECOND_US, ..known(secure_boot) };
            let verdict = judge(&attempt(what), &known);
            prop_assert!(!verdict.reason.is_empty());
            let came = matches!(verdict.finding, Finding::Complete | Finding::StepFailed | Finding::Unused);
            prop_assert_eq!(came, has_hello);
        }
    }
}
