//! Decisions: whose firmware may be updated, from where, and what an update waits for.

use protocol::{
    bmc_facts::FirmwareItem,
    power::PowerReading,
    spec::BmcProtocol,
    text::Shown,
    update::{BIOS, BMC},
};

use super::{
    update::{By, Update},
    versions::is_called,
};
use crate::{
    lifecycle::{ProvisionState, in_use},
    records::Server,
};

/// Whether a server's firmware may be updated at all in its state; an error: why not, and what to do, for a person.
pub fn admit(server: &Server, by: &By) -> Result<(), String> {
    let name = &server.name;
    if let Some(doubt) = &server.bmc_doubt {
        return Err(server.words_of(doubt));
    }
    match &server.bmc.protocol {
        BmcProtocol::Redfish { .. } => {}
        BmcProtocol::Ipmi { .. } => {
            return Err(format!(
                "the BMC of {name} is managed by IPMI, which has no common way to update firmware; use its maker's tool, or enter the \
                 BMC with Redfish"
            ));
        }
    }
    if server.identity.is_none() {
        return Err(format!("the BMC of {name} has not answered yet; see its reason (bmsctl node show)"));
    }
    if server.forgetting {
        return Err(format!("{name} is being deleted"));
    }
    if !server.ports_given {
        return Err(format!(
            "{name} was never handed over to BMS Manager, so it may be in use, and nothing proves that its network is isolated; inspect \
             it first (bmsctl node inspect {name})"
        ));
    }
    admit_state(server, by)
}

fn admit_state(server: &Server, by: &By) -> Result<(), String> {
    let name = &server.name;
    let Some(node) = &server.node else {
        return Err(format!("Ironic has no node of {name} yet; its reason says why (bmsctl node show)"));
    };
    let state = &node.provision_state;
    match by {
        // Ironic's own step: it holds the node meanwhile, and its ports are on the cleaning network.
        By::Ironic => match state {
            ProvisionState::Cleaning
            | ProvisionState::CleanWait
            | ProvisionState::Servicing
            | ProvisionState::ServiceWait => Ok(()),
            _ => Err(format!(
                "{name} is {state}: Ironic may update firmware as a step of a clean or of a service only, in which the server is \
                 isolated"
            )),
        },
        By::Person(_) => match in_use(Some(node)) {
            None => Ok(()),
            Some(_) if *state == ProvisionState::CleanFailed && node.instance_id.is_none() => Ok(()),
            Some(how) => Err(format!(
                "{name} is {how}: only firmware of a server that nobody uses is updated; wait until it is available, or have Ironic do it \
                 as a step of a clean or of a service"
            )),
        },
    }
}

/// Whether an image may be fetched from an address: it begins with one that the site has named.
pub fn admit_url(url: &str, named: &[String]) -> Result<(), String> {
    let is_plain =
        url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains("/../") && !url.contains('@');
    if is_plain && named.iter().any(|start| url.starts_with(start.as_str())) {
        return Ok(());
    }
    let named = match named {
        [] => "it names none yet".to_owned(),
        named => format!("it names {}", named.join(", ")),
    };
    Err(format!(
        "BMCs fetch firmware only from addresses that begin with one of those in the coordinator's settings (firmware.urls; {named}), and \
         {} does not; add it there, or upload the file",
        Shown(url)
    ))
}

/// Whether the BMC has such a component, as far as is known; an error: what it has.
pub fn admit_component(component: &str, known: &[FirmwareItem]) -> Result<(), String> {
    let is_common = [BMC, BIOS].iter().any(|name| name.eq_ignore_ascii_case(component));
    if is_common || known.iter().any(|item| is_called(item, component)) {
        return Ok(());
    }
    let names: Vec<_> = known.iter().map(|item| Shown(&item.id).to_string()).collect();
    let known = if names.is_empty() { "none is known yet".to_owned() } else { names.join(", ") };
    Err(format!("must be {BMC}, {BIOS}, or the id or name of a piece of the node's firmware ({known})"))
}

/// What else bears on whether an update may begin now.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Why the rack's agent is not here; none: it is.
    pub away: Option<&'a str>,
    /// The update of the same rack that is under way, and the name of its server.
    pub other: Option<&'a str>,
}

