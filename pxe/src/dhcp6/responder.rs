//! Decisions: the answer to one DHCPv6 message. No answer without a boot plan for this interface on this network.
//!
//! The address is that of the interface's IPv4 lease ([`super::link::Ipv6::address_of`]), so the two families' requests for one interface share its
//! reservation, its proof and its record.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Instant,
};

use dhcproto::v6::{
    DhcpOption, DhcpOptions, Encodable, Encoder, IAAddr, IANA, Message, MessageType, OptionCode, Status,
    StatusCode, UnknownOption,
};
use protocol::{hex, mac::MacAddr};

use super::{
    link::Link,
    request::{Ask, Request},
};
use crate::{
    booter::{Plan, Refusal},
    dhcp::{
        lease::{Declined, LEASE, Leases, Reserved},
        responder::{DhcpReply, Ignored, Outcome, ReplyKind, file_of},
    },
    firmware::Firmware,
};

/// Clients listen here.
pub const CLIENT_PORT: u16 = 546;

/// Servers and relays listen here.
pub const SERVER_PORT: u16 = 547;

/// "Wait for no other server's offer" (RFC 8415 section 18.2.1).
const PREFERENCE_MAX: u8 = 255;

/// What an answer to UEFI's HTTP boot has to say of itself (UEFI 2.10 section 24.7.3).
const HTTP_CLASS: &[u8] = b"HTTPClient";

/// Decides about one message that came from `from`. `ramdisk_at` names the interfaces of the server whose ramdisk runs at an address.
pub fn respond(
    link: &Link,
    leases: &mut Leases,
    (bytes, from): (&[u8], SocketAddrV6),
    now: Instant,
    plan: &dyn Fn(MacAddr) -> Plan,
    ramdisk_at: &dyn Fn(Ipv4Addr) -> Option<Vec<MacAddr>>,
) -> Outcome {
    let request = match Request::parse(bytes, *from.ip()) {
        Ok(request) => request,
        Err(invalid) => return Outcome::Ignored(invalid.into()),
    };
    let mac = request.mac;
    if !request.relays.is_empty() && !link.ipv6.relays.contains(from.ip()) {
        return Outcome::Ignored(Ignored::Relayed((*from.ip()).into()));
    }
    if let Some(outcome) = others(link, &request, plan) {
        return outcome;
    }
    let answer = Answer { link, request: &request, from };
    if let Ask::Decline { .. } = request.ask {
        return decline(&answer, leases, now, plan(mac).is_here());
    }
    let ticket = match plan(mac).ticket() {
        Ok(ticket) => ticket,
        Err(Refusal::NoPlan { .. }) => {
            return Outcome::Refused { mac, reason: Refusal::NoPlan { machine: request.machine } };
        }
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    let firmware = request.firmware.of_server(ticket.boot_mode);
    let file = match file_of(&ticket, firmware, mac, &link.base_url()) {
        Ok(file) => file,
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    let kind = match request.ask {
        Ask::Confirm => return answer.note(answer.on_link(), None),
        Ask::Release { .. } | Ask::Decline { .. } => return answer.note(vec![success()], None),
        Ask::Inform => return answer.note(answer.boots(firmware, &file), None),
        Ask::Solicit => ReplyKind::Offer,
        Ask::Request { .. } | Ask::Renew { .. } | Ask::Rebind => ReplyKind::Ack,
    };
    if let Some(fixed) = ticket.own.as_ref().and_then(|own| own.address) {
        leases.assign(mac, fixed, now);
    }
    let runs_anothers = |address| ramdisk_at(address).is_some_and(|macs| !macs.contains(&mac));
    let wish = request.wish().and_then(|wish| link.ipv6.ipv4_of(wish));
    let uses = matches!(request.ask, Ask::Renew { .. } | Ask::Rebind);
    let lent = match leases.reserve(mac, wish, now, |holder| plan(holder).is_here(), runs_anothers) {
        Reserved::Proven(lent) => lent,
        // Who uses it already need not ask who uses it.
        Reserved::Unproven(lent) if uses && wish == Some(lent) => {
            leases.prove(mac);
            lent
        }
        Reserved::Unproven(address) => return Outcome::Prove { mac, address },
        Reserved::BeingProven => return Outcome::Ignored(Ignored::BeingProven(mac)),
        Reserved::None => {
            return Outcome::Refused {
                mac,
                reason: Refusal::NoAddress { range: leases.range().to_string() },
            };
        }
    };
    let keep = if kind == ReplyKind::Ack { leases.take(mac, now) } else { None };
    let address = link.ipv6.address_of(lent);
    let mut options = answer.boots(firmware, &file);
    options.push(answer.lend(address));
    let message = match kind {
        ReplyKind::Offer => {
            options.push(DhcpOption::Preference(PREFERENCE_MAX));
            MessageType::Advertise
        }
        ReplyKind::Ack | ReplyKind::Nak => MessageType::Reply,
    };
    let bytes = answer.message(message, options);
    let (to, place) = (answer.destination(), request.place.clone());
    Outcome::Reply(DhcpReply { bytes, to, kind, mac, ticket, address: address.into(), firmware, place, keep })
}

/// What is meant for another server, which should not exist on an isolated network.
fn others(link: &Link, request: &Request, plan: &dyn Fn(MacAddr) -> Plan) -> Option<Outcome> {
    let (server, is_chosen) = match &request.ask {
        Ask::Request { server } => (server, true),
        Ask::Renew { server } | Ask::Release { server } | Ask::Decline { server } => (server, false),
        Ask::Solicit | Ask::Rebind | Ask::Confirm | Ask::Inform => return None,
    };
    if *server == link.server_id {
        return None;
    }
    let server = format!("with the DUID {}", hex::encode(server));
    Some(match is_chosen && plan(request.mac).is_here() {
        true => Outcome::Refused { mac: request.mac, reason: Refusal::OtherServer { server } },
        false => Outcome::Ignored(Ignored::OtherServer(server)),
    })
}

/// Somebody else uses the address: both families are given another one.
fn decline(answer: &Answer<'_>, leases: &mut Leases, now: Instant, may_boot: bool) -> Outcome {
    let mac = answer.request.mac;
    let Some(address) = answer.request.wish().and_then(|wish| answer.link.ipv6.ipv4_of(wish)) else {
        return match may_boot {
            true => answer.note(vec![success()], None),
            false => Outcome::Refused { mac, reason: Refusal::NoPlan { machine: answer.request.machine } },
        };
    };
    let became = leases.decline(mac, address, now);
    let declined = Ignored::Declined { mac, address, became };
    match may_boot || became != Declined::NotLent {
        true => answer.note(vec![success()], Some(declined)),
        false => Outcome::Ignored(declined),
    }
}

fn success() -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status: Status::Success, msg: String::new() })
}

