//! Values: how things look to a person: ages, sizes, tones of states, rows of lists.

use api_types::{Event, EventKind, Node, PowerState, Server, ServerStatus, unwatched};
use askama::Template;
use domain::lifecycle::ProvisionState;
use jiff::Timestamp;

use super::health;

/// A moment as it is shown: its age, and the moment itself when somebody asks.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(
    source = r#"<time datetime="{{ at }}" title="{{ absolute }}" data-age>{{ age }}</time>"#,
    ext = "html"
)]
pub struct When {
    /// RFC 3339, for programs.
    pub at: String,
    /// For people.
    pub absolute: String,
    /// How long ago, or how long until then.
    pub age: String,
}

impl When {
    /// A moment as it looks now.
    pub fn at(at: Timestamp, now: Timestamp) -> Self {
        When {
            at: format!("{at:.3}"),
            absolute: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            age: age(now.as_second().saturating_sub(at.as_second())),
        }
    }

    /// The same of a text; none when it is no time.
    pub fn read(text: &str, now: Timestamp) -> Option<Self> {
        text.parse().ok().map(|at| Self::at(at, now))
    }
}

/// A length of time in one number and one unit. `live.js` says the same.
pub fn age(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// A text as a sentence: with a capital letter and a full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

/// A size in bytes, as people read it.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// The same, as templates call it.
pub fn bytes(bytes: &u64) -> String {
    size(*bytes)
}

/// Memory in MiB, as people read it.
pub fn memory(mib: &u64) -> String {
    size(mib.saturating_mul(1 << 20))
}

/// What a state means for whoever looks: nothing to do, work going on, trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Something goes on by itself.
    Busy,
    /// At rest, and nobody uses it.
    Idle,
    /// Somebody should look.
    Warn,
    /// It failed.
    Bad,
}

impl Tone {
    /// Its CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Busy => "busy",
            Tone::Idle => "idle",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
        }
    }
}

/// A state, as a word with a colour.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(source = r#"<span class="pill {{ tone.class() }}">{{ word }}</span>"#, ext = "html")]
pub struct Pill {
    /// The state's word.
    pub word: String,
    /// What it means.
    pub tone: Tone,
}

/// A provision state as a pill.
pub fn provision_pill(word: &str) -> Pill {
    use ProvisionState as S;
    let tone = match ProvisionState::from(word) {
        S::Available | S::Active => Tone::Good,
        S::Enroll | S::Manageable => Tone::Idle,
        S::Verifying
        | S::Adopting
        | S::Inspecting
        | S::InspectWait
        | S::Cleaning
        | S::CleanWait
        | S::Deploying
        | S::WaitCallBack
        | S::Deleting
        | S::Rescuing
        | S::RescueWait
        | S::Unrescuing
        | S::Servicing
        | S::ServiceWait => Tone::Busy,
        S::Rescue | S::CleanHold | S::DeployHold | S::ServiceHold | S::Unknown(_) => Tone::Warn,
        S::AdoptFailed
        | S::InspectFailed
        | S::CleanFailed
        | S::DeployFailed
        | S::Error
        | S::RescueFailed
        | S::UnrescueFailed
        | S::ServiceFailed => Tone::Bad,
    };
    let word = if word.is_empty() { "not in Ironic yet" } else { word };
    Pill { word: word.to_owned(), tone }
}

/// A power reading as a pill.
pub fn power_pill(power: PowerState) -> Pill {
    let tone = match power {
        PowerState::On => Tone::Good,
        PowerState::Off => Tone::Idle,
        PowerState::Unreachable | PowerState::Unknown => Tone::Warn,
    };
    Pill { word: power.to_string(), tone }
}

/// A tenant's server's status as a pill.
pub fn server_pill(status: ServerStatus) -> Pill {
    let tone = match status {
        ServerStatus::Active => Tone::Good,
        ServerStatus::Off => Tone::Idle,
        ServerStatus::Error => Tone::Bad,
        ServerStatus::Rescue | ServerStatus::Unknown => Tone::Warn,
        ServerStatus::Building
        | ServerStatus::Rescuing
        | ServerStatus::Unrescuing
        | ServerStatus::Deleting => Tone::Busy,
    };
    Pill { word: status.to_string(), tone }
}

/// Where a server's port is, and where it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where it should be.
    pub wanted: String,
    /// Where it was seen.
    pub observed: String,
    /// Whether the two agree; none: one of them is not known.
    pub agrees: Option<bool>,
}

