//! The table of states, and the properties that hold whatever the facts are.

use proptest::{collection::vec, option, prelude::*, sample::select};
use protocol::{
    boot::{Boot, BootPlan, BootPurpose},
    id::ServerId,
    network::BootNetwork,
    power::{PowerCause, PowerReading},
};
use uuid::Uuid;

use super::{
    power::{PowerRecord, after_reading},
    role::{Role, role},
    safety::allowed_networks,
    *,
};
use crate::rim::{ObservedNetwork, RefusalKind, WantedNetwork};

const TENANT: Uuid = Uuid::from_u128(0x7e);
const ID: ServerId = ServerId(Uuid::from_u128(1));

fn facts(node: Node) -> Facts {
    Facts {
        node: Some(node),
        power: PowerFacts { confirmed: Some(Confirmed::Off), ..PowerFacts::default() },
        ports_given: true,
        tenant: Some(TENANT),
        power_on_pending: false,
        boot_given: false,
        observed: vec![None],
    }
}

fn node(state: &str, deploy_step: Option<&str>) -> Node {
    let mut node = Node::in_state(ID, ProvisionState::from(state));
    node.deploy_step = deploy_step.map(str::to_owned);
    node
}

/// Where ports belong, in a word.
fn place(placement: Placement) -> &'static str {
    match placement {
        Placement::LeaveAsFound => "found",
        Placement::On(WantedNetwork::Boot(network)) => network.as_str(),
        Placement::On(WantedNetwork::Tenant(TENANT)) => "tenant",
        Placement::On(WantedNetwork::Tenant(_)) => "another tenant",
        Placement::On(WantedNetwork::Nothing) => "nothing",
    }
}

/// DESIGN section 3, row by row.
#[test]
fn table_of_states() {
    use BootPurpose::{Clean, Deploy, Inspect, Rescue};
    let check = |state: &str, expected: &str, boot: Option<BootPurpose>| {
        let decision = decide(&facts(node(state, None)));
        assert_eq!((place(decision.placement), decision.boot), (expected, boot), "{state}");
    };
    for state in ["enroll", "verifying", "manageable", "adopt failed", "available", "error"] {
        check(state, "cleaning", None);
    }
    check("deleting", "cleaning", None);
    for failed in ["inspect", "clean", "deploy", "rescue", "unrescue", "service"] {
        check(&format!("{failed} failed"), "cleaning", None);
    }
    for state in ["inspecting", "inspect wait"] {
        check(state, "provisioning", Some(Inspect));
    }
    for state in ["cleaning", "clean wait", "clean hold", "servicing", "service wait", "service hold"] {
        check(state, "cleaning", Some(Clean));
    }
    for state in ["deploying", "wait call-back", "deploy hold"] {
        check(state, "provisioning", Some(Deploy));
    }
    for state in ["rescuing", "rescue wait"] {
        check(state, "provisioning", Some(Rescue));
    }
    for state in ["adopting", "brewing"] {
        check(state, "found", None);
    }
    for state in ["active", "rescue", "unrescuing"] {
        check(state, "cleaning", None);
    }
}

#[test]
fn ports_that_were_never_given_are_left_alone() {
    let check = |state: &str, expected: &str, given: bool| {
        let decision = decide(&Facts { ports_given: false, ..facts(node(state, None)) });
        assert_eq!((place(decision.placement), decision.ports_given), (expected, given), "{state}");
    };
    for state in ["enroll", "verifying", "manageable", "adopting", "adopt failed", "brewing"] {
        check(state, "found", false);
    }
    check("inspecting", "provisioning", true);
    check("available", "cleaning", true);
    let nowhere = decide(&Facts { node: None, ..facts(node("active", None)) });
    assert_eq!(nowhere.placement, Placement::LeaveAsFound);
}