/// What every answer repeats.
struct Answer<'a> {
    link: &'a Link,
    request: &'a Request,
    from: SocketAddrV6,
}

impl Answer<'_> {
    /// A relay is answered where it is, a client at its own address (RFC 8415 sections 18.3.10 and 19.3).
    fn destination(&self) -> SocketAddr {
        let mut to = self.from;
        to.set_port(if self.request.relays.is_empty() { CLIENT_PORT } else { SERVER_PORT });
        to.into()
    }

    fn note(&self, options: Vec<DhcpOption>, of: Option<Ignored>) -> Outcome {
        Outcome::Note { bytes: self.message(MessageType::Reply, options), to: self.destination(), of }
    }

    /// Whether the client's addresses are right here (RFC 8415 section 18.3.3).
    fn on_link(&self) -> Vec<DhcpOption> {
        let addresses = self.request.association.iter().flat_map(|association| &association.addresses);
        let status = match addresses.into_iter().all(|address| self.link.ipv6.contains(*address)) {
            true => Status::Success,
            false => Status::NotOnLink,
        };
        vec![DhcpOption::StatusCode(StatusCode { status, msg: String::new() })]
    }

    /// What is booted: its URL, and for UEFI's HTTP boot the class by which it knows an offer that is for it.
    fn boots(&self, firmware: Firmware, file: &str) -> Vec<DhcpOption> {
        let unknown = |code, value| DhcpOption::Unknown(UnknownOption::new(code, value));
        let mut options = Vec::new();
        if !file.is_empty() {
            options.push(unknown(OptionCode::OptBootfileUrl, self.link.url(file).into_bytes()));
        }
        if firmware == Firmware::UefiHttp {
            // By hand: dhcproto counts the strings of a class where their bytes are to be counted.
            let class =
                [&self.request.enterprise.to_be_bytes()[..], &[0, HTTP_CLASS.len() as u8], HTTP_CLASS];
            options.push(unknown(OptionCode::VendorClass, class.concat()));
        }
        options
    }

    /// The address. What the client has or wishes beside it is taken from it (RFC 8415 section 18.3.4).
    fn lend(&self, address: Ipv6Addr) -> DhcpOption {
        let seconds = u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX);
        let association = self.request.association.clone().unwrap_or_default();
        let one = |addr, life| {
            let opts = DhcpOptions::new();
            DhcpOption::IAAddr(IAAddr { addr, preferred_life: life, valid_life: life, opts })
        };
        let wrong = association.addresses.into_iter().filter(|other| *other != address);
        let opts = [one(address, seconds)].into_iter().chain(wrong.map(|other| one(other, 0))).collect();
        // T1 and T2: after half of the time, and after four fifths (RFC 8415 section 21.4).
        DhcpOption::IANA(IANA { id: association.id, t1: seconds / 2, t2: seconds / 5 * 4, opts })
    }

    fn message(&self, kind: MessageType, options: Vec<DhcpOption>) -> Vec<u8> {
        let request = self.request;
        let mut message = Message::new_with_id(kind, request.xid);
        let who = [DhcpOption::ServerId(self.link.server_id.clone())].into_iter();
        let client = (!request.client_id.is_empty()).then(|| DhcpOption::ClientId(request.client_id.clone()));
        message.set_opts(who.chain(client).chain(options).collect());
        let mut bytes = Vec::new();
        message.encode(&mut Encoder::new(&mut bytes)).expect(
            "a vector takes whatever fits its field, and no option of ours is a list of domain names",
        );
        request.relays.iter().rev().fold(bytes, |inner, relay| {
            let mut outer = vec![MessageType::RelayRepl.into(), relay.hops];
            outer.extend(relay.link.octets());
            outer.extend(relay.peer.octets());
            if let Some(id) = &relay.interface_id {
                append(&mut outer, OptionCode::InterfaceId, id);
            }
            append(&mut outer, OptionCode::RelayMsg, &inner);
            outer
        })
    }
}

/// What is longer than its field cannot come from us: a message is as long as an Ethernet frame at most, and so is what is made of it.
fn append(bytes: &mut Vec<u8>, code: OptionCode, value: &[u8]) {
    bytes.extend(u16::from(code).to_be_bytes());
    bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(value);
}

#[cfg(test)]
mod tests;