impl Place {
    /// Of the words of the API.
    pub fn of(wanted: Option<&String>, observed: Option<&String>) -> Self {
        let agrees = match (wanted, observed) {
            (Some(wanted), Some(observed)) => Some(wanted == observed),
            (None, _) | (_, None) => None,
        };
        let text = |word: Option<&String>| word.cloned().unwrap_or_default();
        Place { wanted: text(wanted), observed: text(observed), agrees }
    }
}

/// A row of the list of physical servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Name.
    pub name: String,
    /// Rack.
    pub rack: String,
    /// Resource class.
    pub class: String,
    /// Provision state.
    pub state: Pill,
    /// Since when.
    pub since: Option<When>,
    /// Power.
    pub power: Pill,
    /// Why the power is not known.
    pub power_reason: String,
    /// Health of its hardware.
    pub health: Pill,
    /// Whether a list shows that.
    pub health_stands_out: bool,
    /// Why it is not well, or why nobody knows.
    pub health_why: String,
    /// Why nobody watches its power; empty: somebody does.
    pub unwatched: String,
    /// Network.
    pub place: Place,
    /// What it waits for, or what went wrong.
    pub reason: String,
    /// Whether `reason` is a failure.
    pub failed: bool,
    /// What comes next by itself, or what one would do next.
    pub next: String,
    /// In maintenance.
    pub maintenance: bool,
    /// Why.
    pub maintenance_reason: String,
}

/// A row of a node.
pub fn node_row(node: &Node, now: Timestamp) -> NodeRow {
    let state = provision_pill(&node.provision_state);
    let failed = state.tone == Tone::Bad;
    let error = node.last_error.as_ref().filter(|_| failed);
    let reason = error.or(node.waiting_for.as_ref()).or(node.reason.as_ref()).or(node.last_error.as_ref());
    let (unwatched, reason) = unwatched::on_page(node, reason.cloned().unwrap_or_default());
    NodeRow {
        name: node.name.clone(),
        rack: node.rack.clone(),
        class: node.resource_class.clone(),
        power: match &node.not_watched {
            Some(_) => Pill { word: "not watched".to_owned(), tone: Tone::Bad },
            None => power_pill(node.power),
        },
        power_reason: node.power_reason.clone().unwrap_or_default(),
        health: health::pill(node.health),
        health_stands_out: health::stands_out(node.health),
        health_why: health::why(node),
        unwatched,
        place: Place::of(node.network_wanted.as_ref(), node.network_observed.as_ref()),
        reason,
        failed,
        maintenance: node.maintenance,
        maintenance_reason: node.maintenance_reason.clone().unwrap_or_default(),
        since: node.state_since.as_ref().and_then(|text| When::read(text, now)),
        next: node.next.clone(),
        state,
    }
}

/// Whether a node has all these words somewhere that a person would look for it.
pub fn node_matches(node: &Node, find: &str) -> bool {
    let mut text = format!(
        "{} {} {} {} {} {} {} {}",
        node.name,
        node.id,
        node.rack,
        node.resource_class,
        node.provision_state,
        node.power,
        node.bmc.address,
        node.instance.map(|id| id.to_string()).unwrap_or_default()
    );
    for port in &node.ports {
        text.push_str(&format!(" {} {}:{}", port.mac, port.switch, port.port));
    }
    if let Some(hardware) = &node.hardware {
        text.push_str(&format!(" {} {}", hardware.system, hardware.serial));
    }
    let text = text.to_lowercase();
    find.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// How many nodes are in which state, the most interesting first.
pub fn counts(nodes: &[Node]) -> Vec<(Pill, usize)> {
    let mut counts: Vec<(Pill, usize)> = Vec::new();
    for node in nodes {
        let pill = provision_pill(&node.provision_state);
        match counts.iter_mut().find(|(known, _)| *known == pill) {
            Some((_, count)) => *count += 1,
            None => counts.push((pill, 1)),
        }
    }
    let rank = |tone: Tone| match tone {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Busy => 2,
        Tone::Good => 3,
        Tone::Idle => 4,
    };
    counts.sort_by(|(a, _), (b, _)| rank(a.tone).cmp(&rank(b.tone)).then_with(|| a.word.cmp(&b.word)));
    counts
}

/// A row of a tenant's list of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRow {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Status.
    pub status: Pill,
    /// Since when.
    pub since: Option<When>,
    /// Address.
    pub address: String,
    /// Flavor.
    pub flavor: String,
    /// Image.
    pub image: String,
    /// Network.
    pub network: String,
    /// What it waits for, or why it failed.
    pub reason: String,
    /// What comes next by itself, or what its owner can do.
    pub next: String,
}