#[test]
fn a_deploy_changes_over_only_with_its_power_on() {
    let check = |state: &str, step: Option<&str>, pending: bool, expected: &str| {
        let decision = decide(&Facts { power_on_pending: pending, ..facts(node(state, step)) });
        assert_eq!(place(decision.placement), expected, "{state} {step:?} {pending}");
    };
    for step in ["switch_to_tenant_network", "boot_instance"] {
        check("deploying", Some(step), true, "tenant");
        check("deploying", Some(step), false, "found");
        // Stale steps count for nothing in any other state.
        check("cleaning", Some(step), true, "cleaning");
        check("wait call-back", Some(step), true, "provisioning");
        check("available", Some(step), true, "cleaning");
    }
    check("deploying", Some("write_image"), true, "provisioning");
    check("unrescuing", None, true, "tenant");
    check("unrescuing", None, false, "cleaning");
}

#[test]
fn off_means_off_the_tenants_network_and_silence_is_not_off() {
    let unreachable = || Some(PowerReading::Unreachable { reason: "no answer".to_owned() });
    let check = |now: Option<PowerReading>, confirmed: Option<Confirmed>, pending: bool, expected: &str| {
        let mut facts = facts(node("active", None));
        facts.power = PowerFacts { now: now.clone(), confirmed, untold_off: false };
        facts.power_on_pending = pending;
        facts.observed = vec![Some(ObservedNetwork::Tenant(TENANT))];
        let decision = decide(&facts);
        assert_eq!(place(decision.placement), expected, "{now:?} {confirmed:?} {pending}");
        let isolate = expected == "cleaning";
        assert_eq!(decision.urgency == Urgency::Isolate, isolate, "{now:?} {confirmed:?} {pending}");
        if !pending {
            facts.node = Some(node("rescue", None));
            let rescued = decide(&facts);
            assert_eq!(place(rescued.placement), expected, "in rescue: {now:?} {confirmed:?}");
            assert_eq!(rescued.urgency, decision.urgency, "in rescue: {now:?} {confirmed:?}");
        }
    };
    check(Some(PowerReading::On), Some(Confirmed::On), false, "tenant");
    check(Some(PowerReading::Off), Some(Confirmed::Off), false, "cleaning");
    check(Some(PowerReading::Off), Some(Confirmed::Off), true, "tenant");
    check(unreachable(), Some(Confirmed::On), false, "found");
    check(None, Some(Confirmed::On), false, "found");
    check(unreachable(), None, false, "found");
    // It was seen off, and nobody saw it on since: isolation goes on.
    check(unreachable(), Some(Confirmed::Off), false, "cleaning");
}

#[test]
fn a_tenants_system_is_alone_until_it_is_off() {
    let check = |now: PowerReading, confirmed: Option<Confirmed>, expected: &str| {
        let mut facts = facts(node("deleting", None));
        facts.power = PowerFacts { now: Some(now.clone()), confirmed, untold_off: false };
        facts.observed = vec![Some(ObservedNetwork::Tenant(TENANT))];
        assert_eq!(place(decide(&facts).placement), expected, "{now:?} {confirmed:?}");
    };
    let silent = PowerReading::Unreachable { reason: "no answer".to_owned() };
    check(PowerReading::On, Some(Confirmed::On), "nothing");
    check(silent.clone(), Some(Confirmed::On), "nothing");
    check(silent.clone(), None, "nothing");
    check(silent, Some(Confirmed::Off), "cleaning");
    check(PowerReading::Off, Some(Confirmed::Off), "cleaning");
}

