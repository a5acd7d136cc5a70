//! Decisions: how a Redfish service is told where its server boots, and whether it has understood.
//!
//! Services want the same thing said in different ways, and some say "done" to one that they do not carry out. So there is a ladder of
//! ways, from what the service shows of itself; one is tried after the other until the boot override, read back, is what was
//! wanted. The power goes on only then.

use std::fmt;

use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    quirk::Quirk,
    redfish::{BootOverride, ComputerSystem, Link},
};

use crate::bmc::quirks::Deviations;

/// What the next start is to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) device: BootDevice,
    pub(super) persistence: Persistence,
    pub(super) mode: BootMode,
}

/// Where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the system itself.
    System,
    /// On the object that `@Redfish.Settings` names.
    Settings,
}

/// What is written of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Target, duration and mode.
    All,
    /// Target and duration: some services refuse the mode.
    WithoutMode,
    /// That nothing is overridden: the firmware's own order begins with the disk.
    Nothing,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    AsWanted,
    /// Until the next start. We say it anew at each.
    Once,
}

/// One way to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) place: Place,
    pub(super) says: Says,
    pub(super) lasts: Lasts,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::System => "at the system",
            Place::Settings => "at its settings object",
        };
        let says = match self.says {
            Says::All => "with the mode",
            Says::WithoutMode => "without the mode",
            Says::Nothing => "as the firmware's own order",
        };
        let lasts = match self.lasts {
            Lasts::AsWanted => "",
            Lasts::Once => ", for the next start only",
        };
        write!(f, "{place} {says}{lasts}")
    }
}

/// The ways that have worked at one service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ways {
    pxe: Option<Way>,
    disk: Option<Way>,
}

impl Ways {
    pub(super) fn get(self, device: BootDevice) -> Option<Way> {
        match device {
            BootDevice::Pxe => self.pxe,
            BootDevice::Disk => self.disk,
        }
    }

    /// None: no way works.
    pub(super) fn set(&mut self, device: BootDevice, way: Option<Way>) {
        match device {
            BootDevice::Pxe => self.pxe = way,
            BootDevice::Disk => self.disk = way,
        }
    }
}

/// What a service shows of how it takes a boot override.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The boot override of the system.
    boot: BootOverride,
    /// It has a settings object.
    has_settings: bool,
    /// That one is the one to be written: it shows a boot override too, or is known to take it.
    is_settings_first: bool,
    /// A mode is known to be refused.
    is_mode_refused: bool,
    /// A persistent override is known to be refused.
    is_once_only: bool,
    /// The disk is known not to be chosen.
    is_disk_left_alone: bool,
}

impl Shown {
    /// As a system shows it; `settings`: the same of its settings object, where that was read.
    pub(super) fn of(
        system: &ComputerSystem,
        settings: Option<&ComputerSystem>,
        quirks: &Deviations,
    ) -> Self {
        let has_settings = settings_object(system).is_some();
        let settings_show_boot = settings.and_then(|settings| settings.boot.as_ref()).is_some_and(is_shown);
        Self {
            boot: system.boot.clone().unwrap_or_default(),
            has_settings,
            is_settings_first: settings_show_boot || has_settings && quirks.has(Quirk::BootAtSettings),
            is_mode_refused: quirks.has(Quirk::BootModeNotSent),
            is_once_only: quirks.has(Quirk::BootSetOnceOnly),
            is_disk_left_alone: quirks.has(Quirk::DiskBootLeftAlone),
        }
    }
}

/// Where a system's future state is written.
pub(super) fn settings_object(system: &ComputerSystem) -> Option<&Link> {
    system.settings.as_ref()?.settings_object.as_ref()
}

fn is_shown(boot: &BootOverride) -> bool {
    boot.target.is_some() || boot.enabled.is_some()
}

/// The ways to say it, the likeliest first; the one that worked the last time before all others.
pub(super) fn ladder(shown: &Shown, wanted: Wanted, worked: Option<Way>) -> Vec<Way> {
    let places = match (shown.has_settings, shown.is_settings_first) {
        (_, true) => &[Place::Settings, Place::System][..],
        (true, false) => &[Place::System, Place::Settings],
        (false, false) => &[Place::System],
    };
    // A service that shows no mode refuses a body with it, mostly. One that shows it may change it when it is not sent.
    let says = match shown.boot.mode {
        Some(_) if !shown.is_mode_refused => [Says::All, Says::WithoutMode],
        Some(_) | None => [Says::WithoutMode, Says::All],
    };
    let own_order =
        places.iter().map(|place| Way { place: *place, says: Says::Nothing, lasts: Lasts::AsWanted });
    let is_disk = wanted.device == BootDevice::Disk;
    let mut ways: Vec<Way> = worked.into_iter().collect();
    ways.extend(own_order.clone().filter(|_| is_disk && shown.is_disk_left_alone));
    for lasts in durations(shown, wanted.persistence) {
        for place in places {
            ways.extend(says.map(|says| Way { place: *place, says, lasts: *lasts }));
        }
    }
    ways.extend(own_order.filter(|_| is_disk && !shown.is_disk_left_alone));
    if let Some(worked) = worked {
        let mut first = true;
        ways.retain(|way| *way != worked || std::mem::take(&mut first));
    }
    ways
}

