//! Edges: a BMC's password is changed and proved, and its server told to stay off after a power failure, by IPMI and by Redfish, on
//! virtual BMCs that take it, refuse it, or only say that they take it; and the agent is killed before and after each of it.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use agent::bmc::{Bmc, BmcError, BmcOptions, KeptSessions, LogIns, Renewed, account::Pace, connect_declared};
use domain::upkeep::password;
use protocol::{
    boot::BootMode,
    command::PasswordLength,
    footprint::Part,
    hardware::BmcIdentity,
    id::ServerId,
    identity::ExpectedIdentity,
    power::RestorePolicy,
    quirk::SaidQuirk,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, NextPassword, ServerSpec},
};
use sha2::{Digest, Sha512};
use tests::bmc::{
    Credentials,
    accounts::{Password, TakesPasswords},
    chassis::FakeChassis,
    ipmi::{self, IpmiBmc},
    password_rules::Rules,
    redfish::{self, RedfishBmc, RedfishOptions},
    redfish_manners::Manner,
};

const OLD: &str = "calvin";
const NEW: &str = "kT7-mQ2xWd9pRfZa";
const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 3, min_gap: Duration::ZERO };

/// A virtual BMC of either kind.
enum Virtual {
    Ipmi(IpmiBmc),
    Redfish(RedfishBmc),
}

impl Virtual {
    fn both() -> [Self; 2] {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let credentials = || Credentials::new("admin", OLD);
        let chassis = || Arc::new(FakeChassis::default());
        [
            Self::Ipmi(ipmi::serve(any, credentials(), chassis()).unwrap()),
            Self::Redfish(redfish::serve(any, credentials(), chassis(), None).unwrap()),
        ]
    }

    fn password(&self) -> &Password {
        match self {
            Self::Ipmi(bmc) => &bmc.password,
            Self::Redfish(bmc) => &bmc.password,
        }
    }

    /// Log-ins that were begun and did not succeed.
    fn failed(&self) -> u64 {
        match self {
            Self::Ipmi(bmc) => bmc.stats().attempts - bmc.stats().logins,
            Self::Redfish(bmc) => bmc.stats().attempts - bmc.stats().logins,
        }
    }

    /// The agent's connection, as a server is declared to it: with both passwords, in an order.
    fn connect(&self, is_first: bool) -> Box<dyn Bmc> {
        self.connect_to(Default::default(), is_first)
    }

    /// The same with what the site says of its quirks, and another password that is to follow.
    fn connect_with(&self, quirks: Vec<SaidQuirk>, next: &str) -> Box<dyn Bmc> {
        let mut spec = self.spec(Default::default(), false);
        spec.bmc.settings.quirks = quirks;
        spec.next_password = Some(NextPassword { password: Secret::new(next), is_first: false });
        connected(&spec)
    }

    /// The same to one that has this password.
    fn connect_from(&self, old: &Secret, next: &str) -> Box<dyn Bmc> {
        let mut spec = self.spec(Default::default(), false);
        spec.bmc.password = old.clone();
        spec.next_password = Some(NextPassword { password: Secret::new(next), is_first: false });
        connected(&spec)
    }

    /// The same to a server of which this is known.
    fn connect_to(&self, expected: ExpectedIdentity, is_first: bool) -> Box<dyn Bmc> {
        connected(&self.spec(expected, is_first))
    }

    fn spec(&self, expected: ExpectedIdentity, is_first: bool) -> ServerSpec {
        let (addr, protocol) = match self {
            Self::Ipmi(bmc) => (bmc.addr, BmcProtocol::Ipmi { cipher_suite: None }),
            Self::Redfish(bmc) => {
                (bmc.addr, BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true })
            }
        };
        ServerSpec {
            id: ServerId::random(),
            name: "n1".into(),
            bmc: BmcEndpoint {
                protocol,
                address: addr.ip().to_string(),
                port: addr.port(),
                username: "admin".into(),
                password: Secret::new(OLD),
                settings: Default::default(),
            },
            macs: vec![],
            other_macs: vec![],
            boot_mode: BootMode::Bios,
            boot_loader: None,
            secure_boot: None,
            expected,
            next_password: Some(NextPassword { password: Secret::new(NEW), is_first }),
            tenancy: None,
        }
    }

    fn is(&self, password: &str) -> bool {
        self.password().get().reveal() == password
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Ipmi(_) => "IPMI",
            Self::Redfish(_) => "Redfish",
        }
    }
}

fn connected(spec: &ServerSpec) -> Box<dyn Bmc> {
    // Pauses are as long as a product's: none is waited for here.
    let log_ins = LogIns { pace: Pace(Duration::from_secs(1)), in_call: false };
    connect_declared(spec, OPTIONS, log_ins, &KeptSessions::default())
}