/// The way of a rescue: what is on, what the agent was told, and where the port is seen, as it goes.
#[test]
fn a_rescue_goes_over_our_network_to_the_tenants_and_back() {
    use BootNetwork::{Cleaning, Provisioning};
    use ObservedNetwork::{Boot, Nothing, Tenant};
    let check =
        |state: &str, on: bool, boot_given: bool, pending: bool, seen: ObservedNetwork, expected: &str| {
            let mut facts = facts(node(state, None));
            let (now, confirmed) =
                if on { (PowerReading::On, Confirmed::On) } else { (PowerReading::Off, Confirmed::Off) };
            facts.power = PowerFacts { now: Some(now), confirmed: Some(confirmed), untold_off: false };
            (facts.boot_given, facts.power_on_pending) = (boot_given, pending);
            facts.observed = vec![Some(seen.clone())];
            let decision = decide(&facts);
            assert_eq!(place(decision.placement), expected, "{state} {on} {boot_given} {pending} {seen:?}");
        };
    check("rescuing", true, false, false, Tenant(TENANT), "nothing");
    check("rescuing", false, false, false, Nothing, "provisioning");
    check("rescuing", false, true, true, Boot(Provisioning), "provisioning");
    check("rescue wait", true, true, false, Boot(Provisioning), "provisioning");
    // The ramdisk has let go; Ironic has not said so yet.
    check("rescue wait", true, false, false, Boot(Provisioning), "nothing");
    check("rescue", true, false, false, Nothing, "tenant");
    check("rescue", true, true, false, Boot(Provisioning), "nothing");
    check("rescue", true, false, true, Boot(Provisioning), "nothing");
    check("rescue", false, false, false, Tenant(TENANT), "cleaning");
    check("rescue", false, false, true, Tenant(TENANT), "cleaning");
    check("unrescuing", true, false, false, Tenant(TENANT), "found");
    check("unrescuing", false, false, false, Tenant(TENANT), "cleaning");
    check("unrescuing", false, false, true, Boot(Cleaning), "tenant");
    check("unrescuing", true, false, false, Tenant(TENANT), "found");
    check("rescue failed", true, true, false, Boot(Provisioning), "nothing");
    check("unrescue failed", true, false, false, Tenant(TENANT), "nothing");
    check("unrescue failed", false, false, false, Nothing, "cleaning");
}

/// A rebuild goes from `active` to `deploying` with the tenant's system still on.
#[test]
fn only_the_ramdisk_is_let_into_the_ramdisks_network() {
    let check = |state: &str,
                 confirmed: Option<Confirmed>,
                 boot_given: bool,
                 pending: bool,
                 expected: &str| {
        let mut facts = facts(node(state, None));
        facts.power.confirmed = confirmed;
        (facts.boot_given, facts.power_on_pending) = (boot_given, pending);
        facts.observed = vec![Some(ObservedNetwork::Tenant(TENANT))];
        assert_eq!(place(decide(&facts).placement), expected, "{state} {confirmed:?} {boot_given} {pending}");
    };
    for state in ["deploying", "rescuing", "inspecting"] {
        check(state, Some(Confirmed::On), false, false, "nothing");
        check(state, None, false, false, "nothing");
        check(state, Some(Confirmed::Off), false, false, "provisioning");
        check(state, Some(Confirmed::On), true, false, "provisioning");
        check(state, Some(Confirmed::On), false, true, "provisioning");
    }
    check("cleaning", Some(Confirmed::On), false, false, "nothing");
    check("servicing", Some(Confirmed::On), true, false, "cleaning");
}

#[test]
fn ironic_is_told_after_the_isolation_and_never_while_it_is_busy() {
    let mut facts = facts(node("active", None));
    facts.power =
        PowerFacts { now: Some(PowerReading::Off), confirmed: Some(Confirmed::Off), untold_off: true };
    facts.observed = vec![Some(ObservedNetwork::Tenant(TENANT))];
    assert!(!decide(&facts).tell_ironic_off, "not isolated yet");
    facts.observed = vec![Some(ObservedNetwork::Boot(BootNetwork::Cleaning))];
    assert!(decide(&facts).tell_ironic_off);
    facts.node.as_mut().unwrap().reservation = Some("conductor".to_owned());
    assert!(!decide(&facts).tell_ironic_off, "Ironic holds the node");
}