/// The durations to be tried.
fn durations(shown: &Shown, wanted: Persistence) -> &'static [Lasts] {
    let allowed = &shown.boot.allowed_enabled;
    let is_refused = !allowed.is_empty() && !has(allowed, "Continuous");
    match wanted {
        Persistence::Once => &[Lasts::AsWanted],
        Persistence::Persistent if is_refused || shown.is_once_only => &[Lasts::Once],
        Persistence::Persistent => &[Lasts::AsWanted, Lasts::Once],
    }
}

/// The body that says it in one way.
pub(super) fn body(wanted: Wanted, way: Way) -> BootOverride {
    if way.says == Says::Nothing {
        return BootOverride { enabled: Some("Disabled".to_owned()), ..BootOverride::default() };
    }
    let enabled = match (wanted.persistence, way.lasts) {
        (Persistence::Once, Lasts::AsWanted | Lasts::Once) | (Persistence::Persistent, Lasts::Once) => "Once",
        (Persistence::Persistent, Lasts::AsWanted) => "Continuous",
    };
    BootOverride {
        enabled: Some(enabled.to_owned()),
        target: Some(target(wanted.device).to_owned()),
        mode: (way.says == Says::All).then(|| mode(wanted.mode).to_owned()),
        ..BootOverride::default()
    }
}

/// Whether the next start boots what is wanted by this way, as far as the service shows it. A duration that is longer or shorter does
/// no harm: we say it anew at each start.
pub(super) fn is_set(shown: &BootOverride, wanted: Wanted, way: Way) -> bool {
    match way.says {
        Says::Nothing => is_off(shown),
        Says::All | Says::WithoutMode => {
            let is_mode = shown.mode.is_none() || is(shown.mode.as_ref(), mode(wanted.mode));
            is(shown.target.as_ref(), target(wanted.device))
                && shown.enabled.is_some()
                && !is_off(shown)
                && is_mode
        }
    }
}

/// Whether the service says that nothing is overridden.
pub(super) fn is_off(shown: &BootOverride) -> bool {
    is(shown.enabled.as_ref(), "Disabled") || is(shown.target.as_ref(), "None")
}

fn is(found: Option<&String>, word: &str) -> bool {
    found.is_some_and(|found| found.trim().eq_ignore_ascii_case(word))
}

/// What a service shows, in the words of a sentence.
pub(super) fn words(shown: Option<&BootOverride>) -> String {
    let Some(boot) = shown.filter(|boot| is_shown(boot)) else { return "no boot override at all".to_owned() };
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let target = word(&boot.target);
    let enabled = word(&boot.enabled);
    match &boot.mode {
        Some(mode) => format!("{target}, {enabled}, {mode}"),
        None => format!("{target}, {enabled}"),
    }
}

/// What is wanted, in the same words.
pub(super) fn wanted_words(wanted: Wanted) -> String {
    let way = Way { place: Place::System, says: Says::All, lasts: Lasts::AsWanted };
    words(Some(&body(wanted, way)))
}

/// What the service itself says that it cannot do of this; empty: nothing.
pub(super) fn not_offered(shown: &BootOverride, wanted: Wanted) -> String {
    let check = |what: &str, allowed: &[String], word: &str| {
        let is_offered = allowed.is_empty() || has(allowed, word);
        (!is_offered).then(|| format!("; it offers no {what} {word}, only {}", allowed.join(", ")))
    };
    let lacks = [
        check("target", &shown.allowed_targets, target(wanted.device)),
        check("mode", &shown.allowed_modes, mode(wanted.mode)),
    ];
    lacks.into_iter().flatten().collect()
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|found| found.eq_ignore_ascii_case(word))
}

fn target(device: BootDevice) -> &'static str {
    match device {
        BootDevice::Pxe => "Pxe",
        BootDevice::Disk => "Hdd",
    }
}

fn mode(mode: BootMode) -> &'static str {
    match mode {
        BootMode::Bios => "Legacy",
        BootMode::Uefi => "UEFI",
    }
}

/// The forms in which a write says what it is based on, the likeliest first (RFC 9110, section 13.1.1): the ETag of the header, that of
/// the body, a strong one in place of a weak one, whatever there is, and nothing.
pub(super) fn etags(header: Option<&str>, body: Option<&str>) -> Vec<Option<String>> {
    let strong = |etag: &str| etag.strip_prefix("W/").map(str::to_owned);
    let known = [header.map(str::to_owned), body.map(str::to_owned), header.or(body).and_then(strong)];
    let any = Some("*".to_owned());
    let mut forms = Vec::new();
    for form in known.into_iter().filter(Option::is_some) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms.extend(if forms.is_empty() { [None, any] } else { [any, None] });
    forms
}

#[cfg(test)]
mod tests;
