//! Decisions: which of several systems behind one BMC is the server. One that is positively something else is left out; between two
//! servers nobody but a person chooses.

use protocol::{identity::Likeness, redfish::ComputerSystem};

/// Parts of the names of systems that stand beside a server in one enclosure: GPU baseboards and network cards with processors of
/// their own. In lower-case letters.
const BESIDE: [&str; 5] = ["hgx", "baseboard", "bluefield", "dpu", "gpu"];
/// Types of a system (DSP2046) that are no server that one could switch on and boot.
const NO_SERVERS: [&str; 6] = ["Virtual", "OS", "VirtuallyPartitioned", "Composed", "DPU", "HGX"];

/// One system of the collection.
pub(super) struct Member {
    pub(super) path: String,
    /// As it was found, and whether it is who is expected; otherwise why it was not.
    pub(super) found: Result<(ComputerSystem, Likeness), String>,
}

/// Whether a system is, by its name, beside the server and need not even be read.
pub(super) fn is_beside(path: &str) -> bool {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    BESIDE.iter().any(|part| name.contains(part))
}

/// The path of the server among them, or what to tell whoever has to name it.
pub(super) fn choose(members: &[Member]) -> Result<&str, String> {
    if let [only] = members {
        return Ok(&only.path);
    }
    if let Some(known) = only(members, |member| matches!(member.found, Ok((_, Likeness::Same)))) {
        return Ok(&known.path);
    }
    let is_in_doubt = members.iter().any(|member| member.found.is_err() && !is_beside(&member.path));
    match only(members, is_server) {
        Some(server) if !is_in_doubt => Ok(&server.path),
        Some(_) | None => Err(format!(
            "it has {} systems: {}; name the one of this server in its entry, such as {}",
            members.len(),
            members.iter().map(described).collect::<Vec<_>>().join(", "),
            members
                .iter()
                .find(|member| !is_beside(&member.path))
                .map_or("/redfish/v1/Systems/1", |it| &it.path)
        )),
    }
}

fn only(members: &[Member], is: impl Fn(&Member) -> bool) -> Option<&Member> {
    let mut found = members.iter().filter(|member| is(member));
    found.next().filter(|_| found.next().is_none())
}

fn is_server(member: &Member) -> bool {
    let Ok((system, _)) = &member.found else { return false };
    let is_other = |kind: &String| NO_SERVERS.iter().any(|other| kind.eq_ignore_ascii_case(other));
    let can_be_switched = system.actions.as_ref().is_some_and(|actions| actions.reset.is_some());
    !is_beside(&member.path) && can_be_switched && !system.system_type.as_ref().is_some_and(is_other)
}

fn described(member: &Member) -> String {
    let said = match &member.found {
        Err(reason) => vec![reason.clone()],
        Ok((system, _)) => {
            let said = [&system.system_type, &system.manufacturer, &system.model, &system.serial_number];
            said.into_iter().flatten().filter(|word| !word.is_empty()).cloned().collect()
        }
    };
    if said.is_empty() { member.path.clone() } else { format!("{} ({})", member.path, said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn server(path: &str, kind: &str) -> Member {
        like(
            path,
            json!({"SystemType": kind, "SerialNumber": "S1", "Actions": reset()}),
            Likeness::ProvesNothing,
        )
    }

    fn reset() -> Value {
        json!({"#ComputerSystem.Reset": {"target": "/r"}})
    }

    fn like(path: &str, system: Value, likeness: Likeness) -> Member {
        Member { path: path.to_owned(), found: Ok((serde_json::from_value(system).unwrap(), likeness)) }
    }

    fn silent(path: &str) -> Member {
        Member { path: path.to_owned(), found: Err("HTTP 503".to_owned()) }
    }

    #[test]
    fn what_is_no_server_is_left_out_and_between_servers_nobody_chooses() {
        let check = |members: &[Member], expected: Result<&str, &str>| match (choose(members), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
            (chosen, expected) => panic!("{chosen:?}, not {expected:?}"),
        };
        check(&[silent("/s/1")], Ok("/s/1"));
        check(&[silent("/s/HGX_Baseboard_0"), server("/s/System_0", "Physical")], Ok("/s/System_0"));
        check(
            &[server("/s/HGX_Baseboard_0", "Physical"), server("/s/System_0", "Physical")],
            Ok("/s/System_0"),
        );
        check(&[server("/s/Bluefield", "DPU"), server("/s/1/", "Physical")], Ok("/s/1/"));
        check(&[server("/s/vm", "Virtual"), server("/s/1", "Physical")], Ok("/s/1"));
        // What cannot be switched is no server.
        check(&[like("/s/0", json!({}), Likeness::ProvesNothing), server("/s/1", "Physical")], Ok("/s/1"));
        let two = [server("/s/1", "Physical"), server("/s/2", "Physical")];
        check(&two, Err("it has 2 systems: /s/1 (Physical, S1), /s/2 (Physical, S1); name the one"));
        // One that does not answer now may be the server.
        check(&[server("/s/1", "Physical"), silent("/s/2")], Err("/s/2 (HTTP 503)"));
        check(&[], Err("it has 0 systems"));
        // One that is known is found among its like.
        let known = like("/s/2", json!({"Actions": reset()}), Likeness::Same);
        check(&[server("/s/1", "Physical"), known, silent("/s/3")], Ok("/s/2"));
    }
}