#[test]
fn what_a_power_on_boots() {
    let network =
        |purpose, network| Ok((Boot::Network(BootPlan { purpose, network }), WantedNetwork::Boot(network)));
    let tenant = || Ok((Boot::Disk, WantedNetwork::Tenant(TENANT)));
    let check = |node: Node, given: bool, untold: bool, expected: Result<(Boot, WantedNetwork), &str>| {
        let power = PowerFacts { untold_off: untold, ..PowerFacts::default() };
        let permitted = permitted_boot("n1", &node, &power, given, Some(TENANT));
        match (permitted, expected) {
            (Ok(permitted), Ok(expected)) => {
                assert_eq!((permitted.boot, permitted.network), expected, "{node:?}")
            }
            (Err(refusal), Err(word)) => {
                let kind = if untold { RefusalKind::OffUntold } else { RefusalKind::State };
                assert_eq!(refusal.kind, kind);
                assert!(refusal.message.contains("n1") && refusal.message.contains(word), "{refusal}");
            }
            (permitted, expected) => panic!("{node:?}: {permitted:?}, expected {expected:?}"),
        }
    };
    use BootNetwork::{Cleaning, Provisioning};
    check(node("inspecting", None), false, false, network(BootPurpose::Inspect, Provisioning));
    check(node("cleaning", Some("boot_instance")), true, false, network(BootPurpose::Clean, Cleaning));
    check(node("deploying", Some("deploy")), true, false, network(BootPurpose::Deploy, Provisioning));
    check(node("deploying", None), true, false, network(BootPurpose::Deploy, Provisioning));
    check(node("deploying", Some("boot_instance")), true, false, tenant());
    check(
        node("wait call-back", Some("boot_instance")),
        true,
        false,
        network(BootPurpose::Deploy, Provisioning),
    );
    check(node("rescuing", None), true, false, network(BootPurpose::Rescue, Provisioning));
    check(node("manageable", None), true, false, Ok((Boot::Disk, WantedNetwork::Boot(Cleaning))));
    check(node("manageable", None), false, false, Err("never handed over"));
    check(node("enroll", None), true, false, Err("enroll"));
    check(node("available", None), true, false, Err("available"));
    check(node("deploy failed", None), true, false, Err("deploy failed"));
    check(node("adopting", None), true, false, Err("adopting"));
    check(node("brewing", None), true, false, Err("brewing"));
    check(node("active", None), true, false, tenant());
    check(node("unrescuing", None), true, false, tenant());
    check(node("rescue", None), true, false, Err("server unrescue"));
    check(node("rescue failed", None), true, false, Err("server unrescue"));
    // Ironic's power sync looks like a user's wish, but for what Ironic believes at that moment.
    let mut sync = node("active", None);
    sync.power_state = Some(NodePower::On);
    check(sync.clone(), true, true, Err("still believes that it is on"));
    check(sync.clone(), true, false, tenant());
    sync.power_state = Some(NodePower::Off);
    check(sync, true, true, tenant());
    let refused = permitted_boot("n1", &node("active", None), &PowerFacts::default(), true, None);
    assert!(refused.unwrap_err().message.contains("no tenant port"));
}

fn any_node() -> impl Strategy<Value = Node> {
    let states: Vec<ProvisionState> =
        ProvisionState::KNOWN.iter().cloned().chain([ProvisionState::Unknown("brewing".into())]).collect();
    let steps = select(vec!["deploy", "write_image", "switch_to_tenant_network", "boot_instance"]);
    let power = || option::of(select(vec![NodePower::On, NodePower::Off]));
    (select(states), option::of(steps), power(), power(), any::<bool>()).prop_map(
        |(state, step, power_state, target_power_state, busy)| Node {
            deploy_step: step.map(str::to_owned),
            power_state,
            target_power_state,
            reservation: busy.then(|| "conductor".to_owned()),
            ..Node::in_state(ID, state)
        },
    )
}

fn any_observed() -> impl Strategy<Value = Option<ObservedNetwork>> {
    option::of(select(vec![
        ObservedNetwork::Nothing,
        ObservedNetwork::Boot(BootNetwork::Provisioning),
        ObservedNetwork::Boot(BootNetwork::Cleaning),
        ObservedNetwork::Tenant(TENANT),
        ObservedNetwork::Tenant(Uuid::from_u128(0xbad)),
        ObservedNetwork::Other { description: "somebody's".into() },
    ]))
}

