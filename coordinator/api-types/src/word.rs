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

/// Makes an enum of a closed list of words. A client takes a word that it does not know for the one behind `else`, if there is one;
/// whoever asks with `FromStr` is told which words there are.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$one_doc:meta])* $one:ident = $word:literal),*
            $(; $(#[$else_doc:meta])* else $else:ident = $else_word:literal)?
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