#[tokio::test]
async fn a_password_is_changed_and_proved_without_a_failing_log_in() {
    for bmc in Virtual::both() {
        let connection = bmc.connect(false);
        assert_eq!(connection.renew_password().await, Ok(Renewed::New), "{}", bmc.name());
        assert!(bmc.is(NEW), "{}", bmc.name());
        // Done again it does nothing more, and the server is read on.
        assert_eq!(connection.renew_password().await, Ok(Renewed::New), "{}", bmc.name());
        connection.power_status().await.unwrap();
        assert_eq!(bmc.failed(), 0, "{}", bmc.name());
    }
}

#[tokio::test]
async fn an_agent_that_was_killed_finds_out_which_password_the_bmc_has_by_one_failing_log_in_at_most() {
    for has_taken_it in [false, true] {
        for is_first in [false, true] {
            for bmc in Virtual::both() {
                let why = format!("{}, taken: {has_taken_it}, first: {is_first}", bmc.name());
                if has_taken_it {
                    bmc.connect(false).renew_password().await.unwrap();
                }
                // Another run of the agent, which knows what is declared and nothing else.
                let connection = bmc.connect(is_first);
                connection.power_status().await.unwrap_or_else(|error| panic!("{why}: cut off: {error}"));
                assert_eq!(connection.renew_password().await, Ok(Renewed::New), "{why}");
                assert!(bmc.is(NEW), "{why}");
                assert_eq!(bmc.failed(), u64::from(has_taken_it != is_first), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn a_bmc_that_keeps_its_password_says_why_and_is_reached_by_the_old_one() {
    let check = async |takes: TakesPasswords, words: &str, failed_max: u64| {
        for bmc in Virtual::both() {
            bmc.password().takes(takes);
            let connection = bmc.connect(false);
            let renewed = connection.renew_password().await;
            let is_kept = matches!(&renewed, Ok(Renewed::Kept { reason, .. }) if reason.contains(words));
            assert!(is_kept, "{}, {takes:?}: {renewed:?}", bmc.name());
            assert!(bmc.is(OLD) && connection.power_status().await.is_ok(), "{}, {takes:?}", bmc.name());
            assert!(bmc.failed() <= failed_max, "{}, {takes:?}: {} failed", bmc.name(), bmc.failed());
        }
    };
    check(TakesPasswords::Refuses, "", 0).await;
    check(TakesPasswords::SaysSo, "by the old one only", 1).await;
}

#[tokio::test]
async fn an_account_whose_password_must_be_changed_first_is_changed_first() {
    let [_, bmc] = Virtual::both();
    bmc.password().takes(TakesPasswords::First);
    // One of whom it is known who it must be, and that does not say who it is, may be another machine from the same factory.
    let guid = "00112233-4455-6677-8899-aabbccddeeff".to_owned();
    let known = BmcIdentity { guid, ..BmcIdentity::default() };
    let known = ExpectedIdentity { bmc: known, ..ExpectedIdentity::default() };
    bmc.connect_to(known, false).renew_password().await.unwrap_err();
    assert!(bmc.is(OLD));
    let connection = bmc.connect(false);
    let refused = connection.power_status().await.unwrap_err().to_string();
    assert!(refused.contains("bmsctl bmc rotate"), "{refused}");
    assert_eq!(connection.renew_password().await, Ok(Renewed::New));
    assert!(bmc.is(NEW) && connection.power_status().await.is_ok());
    assert_eq!(bmc.failed(), 0);
}

#[tokio::test]
async fn a_password_of_a_length_that_is_not_taken_is_not_told_and_the_right_one_is_named() {
    let [_, bmc] = Virtual::both();
    bmc.password().takes(TakesPasswords::Long);
    let connection = bmc.connect(false);
    let renewed = connection.renew_password().await.unwrap();
    let length = Some(PasswordLength { min: 20, max: u32::MAX });
    assert!(matches!(&renewed, Renewed::Kept { length: found, .. } if *found == length), "{renewed:?}");
    assert!(bmc.is(OLD) && connection.power_status().await.is_ok());
    assert_eq!(bmc.failed(), 0);
}

#[tokio::test]
async fn a_bmc_whose_like_cuts_passwords_off_is_not_told_a_long_one() {
    const LONG: &str = "kT7-mQ2xWd9pRfZaB4c";
    for bmc in Virtual::both() {
        let said = vec!["password-16-most".parse().unwrap()];
        // What is not known of it costs a log-in, and the old password is kept.
        bmc.password().takes(TakesPasswords::CutsOff(16));
        let renewed = bmc.connect_with(vec![], LONG).renew_password().await;
        assert!(!matches!(renewed, Ok(Renewed::New)), "{}: {renewed:?}", bmc.name());
        bmc.password().set(Secret::new(OLD));
        let before = bmc.failed();
        let renewed = bmc.connect_with(said.clone(), LONG).renew_password().await.unwrap();
        let is_of_16 = |length: &Option<PasswordLength>| length.is_some_and(|length| length.max == 16);
        assert!(matches!(&renewed, Renewed::Kept { length, .. } if is_of_16(length)), "{renewed:?}");
        assert!(bmc.is(OLD) && bmc.failed() == before, "{}", bmc.name());
        assert_eq!(bmc.connect_with(said, NEW).renew_password().await, Ok(Renewed::New), "{}", bmc.name());
        assert!(bmc.is(NEW), "{}", bmc.name());
    }
}

/// As the coordinator makes them.
fn made(number: u16, length: usize) -> Secret {
    let mut random = [0; password::RANDOM_BYTES];
    for (block, bytes) in random.chunks_mut(64).enumerate() {
        let hash = Sha512::digest([number.to_le_bytes(), [block as u8, 7]].concat());
        bytes.copy_from_slice(&hash[..bytes.len()]);
    }
    password::password(&random, length)
}

#[tokio::test]
async fn passwords_that_are_made_keep_the_rules_of_idrac_and_xcc() {
    for (rules, lengths) in
        [(Rules::IDRAC, &[12, 16, 20][..]), (Rules::XCC, &[12, 16, 20, 64]), (Rules::XCC_LONG, &[20, 32])]
    {
        for (number, length) in
            (0..500).flat_map(|number| lengths.iter().map(move |length| (number, *length)))
        {
            let made = made(number, length);
            assert_eq!(rules.fault(made.reveal(), &[]), None, "{} of {rules:?}", made.reveal());
        }
        if rules == Rules::XCC_LONG {
            continue;
        }
        for bmc in Virtual::both() {
            bmc.password().set(Secret::new("Of-the-factory-1"));
            bmc.password().takes(TakesPasswords::ByRules(rules));
            for number in 0..3 {
                let (old, next) = (bmc.password().get(), made(number, password::LENGTH));
                let renewed = bmc.connect_from(&old, next.reveal()).renew_password().await;
                assert_eq!(renewed, Ok(Renewed::New), "{}, {rules:?}", bmc.name());
                assert!(bmc.is(next.reveal()));
            }
            assert_eq!(bmc.failed(), 0, "{}, {rules:?}", bmc.name());
        }
    }
}

#[tokio::test]
async fn a_password_that_breaks_a_bmcs_rule_is_refused_in_its_words_and_the_old_one_stays() {
    for bmc in Virtual::both() {
        bmc.password().takes(TakesPasswords::ByRules(Rules::XCC));
        bmc.connect_with(vec![], NEW).renew_password().await.unwrap();
        for (next, words) in
            [(NEW, "used before"), ("calvin-calvin", "lacks a kind"), ("Ab3-xxxy", "repeats")]
        {
            // Another run of the agent, that has to change it back or to something worse.
            let between = made(1, password::LENGTH);
            let old = bmc.password().get();
            if bmc.is(next) {
                bmc.connect_from(&old, between.reveal()).renew_password().await.unwrap();
            }
            let old = bmc.password().get();
            let renewed = bmc.connect_from(&old, next).renew_password().await.unwrap();
            let Renewed::Kept { reason, length: None } = &renewed else {
                panic!("{}: {renewed:?}", bmc.name())
            };
            // IPMI has a number for all of them.
            assert!(reason.contains(words) || bmc.name() == "IPMI", "{}: {reason}", bmc.name());
            assert!(bmc.is(old.reveal()) && bmc.failed() == 0, "{}", bmc.name());
        }
    }
}

#[tokio::test]
async fn a_bmc_that_wants_longer_passwords_and_does_not_say_so_gets_them_by_the_sites_word() {
    let said = || vec!["password-20-least".parse().unwrap()];
    for bmc in Virtual::both() {
        bmc.password().takes(TakesPasswords::ByRules(Rules::XCC_LONG));
        let (short, long) = (made(1, 16), made(1, 20));
        // What is not known of it is refused, and would be for ever.
        let renewed = bmc.connect_with(vec![], short.reveal()).renew_password().await.unwrap();
        assert!(matches!(renewed, Renewed::Kept { length: None, .. }), "{}: {renewed:?}", bmc.name());
        let renewed = bmc.connect_with(said(), short.reveal()).renew_password().await.unwrap();
        let is_twenty = |length: &Option<PasswordLength>| length.is_some_and(|length| length.min == 20);
        assert!(matches!(&renewed, Renewed::Kept { length, .. } if is_twenty(length)), "{renewed:?}");
        assert_eq!(password::fitting(PasswordLength { min: 20, max: 20 }), Ok(20));
        assert_eq!(bmc.connect_with(said(), long.reveal()).renew_password().await, Ok(Renewed::New));
        assert!(bmc.is(long.reveal()) && bmc.failed() == 0, "{}", bmc.name());
    }
}

#[tokio::test]
async fn what_a_bmc_says_of_its_passwords_comes_before_what_is_known_of_its_like() {
    let [_, bmc] = Virtual::both();
    bmc.password().takes(TakesPasswords::Long);
    let said = vec!["password-16-most".parse().unwrap()];
    let renewed = bmc.connect_with(said.clone(), NEW).renew_password().await.unwrap();
    assert!(
        matches!(&renewed, Renewed::Kept { length: Some(length), .. } if length.min == 20),
        "{renewed:?}"
    );
    let long = "kT7-mQ2xWd9pRfZaB4cD";
    assert_eq!(bmc.connect_with(said, long).renew_password().await, Ok(Renewed::New));
    assert!(bmc.is(long));
}

#[tokio::test]
async fn a_bmc_that_refuses_the_short_form_by_ipmi_gets_the_long_one() {
    let [bmc, _] = Virtual::both();
    bmc.password().takes(TakesPasswords::LongForm);
    assert_eq!(bmc.connect(false).renew_password().await, Ok(Renewed::New));
    assert!(bmc.is(NEW) && bmc.failed() == 0);
    // One that IPMI has no room for is told to nobody.
    let renewed = bmc.connect_with(vec![], "kT7-mQ2xWd9pRfZaB4cD5").renew_password().await;
    assert!(!matches!(renewed, Ok(Renewed::New)), "{renewed:?}");
}

#[tokio::test]
async fn where_neither_password_is_right_each_is_tried_once_and_then_the_account_rests() {
    for bmc in Virtual::both() {
        bmc.password().takes(TakesPasswords::Yes);
        bmc.connect(false).renew_password().await.unwrap();
        // Somebody has changed it by hand.
        bmc.password().set(Secret::new("by hand"));
        let before = bmc.failed();
        let connection = bmc.connect(true);
        for _ in 0..3 {
            let refused = connection.power_status().await.unwrap_err();
            assert!(matches!(refused, BmcError::Credentials { .. }), "{}: {refused}", bmc.name());
        }
        assert_eq!(bmc.failed() - before, 2, "{}", bmc.name());
    }
}

#[tokio::test]
async fn what_could_have_been_changed_is_read_and_what_cannot_be_read_is_named() {
    for bmc in Virtual::both() {
        let read = bmc
            .connect(false)
            .read_footprint()
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", bmc.name()));
        assert!(read.users.iter().any(|user| user.contains("admin")), "{}: {read:?}", bmc.name());
        assert!(read.firmware.iter().any(|version| version.starts_with("BMC ")), "{}: {read:?}", bmc.name());
        // IPMI knows nothing of it.
        let expected = match &bmc {
            Virtual::Ipmi(_) => (None, true),
            Virtual::Redfish(_) => (Some(false), false),
        };
        let found = (read.secure_boot, read.unread.contains(&Part::SecureBoot));
        assert_eq!(found, expected, "{}: {read:?}", bmc.name());
    }
}

#[tokio::test]
async fn our_user_may_stand_on_another_page_of_a_redfish_services_users() {
    let manners = vec![Manner::PlacesForUsers, Manner::PagedUsers];
    let options = RedfishOptions { manners, ..RedfishOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let served = redfish::serve_on(
        listener,
        Credentials::new("admin", OLD),
        Arc::new(FakeChassis::default()),
        options,
    );
    let bmc = Virtual::Redfish(served.unwrap());
    let connection = bmc.connect(false);
    let users = connection.read_footprint().await.unwrap().users;
    assert!(
        ["admin", "monitor"].iter().all(|name| users.iter().any(|user| user.contains(name))),
        "{users:?}"
    );
    assert_eq!(connection.renew_password().await, Ok(Renewed::New));
    assert!(bmc.is(NEW) && bmc.failed() == 0);
}

#[tokio::test]
async fn a_bmc_is_told_to_leave_its_server_off_after_a_power_failure() {
    for bmc in Virtual::both() {
        let connection = bmc.connect(false);
        for _ in 0..2 {
            connection.keep_off().await.unwrap_or_else(|error| panic!("{}: {error}", bmc.name()));
        }
        match &bmc {
            Virtual::Ipmi(bmc) => {
                let policy = bmc.records.with(|records| records.settings.policy);
                assert_eq!(policy, Some(RestorePolicy::AlwaysOff));
            }
            Virtual::Redfish(bmc) => assert_eq!(bmc.restore_policy(), "AlwaysOff"),
        }
    }
}