fn any_reading() -> impl Strategy<Value = PowerReading> {
    select(vec![PowerReading::On, PowerReading::Off, PowerReading::Unreachable { reason: "silent".into() }])
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let power =
        (option::of(any_reading()), option::of(select(vec![Confirmed::On, Confirmed::Off])), any::<bool>())
            .prop_map(|(now, confirmed, untold_off)| {
                // A reading that is an answer is confirmed by being one.
                let confirmed = match &now {
                    Some(PowerReading::On) => Some(Confirmed::On),
                    Some(PowerReading::Off) => Some(Confirmed::Off),
                    Some(PowerReading::Unreachable { .. }) | None => confirmed,
                };
                PowerFacts { now, confirmed, untold_off: untold_off && confirmed == Some(Confirmed::Off) }
            });
    (
        option::of(any_node()),
        power,
        any::<bool>(),
        option::of(Just(TENANT)),
        any::<bool>(),
        any::<bool>(),
        vec(any_observed(), 0..3),
    )
        .prop_map(|(node, power, ports_given, tenant, power_on_pending, boot_given, observed)| Facts {
            node,
            power,
            ports_given,
            tenant,
            power_on_pending,
            boot_given,
            observed,
        })
}

/// The part of the world that a decision changes when everything it asks for succeeds. `done` drops actions, as a crash does.
fn carry_out(mut facts: Facts, decision: &Decision, done: [bool; 4]) -> Facts {
    let [moved, told, ended, given] = done;
    if let (Placement::On(network), true) = (decision.placement, moved) {
        let seen = match network {
            WantedNetwork::Boot(network) => ObservedNetwork::Boot(network),
            WantedNetwork::Tenant(port) => ObservedNetwork::Tenant(port),
            WantedNetwork::Nothing => ObservedNetwork::Nothing,
        };
        facts.observed.iter_mut().for_each(|port| *port = Some(seen.clone()));
    }
    if decision.tell_ironic_off && told {
        facts.power.untold_off = false;
    }
    if decision.end_boot && ended {
        facts.boot_given = false;
    }
    if given {
        facts.ports_given = decision.ports_given;
    }
    facts
}

/// Steps in which any record comes to rest when every call succeeds: move, then tell.
const STEPS_MAX: usize = 3;

fn settle(mut facts: Facts) -> Facts {
    for _ in 0..STEPS_MAX {
        let decision = decide(&facts);
        facts = carry_out(facts, &decision, [true; 4]);
    }
    facts
}

