//! Values: in which manners services of different makers do what goes beyond power and boot device.

/// One manner that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// `Sensors` and subsystems in place of `Thermal` and `Power`.
    NewerSensors,
    /// Users have places, which are written to; none is posted or deleted. The first place is refused.
    PlacesForUsers,
    /// Settings of the firmware have no settings object: what is written holds at once.
    SettingsAtOnce,
    /// A write of settings must not say when it is applied.
    NoApplyTime,
    /// Drives of virtual media have no actions.
    MediaByPatch,
    /// An image is taken only when the protocol is said, and nothing else beside it but the method.
    MediaTyped,
    /// Files of firmware are pushed bare.
    PushesBare,
    /// Files of firmware are fetched, and not taken.
    FetchesOnly,
    /// Updates fail with a reason.
    UpdateFails,
    /// Updates end well, and the old version stays.
    UpdateKeeps,
    /// The BMC restarts in the middle of an update.
    UpdateRestarts,
    /// Updates wait until the server is on.
    UpdateWaits,
    /// The light is an `IndicatorLED` of the chassis, and can only be lit.
    OlderLight,
    /// Entries of logs come two a page, whole.
    PagedLog,
    /// Users come one a page, whole.
    PagedUsers,
    /// This resource answers 500.
    Broken(&'static str),
    /// Writes to this resource are answered 204 and thrown away.
    Ignores(&'static str),
    /// Collections show their members whole when they are asked to.
    ShowsMembersWhole,
    /// The same, without what every resource must have.
    ShowsMembersInPart,
    /// It says that it shows members whole, and refuses it.
    RefusesMembersWhole,
    /// The limit of power is a `Control` of the chassis, beside the newer sensors.
    PowerByControl,
    /// Members of collections are links, and the members lie at another service.
    MembersElsewhere,
}
