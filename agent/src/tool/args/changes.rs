//! Values: what can be typed to look at firmware, settings and media, and to change them.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use protocol::{
    power::RestorePolicy,
    redfish::read::{media::MediaKind, secure_boot::KeysReset},
};

/// Firmware.
#[derive(Clone, Debug, Subcommand)]
pub enum FirmwareVerb {
    /// What there is, with versions.
    List,
    /// Give the BMC an image, and wait until it has taken it. A server may have to restart for it.
    Update {
        /// The image: a file, which is sent, or an address, from which the BMC fetches it.
        #[arg(value_name = "FILE|URL")]
        image: String,
        /// What it is for, by an id of `firmware list`; otherwise as the image says.
        #[arg(long = "target", value_name = "ID")]
        targets: Vec<String>,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
}

/// Settings of the server's firmware.
#[derive(Clone, Debug, Subcommand)]
pub enum BiosVerb {
    /// All settings, or those whose name has one of these words in it; and what waits for the next start.
    Get {
        /// Parts of names.
        words: Vec<String>,
    },
    /// Change settings for the next start, and read them back.
    Set {
        /// What to set.
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Set all settings back to the maker's.
    Reset,
}

/// Virtual media.
#[derive(Clone, Debug, Subcommand)]
pub enum MediaVerb {
    /// The drives, and what is in them.
    List,
    /// Put an image into a drive; what else is in it is taken out before.
    Insert {
        /// The image's address, as the BMC reaches it.
        #[arg(value_name = "URL")]
        image: String,
        /// The drive, by an id of `media list`; otherwise the first that fits.
        #[arg(long, value_name = "ID")]
        drive: Option<String>,
        /// What the server sees.
        #[arg(long = "as", value_enum, default_value = "cd")]
        kind: Media,
        /// The server may write to it.
        #[arg(long)]
        writable: bool,
        /// Who fetches the image, where it is behind a log-in.
        #[arg(long, value_name = "USER", requires = "image_password_file")]
        image_user: Option<String>,
        /// File whose first line is that user's password.
        #[arg(long, value_name = "FILE", requires = "image_user")]
        image_password_file: Option<PathBuf>,
    },
    /// Take out what is in a drive, or in all of them.
    Eject {
        /// The drive, by an id of `media list`.
        #[arg(value_name = "ID")]
        drive: Option<String>,
    },
}

/// A medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Media {
    /// A CD or DVD.
    Cd,
    /// A USB stick.
    Usb,
    /// A floppy disk.
    Floppy,
}

impl From<Media> for MediaKind {
    fn from(media: Media) -> Self {
        match media {
            Media::Cd => MediaKind::Cd,
            Media::Usb => MediaKind::Usb,
            Media::Floppy => MediaKind::Floppy,
        }
    }
}

/// Secure Boot.
#[derive(Clone, Debug, Subcommand)]
pub enum SecureBootVerb {
    /// Whether the last boot had it, whether the next one has, and its databases.
    Status,
    /// From the next start on.
    Enable,
    /// From the next start on.
    Disable,
    /// Reset its keys.
    ResetKeys {
        /// To what.
        #[arg(value_enum)]
        to: Keys,
        /// Of one database only, such as db.
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
}

/// What becomes of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    /// The maker's.
    Default,
    /// None.
    None,
    /// No platform key: the server is in set-up mode.
    NoPlatformKey,
}

impl From<Keys> for KeysReset {
    fn from(keys: Keys) -> Self {
        match keys {
            Keys::Default => KeysReset::ToDefault,
            Keys::None => KeysReset::DeleteAll,
            Keys::NoPlatformKey => KeysReset::DeletePlatformKey,
        }
    }
}

/// The BMC itself.
#[derive(Clone, Debug, Subcommand)]
pub enum ManagerVerb {
    /// Its model, firmware, clock and certificates.
    Show,
    /// Restart it. The server is not touched; the BMC does not answer for some minutes.
    Reset,
    /// Set its clock to this machine's.
    SetTime,
}

/// What the server may draw.
#[derive(Clone, Debug, Subcommand)]
pub enum PowerLimitVerb {
    /// What it draws, and its limit.
    Show,
    /// Limit it.
    Set {
        /// At most so many W.
        watts: u32,
    },
    /// Limit it no longer.
    Off,
}

/// What the server does when its power comes back.
#[derive(Clone, Debug, Subcommand)]
pub enum RestoreVerb {
    /// Read it.
    Get,
    /// Set it, and read it back.
    Set {
        /// What it does.
        #[arg(value_enum)]
        to: Restore,
    },
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Restore {
    /// It stays off.
    Off,
    /// It starts.
    On,
    /// As it was.
    Last,
}

impl From<Restore> for RestorePolicy {
    fn from(restore: Restore) -> Self {
        match restore {
            Restore::Off => RestorePolicy::AlwaysOff,
            Restore::On => RestorePolicy::AlwaysOn,
            Restore::Last => RestorePolicy::LastState,
        }
    }
}
