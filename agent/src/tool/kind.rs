//! Values: kinds of failures, and what the program ends with.

/// Kinds of failures, as they are counted; the number is what the program ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A BMC refused, or was not understood.
    Refused = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// A BMC does not answer.
    Unreachable = 3,
    /// A BMC does not accept user or password.
    Credentials = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Usage, Self::Unreachable, Self::Credentials];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Refused => "refused",
            Kind::Usage => "wrong call",
            Kind::Unreachable => "no answer",
            Kind::Credentials => "log-in refused",
        }
    }
}
