//! Values: the faults of virtual BMCs, by name.

use protocol::quirk::Quirk;
use serde::{Deserialize, Serialize};

/// One way in which a BMC is bad. In files: `"silent"`, or with its figures `{ slow = { answer_ms = 500 } }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// It answers nothing.
    Silent,
    /// Each answer comes so late.
    Slow {
        /// By how much, in milliseconds.
        answer_ms: u64,
    },
    /// Datagrams get lost, in both directions; a Redfish service closes connections instead of answering.
    Lossy {
        /// How many of a hundred.
        percent: u8,
    },
    /// Its answers make no sense.
    Garbage,
    /// It refuses every command to the server.
    Refuses,
    /// It says "done" to commands and does nothing.
    Ignores,
    /// There are so few places for sessions.
    FewSessions {
        /// How many.
        sessions: usize,
    },
    /// It locks its user after failed log-ins.
    LocksOut {
        /// After how many.
        after: u64,
        /// For how long, in seconds.
        for_s: u64,
    },
    /// It says of the next log-ins that user or password is wrong, though they are right.
    WrongForAWhile {
        /// How many log-ins.
        log_ins: u32,
    },
    /// It restarts, once, when this is switched on: it is silent for a while and has then forgotten its sessions.
    Reboots {
        /// For how long it is silent, in milliseconds.
        for_ms: u64,
    },
    /// Redfish by TLS: from the next connection on it shows another certificate.
    CertificateRenewed,
    /// The next power-ons are answered with "done" and do nothing.
    PowerOnLost {
        /// How many.
        times: u32,
    },
    /// IPMI: RAKP 2 and RAKP 4 carry message tag 0.
    TagZero,
    /// IPMI: a refused log-in is answered with zeroes in place of tag and session id.
    AnonymousRefusals,
    /// IPMI: answers in a session are encrypted but not authenticated. From the next log-in on.
    NotAuthenticated,
    /// IPMI: it grants cipher suite 3 whatever is asked for.
    SuiteThreeGranted,
    /// IPMI: its proof is hashed without the bit that says that the user is found by name. From the next log-in on.
    ProofOfPrivilegeOnly,
    /// IPMI: a session's keys, and not its proof, are hashed without that bit. From the next log-in on.
    KeysOfPrivilegeOnly,
    /// Redfish: paths without a slash at their end are redirected to those with one, or the reverse.
    Redirects,
    /// Redfish: power commands are refused with 409 so often.
    ConflictAfterOff {
        /// How often.
        times: usize,
    },
    /// What a BMC with this quirk does.
    #[serde(with = "by_name")]
    Deviation(Quirk),
}

/// A quirk by its name.
mod by_name {
    use protocol::quirk::Quirk;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(quirk: &Quirk, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(quirk.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Quirk, D::Error> {
        let name = String::deserialize(from)?;
        let found = Quirk::ALL.into_iter().find(|quirk| quirk.name() == name);
        found.ok_or_else(|| Error::custom(format!("{name:?} is no quirk that is known")))
    }
}

impl Fault {
    /// The faults as a list for people: name, with figures as an example, and what they do.
    pub fn all() -> Vec<(Self, &'static str)> {
        let named = [
            (Self::Silent, "answers nothing"),
            (Self::Slow { answer_ms: 1000 }, "each answer comes so late"),
            (Self::Lossy { percent: 20 }, "so many of a hundred datagrams, or requests, are lost"),
            (Self::Garbage, "its answers make no sense"),
            (Self::Refuses, "refuses every command to the server"),
            (Self::Ignores, "says \"done\" and does nothing"),
            (Self::FewSessions { sessions: 1 }, "has so few places for sessions"),
            (Self::LocksOut { after: 3, for_s: 60 }, "locks its user after failed log-ins"),
            (Self::WrongForAWhile { log_ins: 2 }, "says of the next log-ins that the password is wrong"),
            (Self::Reboots { for_ms: 30_000 }, "restarts once: is silent, then has forgotten its sessions"),
            (Self::CertificateRenewed, "Redfish by TLS: shows another certificate"),
            (Self::PowerOnLost { times: 1 }, "the next power-ons are answered with \"done\" and do nothing"),
            (Self::TagZero, "IPMI: RAKP 2 and 4 carry message tag 0"),
            (Self::AnonymousRefusals, "IPMI: refuses log-ins with zeroes for tag and session id"),
            (Self::NotAuthenticated, "IPMI: answers are encrypted but not authenticated"),
            (Self::SuiteThreeGranted, "IPMI: grants cipher suite 3 whatever is asked for"),
            (Self::ProofOfPrivilegeOnly, "IPMI: hashes its proof without the name-only bit"),
            (Self::KeysOfPrivilegeOnly, "IPMI: hashes a session's keys alone without the name-only bit"),
            (Self::Redirects, "Redfish: redirects paths to those with or without a slash"),
            (Self::ConflictAfterOff { times: 2 }, "Redfish: refuses power commands with 409 so often"),
        ];
        let quirks = Quirk::ALL.into_iter().map(|quirk| (Self::Deviation(quirk), deviation(quirk)));
        named.into_iter().chain(quirks).collect()
    }
}

/// What a BMC with this quirk does, for people. The quirk's own text says what is done about it.
pub fn deviation(quirk: Quirk) -> &'static str {
    match quirk {
        Quirk::EfiDiskIsRemote => "IPMI: refuses device 2 of the boot flags, its disk is device 9",
        Quirk::DiskBootLeftAlone => "starts in circles while the disk is chosen as boot device",
        Quirk::ForgetsFirmwareMode => "IPMI: shows boot flags without the bit for UEFI",
        Quirk::BootFlagsNotRead => "IPMI: shows boot flags as not valid",
        Quirk::AllClearingSuppressed => "IPMI: clears boot flags unless parameter 3 is 0x1f",
        Quirk::BootOptionsAnnounced => "IPMI: throws boot flags away without \"set in progress\"",
        Quirk::NetworkBootPersistent => "IPMI: throws flags for one boot from the network away",
        Quirk::UnspecifiedPasses => "IPMI: answers readings after a power command with 0xff for a while",
        Quirk::PauseBetweenRequests => "loses a request that comes within 200 ms of an answer",
        Quirk::ResetByOffAndOn => "a reset leaves the server without its disks",
        Quirk::ProofWithoutNameBit => "IPMI: expects RAKP 3 hashed without the name-only bit",
        Quirk::UserNamePadded => "IPMI: ignores RAKP 1 with a name of less than 16 bytes",
        Quirk::SuiteThreeFirst => "IPMI: is silent when cipher suite 17 is asked for",
        Quirk::SessionNotKept => "has one place for a session",
        Quirk::BootAtSettings => "Redfish: takes the boot override at its settings object only",
        Quirk::BootModeNotSent => "Redfish: refuses a boot override with its mode",
        Quirk::BootSetOnceOnly => "refuses a boot override for all boots",
        Quirk::ConnectionNotKept => "Redfish: closes a connection that is used again",
        Quirk::OldTls => "Redfish: speaks TLS 1.2 alone",
        Quirk::PasswordSixteenMost => "cuts a new password off after 16 characters",
        Quirk::PasswordNineteenMost => "cuts a new password off after 19 characters",
        Quirk::PasswordTwentyMost => "cuts a new password off after 20 characters",
        Quirk::PasswordTwentyLeast => "refuses a new password of fewer than 20 characters",
        Quirk::MembersOneByOne => {
            "Redfish: shows members that are asked for whole (`$expand`) without what they are"
        }
    }
}