/// Why an update that is admitted waits; none: it may begin, once the server is proved to be isolated.
pub fn waits_for(server: &Server, update: &Update, beside: Beside<'_>) -> Option<String> {
    let name = &server.name;
    if let Some(away) = beside.away {
        return Some(away.to_owned());
    }
    if let Some(other) = beside.other {
        return Some(format!("waits for the update of {other} in the same rack to end: one at a time"));
    }
    if server.intent.is_some() {
        return Some(format!("waits for a power-on of {name} to end"));
    }
    if server.upkeep.rotation.as_ref().is_some_and(|rotation| rotation.is_under_way()) {
        return Some("waits for the change of the BMC's password to end".to_owned());
    }
    let reading = server.power.as_ref().map(|seen| &seen.reading);
    match (&update.order.by, reading) {
        (_, Some(PowerReading::Unreachable { reason })) => {
            Some(format!("waits for the BMC to answer: {reason}"))
        }
        (_, None) => Some("waits for the first reading of the server's power".to_owned()),
        (By::Person(_), Some(PowerReading::On)) => Some(format!(
            "waits for {name} to be switched off (bmsctl node power off {name}): what runs on it could be cut off in the middle"
        )),
        (By::Person(_), Some(PowerReading::Off))
        | (By::Ironic, Some(PowerReading::On | PowerReading::Off)) => None,
    }
}

/// Why the power of a server is not changed while its firmware is updated.
pub fn holds_power(server: &Server, update: &Update) -> Option<String> {
    update.holds_power().then(|| {
        format!(
            "the power of {} is left as it is while the BMC writes new firmware ({}): a change could destroy it; `bmsctl firmware progress \
             {}` shows how far it is",
            server.name,
            Shown(what(update)),
            server.name
        )
    })
}

/// Why a server's BMC is ordered nothing while its firmware is updated. `since`: when that began, for a person.
pub fn holds_orders(server: &Server, update: &Update, since: &str) -> Option<String> {
    update.holds_power().then(|| {
        format!(
            "the firmware of {} ({}) is being updated since {since}, and a BMC that writes it is left alone; ask again after that, which \
             `bmsctl firmware progress {}` shows",
            server.name,
            Shown(what(update)),
            server.name
        )
    })
}