proptest! {
    #[test]
    fn a_port_is_wanted_only_where_safety_allows(facts in any_facts()) {
        let decision = decide(&facts);
        if let (Placement::On(network), Some(node)) = (decision.placement, &facts.node) {
            prop_assert!(allowed_networks(node, facts.tenant).contains(&network), "{decision:?}");
        }
        if facts.node.is_none() {
            prop_assert_eq!(decision.placement, Placement::LeaveAsFound);
        }
        prop_assert!(!decision.end_boot || decision.boot.is_none());
    }

    #[test]
    fn silence_never_isolates(facts in any_facts()) {
        let seen_off = facts.power.confirmed == Some(Confirmed::Off);
        let role = facts.node.as_ref().map(role);
        let active = role == Some(Role::Tenant);
        let decision = decide(&facts);
        if (active || role == Some(Role::Rescued)) && !seen_off {
            prop_assert_eq!(decision.urgency, Urgency::Usual);
            prop_assert_ne!(place(decision.placement), "cleaning");
        }
        if active && seen_off && !facts.power_on_pending || role == Some(Role::Rescued) && seen_off {
            prop_assert_eq!(place(decision.placement), "cleaning");
        }
    }

    /// With a network boot of ours given, or on its way, what is on in these states may be the ramdisk with our secrets; without one
    /// it is the ramdisk that has let go, and its tenant may log in to it.
    #[test]
    fn our_secrets_and_a_tenants_login_share_no_network(
        state in select(vec!["rescuing", "rescue wait", "rescue", "rescue failed", "unrescue failed"]),
        facts in any_facts(),
    ) {
        let mut facts = facts;
        facts.node = Some(node(state, None));
        let may_be_on = facts.power.confirmed != Some(Confirmed::Off);
        if let (Placement::On(network), true) = (decide(&facts).placement, may_be_on) {
            let ours = facts.boot_given || facts.power_on_pending;
            match network {
                WantedNetwork::Tenant(_) => prop_assert!(!ours, "our ramdisk on a tenant's network"),
                WantedNetwork::Boot(_) => prop_assert!(ours, "a tenant's login on a network of ours"),
                WantedNetwork::Nothing => {}
            }
        }
    }

    #[test]
    fn a_power_on_boots_only_where_decide_would_have_it(
        node in any_node(), untold_off: bool, ports_given: bool, tenant in option::of(Just(TENANT)),
    ) {
        let power = PowerFacts { untold_off, ..PowerFacts::default() };
        if let Ok(permitted) = permitted_boot("n1", &node, &power, ports_given, tenant) {
            let facts = Facts {
                node: Some(node), power, ports_given, tenant, power_on_pending: true, boot_given: false,
                observed: vec![None],
            };
            let decision = decide(&facts);
            prop_assert_eq!(decision.placement, Placement::On(permitted.network));
            let purpose = match permitted.boot { Boot::Disk => None, Boot::Network(plan) => Some(plan.purpose) };
            prop_assert_eq!(decision.boot, purpose);
            let is_tenant = matches!(permitted.network, WantedNetwork::Tenant(_));
            prop_assert!(!is_tenant || purpose.is_none(), "the ramdisk never boots on a tenant's network");
        }
    }

    #[test]
    fn any_record_settles_and_stays(facts in any_facts()) {
        let settled = settle(facts);
        let decision = decide(&settled);
        prop_assert_eq!(&decide(&settled), &decision, "unchanged facts, unchanged decision");
        prop_assert_eq!(carry_out(settled.clone(), &decision, [true; 4]), settled);
    }

    #[test]
    fn a_crash_anywhere_ends_the_same(facts in any_facts(), crashes in vec(any::<[bool; 4]>(), 0..4)) {
        let expected = settle(facts.clone());
        let mut crashed = facts;
        for done in crashes {
            let decision = decide(&crashed);
            crashed = carry_out(crashed, &decision, done);
        }
        prop_assert_eq!(settle(crashed), expected);
    }

    #[test]
    fn replayed_readings_leave_what_the_newest_says(
        readings in vec((any_reading(), select(vec![PowerCause::Commanded, PowerCause::Unasked, PowerCause::First])), 1..8),
        replays in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        // A receiver drops numbers that it has seen, whatever the order and however often they come.
        let mut plain = PowerRecord::default();
        for (number, (reading, cause)) in readings.iter().enumerate() {
            plain = after_reading(plain, reading, *cause, number as u64);
        }
        let (mut replayed, mut acknowledged) = (PowerRecord::default(), 0);
        let mut arrivals: Vec<usize> = (0..readings.len()).collect();
        for replay in replays {
            let at = replay.index(arrivals.len());
            arrivals.insert(at, arrivals[..=at].iter().copied().min().unwrap_or(0));
        }
        for number in arrivals {
            if number + 1 > acknowledged {
                let (reading, cause) = &readings[number];
                replayed = after_reading(replayed, reading, *cause, number as u64);
                acknowledged = number + 1;
            }
        }
        prop_assert_eq!(replayed, plain);
    }

    /// Ironic's transitions around a tenancy, walked at random: a second tenant's network is never called for before a clean
    /// was finished.
    #[test]
    fn between_two_tenants_there_is_a_finished_clean(walk in vec(any::<prop::sample::Index>(), 1..60)) {
        let edges: &[(&str, &[&str])] = &[
            ("available", &["deploying", "manageable"]),
            ("deploying", &["wait call-back", "deploying", "active", "deploy failed"]),
            ("wait call-back", &["deploying", "deploy failed", "deleting"]),
            ("deploy failed", &["deploying", "deleting"]),
            ("active", &["deleting", "rescuing", "servicing", "deploying"]),
            ("rescuing", &["rescue wait", "rescue", "rescue failed"]),
            ("rescue wait", &["rescuing", "rescue failed"]),
            ("rescue", &["unrescuing", "deleting"]),
            ("rescue failed", &["rescuing", "unrescuing", "deleting"]),
            ("unrescuing", &["active", "unrescue failed"]),
            ("unrescue failed", &["rescuing", "unrescuing", "deleting"]),
            ("servicing", &["service wait", "active", "service failed"]),
            ("service wait", &["servicing"]),
            ("service failed", &["servicing"]),
            ("deleting", &["cleaning", "error"]),
            ("error", &["deleting"]),
            ("cleaning", &["clean wait", "clean failed", "available"]),
            ("clean wait", &["cleaning", "clean failed"]),
            ("clean failed", &["manageable"]),
            ("manageable", &["cleaning", "inspecting"]),
            ("inspecting", &["inspect wait", "manageable"]),
            ("inspect wait", &["manageable", "inspecting"]),
        ];
        let (mut state, mut cleaned, mut tenants) = ("manageable", false, 0_u128);
        let mut on_network: Option<Uuid> = None;
        for step in walk {
            let next = edges.iter().find(|(from, _)| *from == state).unwrap().1;
            let next = next[step.index(next.len())];
            // A new tenancy begins where Ironic lets one begin.
            if state == "available" && next == "deploying" {
                tenants += 1;
            }
            state = next;
            if state == "available" {
                cleaned = true;
            }
            let mut facts = facts(node(state, Some("boot_instance")));
            facts.tenant = Some(Uuid::from_u128(tenants));
            facts.power_on_pending = true;
            if let Placement::On(WantedNetwork::Tenant(port)) = decide(&facts).placement {
                prop_assert!(cleaned || on_network == Some(port), "{state}");
                on_network = Some(port);
                cleaned = false;
            }
        }
    }
}

