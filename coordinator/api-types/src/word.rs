//! Values: closed lists of words: how each is written on the wire, read back, and shown.

/// A word that is none of a closed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// What was said.
    pub said: String,
    /// What could have been said.
    pub known: Vec<&'static str>,
}

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not known; known are {}", self.said, self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

/// Makes an enum of a closed list of words. (A word is matched as `tt`: utoipa does not see through a `literal` of a macro, and the
/// document would show the variants' names.) A client takes a word that it does not know for the one behind `else`, if there is one;
/// whoever asks with `FromStr` is told which words there are.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$one_doc:meta])* $one:ident = $word:tt),*
            $(; $(#[$else_doc:meta])* else $else:ident = $else_word:tt)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$one_doc])* #[serde(rename = $word)] $one,)*
            $($(#[$else_doc])* #[serde(rename = $else_word, other)] $else,)?
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$one,)* $(Self::$else,)?];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$one => $word,)*
                    $(Self::$else => $else_word,)?
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(said: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|one| one.as_str() == said);
                found.copied().ok_or_else(|| $crate::UnknownWord {
                    said: said.to_owned(),
                    known: Self::ALL.iter().map(|one| one.as_str()).collect(),
                })
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Display, str::FromStr};

    use serde::{Serialize, de::DeserializeOwned};
    use utoipa::PartialSchema;

    use crate::*;

    /// The document, the wire, the text and what is read back have the same words, and one of another version is survived.
    fn check<T>(all: &[T], words: &[&str])
    where
        T: Copy
            + PartialEq
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned
            + PartialSchema
            + Display
            + FromStr<Err: Display>,
    {
        let document = serde_json::to_value(T::schema()).unwrap();
        assert_eq!(document["enum"], serde_json::json!(words), "{document}");
        assert_eq!(all.len(), words.len());
        for (one, word) in all.iter().zip(words) {
            assert_eq!(
                (one.to_string().as_str(), serde_json::to_value(one).unwrap()),
                (*word, (*word).into())
            );
            assert_eq!(serde_json::from_value::<T>((*word).into()).unwrap(), *one);
            assert!(word.parse::<T>().is_ok_and(|read| read == *one));
        }
        let newer = serde_json::from_value::<T>("a newer word".into()).unwrap();
        assert_eq!(newer.to_string(), "unknown");
        let refused = "a newer word".parse::<T>().err().unwrap().to_string();
        assert_eq!(refused, format!("\"a newer word\" is not known; known are {}", words.join(", ")));
    }

    #[test]
    fn the_document_and_the_wire_have_the_same_words() {
        check(PowerState::ALL, &["on", "off", "unreachable", "unknown"]);
        check(
            ServerStatus::ALL,
            &[
                "building",
                "active",
                "off",
                "rescuing",
                "rescue",
                "unrescuing",
                "deleting",
                "error",
                "unknown",
            ],
        );
        check(BmcProtocol::ALL, &["ipmi", "redfish", "unknown"]);
        check(WhyNotWatched::ALL, &["credentials_refused", "other_machine", "unknown"]);
        check(BootMode::ALL, &["bios", "uefi", "unknown"]);
        check(ImageFirmware::ALL, &["bios", "uefi", "both", "unknown"]);
        check(IsolatedNetwork::ALL, &["provisioning", "cleaning", "unknown"]);
        check(
            BootStage::ALL,
            &["dhcp_discover", "dhcp_ack", "loader", "script", "kernel", "initrd", "unknown"],
        );
        check(FoundBy::ALL, &["bmc", "boot", "unknown"]);
        check(CertificateState::ALL, &["good", "replaced", "revoked", "ended", "unknown"]);
        check(CertificateOrigin::ALL, &["issued", "renewed", "taken_up", "unknown"]);
        check(HardwareHealth::ALL, &["ok", "warning", "critical", "unknown"]);
        check(ReasonSource::ALL, &["sensor", "log_entry", "log", "unknown"]);
        check(
            SensorKind::ALL,
            &[
                "temperature",
                "voltage",
                "current",
                "fan",
                "power",
                "power_supply",
                "processor",
                "memory",
                "drive",
                "chassis",
                "other",
                "unknown",
            ],
        );
        check(CachedImageStatus::ALL, &["cached", "fetching", "failed", "unknown"]);
        check(DiskStanding::ALL, &["missing", "to be erased", "erased", "left out", "unknown"]);
    }

    #[test]
    fn the_document_has_every_kind_of_event_by_the_word_that_is_stored() {
        let document = serde_json::to_value(EventKind::schema()).unwrap();
        let shown: BTreeSet<_> =
            document["enum"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
        let told: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).chain(["other"]).collect();
        assert_eq!(shown, told);
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!(serde_json::from_str::<EventKind>("\"bmc_reset\"").unwrap(), EventKind::Other);
    }
}