/// What an update is for, for a person.
fn what(update: &Update) -> &str {
    match update.order.component.as_str() {
        "" => "as its image says",
        component => component,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{hardware::BmcIdentity, power::PowerCause, update::FirmwareImage};
    use uuid::Uuid;

    use super::*;
    use crate::{
        firmware::update::{Order, Stage},
        lifecycle::Node,
        records::SeenPower,
        samples::{INSTANCE, server_in},
        upkeep::rotation::{self, Rotation},
    };

    fn ours(state: &str) -> Server {
        let mut server = server_in(state);
        server.bmc.protocol = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false };
        Server { identity: Some(BmcIdentity::default()), ports_given: true, ..server }
    }

    fn person() -> By {
        By::Person("ada".to_owned())
    }

    fn update(by: By) -> Update {
        let image = FirmwareImage::Url("https://images.example/a".to_owned());
        let order = Order { component: "BMC".to_owned(), image, version: None, by };
        Update::asked(Uuid::nil(), server_in("available").id, order, Vec::new(), 0)
    }

    #[test]
    fn only_of_a_server_that_no_tenant_has() {
        let person_may = [
            "enroll",
            "verifying",
            "manageable",
            "inspect failed",
            "adopt failed",
            "available",
            "clean failed",
        ];
        let ironic_may = ["cleaning", "clean wait", "servicing", "service wait"];
        for state in ProvisionState::KNOWN {
            let server = ours(state.as_str());
            assert_eq!(admit(&server, &person()).is_ok(), person_may.contains(&state.as_str()), "{state}");
            assert_eq!(admit(&server, &By::Ironic).is_ok(), ironic_may.contains(&state.as_str()), "{state}");
            let mut held = server.clone();
            held.node.as_mut().unwrap().instance_id = Some(INSTANCE);
            admit(&held, &person()).unwrap_err();
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let check = |change: &dyn Fn(&mut Server), words: &str| {
            let mut server = ours("available");
            change(&mut server);
            let said = admit(&server, &person()).unwrap_err();
            assert!(said.contains(words), "no {words:?} in {said}");
        };
        check(&|server| server.ports_given = false, "bmsctl node inspect n1");
        check(&|server| server.bmc.protocol = BmcProtocol::Ipmi { cipher_suite: None }, "by IPMI");
        check(&|server| server.identity = None, "has not answered yet");
        check(&|server| server.node = None, "Ironic has no node");
        check(
            &|server| server.node = Some(Node::in_state(server.id, "active".into())),
            "wait until it is available",
        );
    }

    #[test]
    fn what_it_waits_for_is_told() {
        let check = |by: By, change: &dyn Fn(&mut Server), beside: Beside<'_>, words: Option<&str>| {
            let mut server = ours("available");
            let reading = PowerReading::Off;
            server.power = Some(SeenPower { reading, cause: PowerCause::First, at_us: 1 });
            change(&mut server);
            let said = waits_for(&server, &update(by), beside);
            let is_said = match (words, &said) {
                (None, None) => true,
                (Some(words), Some(said)) => said.contains(words),
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(is_said, "{words:?} {said:?}");
        };
        let free = Beside { away: None, other: None };
        let on = |server: &mut Server| server.power.as_mut().unwrap().reading = PowerReading::On;
        check(person(), &|_| {}, free, None);
        check(person(), &on, free, Some("bmsctl node power off n1"));
        check(By::Ironic, &on, free, None);
        check(person(), &|server| server.power = None, free, Some("first reading"));
        check(person(), &|_| {}, Beside { away: Some("the agent is away"), ..free }, Some("is away"));
        check(person(), &|_| {}, Beside { other: Some("n2"), ..free }, Some("n2 in the same rack"));
        let told = |server: &mut Server| {
            let stage = rotation::Stage::Told(protocol::secret::Secret::new("x"));
            server.upkeep.rotation = Some(Rotation { stage, ..Rotation::planned("old", 0, 0) });
        };
        check(person(), &told, free, Some("password"));
    }

    #[test]
    fn the_power_is_left_while_firmware_is_written() {
        let giving = Update { stage: Stage::Giving, ..update(person()) };
        assert!(holds_power(&ours("available"), &giving).is_some_and(|said| said.contains("BMC")));
        assert_eq!(holds_power(&ours("available"), &update(person())), None);
    }

    #[test]
    fn a_bmc_that_writes_firmware_is_ordered_nothing_in_its_own_words() {
        let giving = Update { stage: Stage::Giving, ..update(person()) };
        let said = holds_orders(&ours("available"), &giving, "noon").unwrap();
        for words in ["firmware of n1 (BMC)", "since noon", "ask again after"] {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        assert!(!said.contains("power"), "{said}");
        let waits = Stage::Following { task: None, percent: None, is_paused: true };
        let paused = Update { stage: waits, ..update(person()) };
        assert_eq!(holds_orders(&ours("available"), &paused, "noon"), None, "it waits for a restart");
    }

    #[test]
    fn images_come_from_where_the_site_says() {
        let named = ["https://images.example/firmware/".to_owned()];
        let check = |url: &str, expected: bool| assert_eq!(admit_url(url, &named).is_ok(), expected, "{url}");
        check("https://images.example/firmware/bmc.bin", true);
        check("http://images.example/firmware/bmc.bin", false);
        check("https://images.example/other/bmc.bin", false);
        check("https://images.example/firmware/../other/bmc.bin", false);
        check("https://images.example.evil/firmware/bmc.bin", false);
        check("https://images.example/firmware/bmc bin", false);
        assert!(admit_url("https://a/b", &[]).unwrap_err().contains("firmware.urls; it names none yet"));
    }

    #[test]
    fn a_component_is_one_that_the_bmc_has() {
        let known = [FirmwareItem { id: "NIC.1".into(), name: "Network".into(), ..FirmwareItem::default() }];
        let check = |component: &str, expected: bool| {
            assert_eq!(admit_component(component, &known).is_ok(), expected, "{component}");
        };
        check("bmc", true);
        check("BIOS", true);
        check("nic.1", true);
        check("network", true);
        check("disk", false);
        check("", false);
    }
}
