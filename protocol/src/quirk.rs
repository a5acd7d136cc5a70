//! Values: named ways in which a BMC differs from its specification, and what a site says of them for one server.
//!
//! Which BMC has which quirk is the agent's table (`bmc/quirks/`). Here are only the names, which import files and messages carry,
//! so that both ends refuse the same unknown ones.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most quirks that are said of one server.
pub const QUIRKS_MAX: usize = 32;

/// One way in which a BMC differs, with what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// IPMI: in UEFI mode its disk is device 9 of the boot flags (0x24 on the wire) instead of 2.
    EfiDiskIsRemote,
    /// Its disk is not chosen as a boot device: the override is removed, and the firmware's own order decides.
    DiskBootLeftAlone,
    /// IPMI: boot flags are read back without the bit for UEFI. The missing bit is then no mismatch.
    ForgetsFirmwareMode,
    /// IPMI: what it says of its boot flags is not what it does. They are not read back.
    BootFlagsNotRead,
    /// IPMI: it keeps boot flags only when every cause of clearing them is suppressed (parameter 3 is 0x1f instead of 0x08).
    AllClearingSuppressed,
    /// IPMI: boot flags are set between "set in progress" and "complete" (parameter 0), with parameter 4, as common tools do it.
    BootOptionsAnnounced,
    /// IPMI: it heeds boot flags for the network only when they are for all boots.
    NetworkBootPersistent,
    /// IPMI: while it starts it answers readings with "unspecified error" (0xff). They are asked again.
    UnspecifiedPasses,
    /// It loses requests, or stops, when they come one upon the other: there is a pause between them.
    PauseBetweenRequests,
    /// A reset leaves hardware in a state in which it is not found: the server is switched off and on instead.
    ResetByOffAndOn,
    /// IPMI: it expects our proof (RAKP 3) hashed without the bit that says that the user is found by name.
    ProofWithoutNameBit,
    /// IPMI: it takes RAKP 1 only with all 16 bytes of the user name.
    UserNamePadded,
    /// IPMI: it is silent or wrong with cipher suite 17. Suite 3 is asked for first.
    SuiteThreeFirst,
    /// It has too few sessions to keep one open: ours is given back after each question.
    SessionNotKept,
    /// Redfish: the boot override is written at the settings object that `@Redfish.Settings` names, though that one shows none.
    BootAtSettings,
    /// Redfish: a boot override with its mode is refused. It is written without.
    BootModeNotSent,
    /// Redfish: a boot override for all boots is refused or forgotten. It is written for the next boot only, anew at each.
    BootSetOnceOnly,
    /// Redfish: it breaks connections that are used again. Each request gets its own.
    ConnectionNotKept,
    /// Redfish: it stumbles over a newer handshake. TLS 1.2 alone is spoken to it, with RSA signatures by PKCS #1.
    OldTls,
    /// It takes passwords of 16 characters at most, or says that it takes longer ones and does not.
    PasswordSixteenMost,
    /// It takes passwords of 19 characters at most, or says that it takes longer ones and does not.
    PasswordNineteenMost,
    /// It takes passwords of 20 characters at most, also by Redfish.
    PasswordTwentyMost,
    /// It refuses passwords of fewer than 20 characters, and does not say so.
    PasswordTwentyLeast,
    /// Redfish: members of collections that it is asked to show whole (`$expand`) are wrong or not complete. Each is read by itself.
    MembersOneByOne,
}

impl Quirk {
    /// All of them, in the order in which they are described.
    pub const ALL: [Self; 24] = [
        Self::EfiDiskIsRemote,
        Self::DiskBootLeftAlone,
        Self::ForgetsFirmwareMode,
        Self::BootFlagsNotRead,
        Self::AllClearingSuppressed,
        Self::BootOptionsAnnounced,
        Self::NetworkBootPersistent,
        Self::UnspecifiedPasses,
        Self::PauseBetweenRequests,
        Self::ResetByOffAndOn,
        Self::ProofWithoutNameBit,
        Self::UserNamePadded,
        Self::SuiteThreeFirst,
        Self::SessionNotKept,
        Self::BootAtSettings,
        Self::BootModeNotSent,
        Self::BootSetOnceOnly,
        Self::ConnectionNotKept,
        Self::OldTls,
        Self::PasswordSixteenMost,
        Self::PasswordNineteenMost,
        Self::PasswordTwentyMost,
        Self::PasswordTwentyLeast,
        Self::MembersOneByOne,
    ];