/// `docs/lifecycle.md` is this table: run with `BMS_WRITE_DOCS=1` to write it anew.
#[test]
fn the_document_shows_the_table() {
    let mut text = String::from(
        "# Life cycle\n\nWhat follows from Ironic's provision state, as `coordinator/domain/src/lifecycle` decides it. This page is \
         written by its test\n(`BMS_WRITE_DOCS=1 cargo test -p coordinator --lib the_document_shows_the_table`) and checked by it.\n\n\
         `found`: ports stay where they are. `nothing`: on no network; in the row of a state with a \
         network boot: until that boot\nwas given to the server. `tenant*`: only with a power-on under way, or where the port is \
         already.\n\n\
         | provision state | never given to us | given to us, off | given to us, on | power not known | network boot |\n\
         |---|---|---|---|---|---|\n",
    );
    let silent = || Some(PowerReading::Unreachable { reason: String::new() });
    for state in ProvisionState::KNOWN {
        let decided = |given, now: Option<PowerReading>, confirmed| {
            let power = PowerFacts { now, confirmed, untold_off: false };
            let node = Node::in_state(ID, state.clone());
            decide(&Facts { ports_given: given, power, ..facts(node) })
        };
        let cell = |decision: Decision| place(decision.placement).to_owned();
        let off = decided(true, Some(PowerReading::Off), Some(Confirmed::Off));
        let boot = off.boot.map_or("none".to_owned(), |purpose| format!("{purpose:?}").to_lowercase());
        text += &format!(
            "| {state} | {} | {} | {} | {} | {boot} |\n",
            cell(decided(false, None, None)),
            cell(off),
            cell(decided(true, Some(PowerReading::On), Some(Confirmed::On))),
            cell(decided(true, silent(), Some(Confirmed::On))),
        );
        if *state == ProvisionState::Deploying {
            text += "| deploying at `switch_to_tenant_network`, `boot_instance` | | tenant* | tenant* | tenant* | none |\n";
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle.md");
    if std::env::var_os("BMS_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        text,
        "docs/lifecycle.md is old: BMS_WRITE_DOCS=1"
    );
}