/// A row of a tenant's server.
pub fn server_row(server: &Server, now: Timestamp) -> ServerRow {
    ServerRow {
        id: server.id.to_string(),
        name: server.name.clone(),
        status: server_pill(server.status),
        since: server.state_since.as_ref().and_then(|text| When::read(text, now)),
        address: server.address.clone(),
        flavor: server.flavor.clone(),
        image: server.image.clone(),
        network: server.network.clone(),
        reason: server.waiting_for.as_ref().or(server.reason.as_ref()).cloned().unwrap_or_default(),
        next: server.next.clone(),
    }
}

/// A line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// When.
    pub at: Option<When>,
    /// What kind, in words.
    pub kind: String,
    /// What kind of kind.
    pub tone: Tone,
    /// The server's name, when it is known.
    pub node: String,
    /// In words.
    pub text: String,
}

fn event_tone(kind: EventKind) -> Tone {
    match kind {
        EventKind::Alarm => Tone::Bad,
        EventKind::Refused | EventKind::BootRefused | EventKind::Isolated | EventKind::Waiting => Tone::Warn,
        EventKind::Enrolled
        | EventKind::Forgotten
        | EventKind::Power
        | EventKind::State
        | EventKind::Maintenance
        | EventKind::PortMoved
        | EventKind::Permitted
        | EventKind::Boot
        | EventKind::Hardware
        | EventKind::RamdiskReady
        | EventKind::RamdiskGone
        | EventKind::Step
        | EventKind::Agent
        | EventKind::Pool
        | EventKind::TenantServer
        | EventKind::Discovery
        | EventKind::Upkeep
        | EventKind::Asked
        | EventKind::Other => Tone::Idle,
    }
}

/// Events as they are read: the newest first.
pub fn timeline(events: Vec<Event>, nodes: &[Node], now: Timestamp) -> Vec<EventRow> {
    let name = |id| nodes.iter().find(|node| Some(node.id) == id).map(|node| node.name.clone());
    let row = |event: Event| EventRow {
        at: When::read(&event.at, now),
        tone: event_tone(event.kind),
        kind: event.kind_word().replace('_', " "),
        node: name(event.node).unwrap_or_default(),
        text: event.text,
    };
    events.into_iter().rev().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let check = |seconds: i64, text: &str| assert_eq!(age(seconds), text);
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min");
        check(7199, "119 min");
        check(7200, "2 h");
        check(172_799, "47 h");
        check(172_800, "2 d");
        check(-90, "1 min");
    }

    #[test]
    fn a_text_becomes_a_sentence() {
        let check = |text: &str, expected: &str| assert_eq!(sentence(text), expected);
        check("ärger mit Nova", "Ärger mit Nova.");
        check(" Do it again! ", "Do it again!");
        check("", "");
    }

    #[test]
    fn sizes_are_short() {
        let check = |bytes: u64, text: &str| assert_eq!(size(bytes), text);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(256 << 20, "256 MiB");
        check(u64::MAX, "16384 PiB");
    }

    #[test]
    fn a_time_shows_its_age_and_tells_itself() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let when = When::read("2026-01-02T03:01:00.250Z", now).unwrap();
        assert_eq!(
            when.to_string(),
            "<time datetime=\"2026-01-02T03:01:00.250Z\" title=\"2026-01-02 03:01:00 UTC\" data-age>3 min</time>"
        );
        assert_eq!(When::read("yesterday", now), None);
    }

    #[test]
    fn every_state_has_a_tone_and_failures_are_bad() {
        for state in ProvisionState::KNOWN {
            let pill = provision_pill(state.as_str());
            let failed = state.as_str().ends_with("failed") || state == &ProvisionState::Error;
            assert_eq!(pill.tone == Tone::Bad, failed, "{state}");
        }
        assert_eq!(provision_pill("<b>").to_string(), "<span class=\"pill warn\">&#60;b&#62;</span>");
    }

    #[test]
    fn an_event_is_shown_by_its_kind_and_an_unknown_one_by_its_word() {
        let check = |kind: EventKind, other: Option<&str>, tone: Tone, word: &str| {
            // What the text says decides nothing.
            let event = Event {
                kind,
                other_kind: other.map(str::to_owned),
                text: "alarm: refused".into(),
                ..Event::default()
            };
            let row = timeline(vec![event], &[], Timestamp::UNIX_EPOCH).remove(0);
            assert_eq!((row.tone, row.kind.as_str()), (tone, word));
        };
        check(EventKind::Alarm, None, Tone::Bad, "alarm");
        check(EventKind::BootRefused, None, Tone::Warn, "boot refused");
        check(EventKind::Power, None, Tone::Idle, "power");
        check(EventKind::Other, Some("bmc_reset"), Tone::Idle, "bmc reset");
    }
}