    /// Its name, as it is written in import files.
    pub fn name(self) -> &'static str {
        match self {
            Quirk::EfiDiskIsRemote => "efi-disk-is-remote",
            Quirk::DiskBootLeftAlone => "disk-boot-left-alone",
            Quirk::ForgetsFirmwareMode => "forgets-firmware-mode",
            Quirk::BootFlagsNotRead => "boot-flags-not-read",
            Quirk::AllClearingSuppressed => "all-clearing-suppressed",
            Quirk::BootOptionsAnnounced => "boot-options-announced",
            Quirk::NetworkBootPersistent => "network-boot-persistent",
            Quirk::UnspecifiedPasses => "unspecified-passes",
            Quirk::PauseBetweenRequests => "pause-between-requests",
            Quirk::ResetByOffAndOn => "reset-by-off-and-on",
            Quirk::ProofWithoutNameBit => "proof-without-name-bit",
            Quirk::UserNamePadded => "user-name-padded",
            Quirk::SuiteThreeFirst => "suite-3-first",
            Quirk::SessionNotKept => "session-not-kept",
            Quirk::BootAtSettings => "boot-at-settings",
            Quirk::BootModeNotSent => "boot-mode-not-sent",
            Quirk::BootSetOnceOnly => "boot-set-once-only",
            Quirk::ConnectionNotKept => "connection-not-kept",
            Quirk::OldTls => "old-tls",
            Quirk::PasswordSixteenMost => "password-16-most",
            Quirk::PasswordNineteenMost => "password-19-most",
            Quirk::PasswordTwentyMost => "password-20-most",
            Quirk::PasswordTwentyLeast => "password-20-least",
            Quirk::MembersOneByOne => "members-one-by-one",
        }
    }

    /// What is done for a BMC that has it, for people.
    pub fn remedy(self) -> &'static str {
        match self {
            Quirk::EfiDiskIsRemote => {
                "in UEFI mode the disk is asked for as device 9 (0x24) of the boot flags"
            }
            Quirk::DiskBootLeftAlone => {
                "the override is removed in place of a boot from disk; the firmware's own order decides"
            }
            Quirk::ForgetsFirmwareMode => {
                "boot flags that are read back without the UEFI bit are taken as set"
            }
            Quirk::BootFlagsNotRead => "boot flags are not read back",
            Quirk::AllClearingSuppressed => "boot option parameter 3 is set to 0x1f instead of 0x08",
            Quirk::BootOptionsAnnounced => {
                "boot flags are set between \"set in progress\" and \"complete\", after parameter 4"
            }
            Quirk::NetworkBootPersistent => {
                "a boot from the network is asked for as persistent, until the next boot from disk"
            }
            Quirk::UnspecifiedPasses => "a reading that is answered with 0xff is asked again",
            Quirk::PauseBetweenRequests => "there is a pause of 250 ms between two requests",
            Quirk::ResetByOffAndOn => "a reset is done by switching off, and on again",
            Quirk::ProofWithoutNameBit => {
                "RAKP 3 is hashed without the name-only bit from the first login on"
            }
            Quirk::UserNamePadded => "RAKP 1 carries the user name in 16 bytes",
            Quirk::SuiteThreeFirst => "cipher suite 3 is asked for before 17",
            Quirk::SessionNotKept => {
                "the session is closed after each question; Redfish: user and password go with each request"
            }
            Quirk::BootAtSettings => "the boot override is written at the settings object first",
            Quirk::BootModeNotSent => "the boot override is written without its mode first",
            Quirk::BootSetOnceOnly => "a boot from disk is asked for as once, anew at each start",
            Quirk::ConnectionNotKept => "each request gets a connection of its own",
            Quirk::OldTls => "TLS 1.2 alone is spoken, with RSA signatures by PKCS #1",
            Quirk::PasswordSixteenMost => {
                "it is told no password of more than 16 characters, unless its account service says that it takes them"
            }
            Quirk::PasswordNineteenMost => "the same with 19 characters",
            Quirk::PasswordTwentyMost => "the same with 20 characters",
            Quirk::PasswordTwentyLeast => {
                "it is told no password of fewer than 20 characters, unless its account service says how long they are"
            }
            Quirk::MembersOneByOne => {
                "members of collections are read one by one, also if the service says that it shows them whole (`$expand`)"
            }
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no quirk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quirk of a BMC; known are {known}, each also with \"no-\" before it", known = names())]
pub struct UnknownQuirk(String);

fn names() -> String {
    Quirk::ALL.map(Quirk::name).join(", ")
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;
    fn from_str(text: &str) -> Result<Self, UnknownQuirk> {
        let named = Quirk::ALL.into_iter().find(|quirk| quirk.name() == text);
        named.ok_or_else(|| UnknownQuirk(text.to_owned()))
    }
}

/// What a site says of one quirk of one server's BMC, whatever the table says: written as its name, or with `no-` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidQuirk {
    /// It has it.
    Has(Quirk),
    /// It does not have it.
    HasNot(Quirk),
}

impl fmt::Display for SaidQuirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaidQuirk::Has(quirk) => write!(f, "{quirk}"),
            SaidQuirk::HasNot(quirk) => write!(f, "no-{quirk}"),
        }
    }
}

impl FromStr for SaidQuirk {
    type Err = UnknownQuirk;
    fn from_str(text: &str) -> Result<Self, UnknownQuirk> {
        match text.strip_prefix("no-") {
            Some(name) => name.parse().map(SaidQuirk::HasNot).map_err(|_| UnknownQuirk(text.to_owned())),
            None => text.parse().map(SaidQuirk::Has),
        }
    }
}

impl Serialize for SaidQuirk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SaidQuirk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_one_name_by_which_it_is_read() {
        for quirk in Quirk::ALL {
            for said in [SaidQuirk::Has(quirk), SaidQuirk::HasNot(quirk)] {
                assert_eq!(said.to_string().parse(), Ok(said));
            }
            assert!(!quirk.name().starts_with("no-"), "{quirk} would be read as its opposite");
            assert!(!quirk.remedy().is_empty());
        }
        for text in ["", "no-", "Efi-disk-is-remote", "no-no-suite-3-first", "suite-3-first "] {
            let error = text.parse::<SaidQuirk>().unwrap_err().to_string();
            assert!(error.contains("session-not-kept"), "{text:?}: {error}");
        }
    }
}
