//! Decisions: the answer of a ProxyDHCP server (PXE 2.1, sections 2.2 and 2.4): another server gives addresses, and this one says what is
//! booted. A client asks for both at once by its DHCPDISCOVER; some ask once more, at a port of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use dhcproto::v4::DhcpOption;
use protocol::mac::MacAddr;

use super::{
    request::{Ask, Request},
    responder::{
        CLIENT_PORT, DhcpReply, Ignored, Outcome, ReplyKind, SERVER_PORT, Subnet, TAKE_THE_FILE, file_of,
        head, reply,
    },
};
use crate::{booter::Plan, firmware::Firmware};

/// Clients that have an address by then ask here for what they boot.
pub const PROXY_PORT: u16 = 4011;

/// Where a message arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// At DHCP's own port, where the other server hears it too.
    AtDhcp,
    /// At [`PROXY_PORT`], from here.
    AtProxy(SocketAddrV4),
}

/// Decides about one message.
pub fn respond(subnet: &Subnet, bytes: &[u8], arrived: Arrived, plan: &dyn Fn(MacAddr) -> Plan) -> Outcome {
    let request = match Request::parse(bytes) {
        Ok(request) => request,
        Err(invalid) => return Outcome::Ignored(invalid.into()),
    };
    let mac = request.mac;
    if !request.giaddr.is_unspecified() && !subnet.relays.contains(&request.giaddr) {
        return Outcome::Ignored(Ignored::Relayed(request.giaddr.into()));
    }
    let kind = match (request.ask, arrived) {
        (Ask::Discover, Arrived::AtDhcp) => ReplyKind::Offer,
        (Ask::Discover | Ask::Request { .. }, Arrived::AtProxy(_)) => ReplyKind::Ack,
        (Ask::Request { .. } | Ask::Decline { .. }, _) => return Outcome::Ignored(Ignored::OthersAddress),
    };
    let ticket = match plan(mac).ticket() {
        Ok(ticket) => ticket,
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    let firmware = request.firmware.of_server(ticket.boot_mode);
    let file = match file_of(&ticket, firmware, mac, &subnet.origin.base_url()) {
        Ok(file) if !file.is_empty() => file,
        // It boots nothing from the network: an address is all that it wants, and that is the other server's.
        Ok(_) => return Outcome::Ignored(Ignored::OthersAddress),
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    let mut options = head(subnet, kind);
    let class: &[u8] = if firmware == Firmware::UefiHttp { b"HTTPClient" } else { b"PXEClient" };
    options.push(DhcpOption::ClassIdentifier(class.to_vec()));
    options.push(DhcpOption::VendorExtensions(TAKE_THE_FILE.to_vec()));
    if request.wants_names {
        options.push(DhcpOption::TFTPServerName(subnet.origin.address.to_string().into_bytes()));
        options.push(DhcpOption::BootfileName([file.as_bytes(), &[0]].concat()));
    }
    let bytes = reply(&request, Ipv4Addr::UNSPECIFIED, subnet.origin.address, &file, options);
    let to = match (arrived, request.giaddr) {
        (Arrived::AtProxy(from), _) => from,
        (Arrived::AtDhcp, relay) if !relay.is_unspecified() => SocketAddrV4::new(relay, SERVER_PORT),
        (Arrived::AtDhcp, _) => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
    };
    let (address, place, to) = (IpAddr::V4(request.ciaddr), request.place, SocketAddr::V4(to));
    Outcome::Reply(DhcpReply { bytes, to, kind, mac, ticket, address, firmware, place, keep: None })
}

#[cfg(test)]
mod tests {
    use dhcproto::v4::OptionCode;
    use protocol::{
        boot::{BootLoader, BootMode, BootPlan, BootPurpose},
        network::BootNetwork,
    };

    use super::*;
    use crate::{
        booter::{BootTicket, Refusal},
        dhcp::{
            packet::Packet,
            test_request::{bytes, request},
        },
        firmware::Origin,
    };

    const KNOWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);

    fn plan(mac: MacAddr) -> Plan {
        let ticket = BootTicket {
            boot_id: 1,
            command_line: String::new(),
            boot_mode: BootMode::Uefi,
            loader: BootLoader::Ipxe,
            plan: BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning },
            own: None,
        };
        if mac == KNOWN { Plan::Here(ticket) } else { Plan::Nowhere }
    }

    fn ask(mac: MacAddr, options: &[(u8, &[u8])], ciaddr: Option<Ipv4Addr>, arrived: Arrived) -> Outcome {
        let origin = Origin { address: OWN, http_port: 80 };
        let subnet = Subnet {
            network: BootNetwork::Provisioning,
            prefix_len: 24,
            origin,
            relays: Vec::new(),
            told: Default::default(),
        };
        let mut message = request(mac, options);
        if let Some(ciaddr) = ciaddr {
            message.set_ciaddr(ciaddr);
        }
        respond(&subnet, &bytes(&message), arrived, &plan)
    }

    const UEFI: [(u8, &[u8]); 2] = [(60, b"PXEClient:Arch:00007:UNDI:003000"), (93, &[0, 7])];
    const IPXE: [(u8, &[u8]); 3] = [(60, b"PXEClient:Arch:00007:UNDI:003010"), (77, b"iPXE"), (93, &[0, 7])];

    #[test]
    fn what_is_booted_is_told_and_no_address() {
        let check = |options: &[(u8, &[u8])], file: &[u8], class: &[u8]| {
            let all = [&[(53, &[1][..])], options].concat();
            let Outcome::Reply(offer) = ask(KNOWN, &all, None, Arrived::AtDhcp) else {
                panic!("{options:?}")
            };
            assert_eq!((offer.kind, offer.to.to_string().as_str()), (ReplyKind::Offer, "255.255.255.255:68"));
            let packet = Packet::parse(&offer.bytes).unwrap();
            assert!(packet.fixed.yiaddr().is_unspecified(), "an address is the other server's to give");
            assert_eq!((packet.fixed.siaddr(), packet.fixed.fname()), (OWN, file));
            assert_eq!(packet.options.get(OptionCode::ClassIdentifier), Some(class));
            assert_eq!(packet.options.get(OptionCode::VendorExtensions), Some(&TAKE_THE_FILE[..]));
            assert_eq!(packet.options.get(OptionCode::ServerIdentifier), Some(&OWN.octets()[..]));
            for none in [OptionCode::AddressLeaseTime, OptionCode::SubnetMask, OptionCode::Router] {
                assert_eq!(packet.options.get(none), None, "{none:?}");
            }
        };
        check(&UEFI, b"snponly.efi", b"PXEClient");
        check(&IPXE, b"http://198.18.1.1/boot/02:00:00:00:00:01/script", b"PXEClient");
        let http: [(u8, &[u8]); 2] = [(60, b"HTTPClient:Arch:00016:UNDI:003001"), (93, &[0, 16])];
        check(&http, b"http://198.18.1.1/boot/loader/snponly.efi", b"HTTPClient");
    }

    #[test]
    fn only_who_boots_is_answered_and_only_about_that() {
        let ignored = |outcome: Outcome| matches!(outcome, Outcome::Ignored(Ignored::OthersAddress));
        let at_proxy = Arrived::AtProxy(SocketAddrV4::new(Ipv4Addr::new(198, 18, 1, 9), 68));
        assert!(ignored(ask(KNOWN, &[(53, &[1])], None, Arrived::AtDhcp)), "an operating system");
        let other: [(u8, &[u8]); 3] = [(53, &[3]), (50, &[198, 18, 1, 9]), (54, &[198, 18, 1, 2])];
        assert!(
            ignored(ask(KNOWN, &[&other[..], &UEFI].concat(), None, Arrived::AtDhcp)),
            "the other's offer is taken"
        );
        let discover = [&[(53, &[1][..])], &UEFI[..]].concat();
        let stranger = ask(MacAddr([2, 0, 0, 0, 0, 2]), &discover, None, Arrived::AtDhcp);
        assert!(matches!(stranger, Outcome::Refused { reason: Refusal::NoPlan { .. }, .. }), "{stranger:?}");
        // Once more, with the address that it has by now.
        let again = [&[(53, &[3][..])], &UEFI[..]].concat();
        let Outcome::Reply(ack) = ask(KNOWN, &again, Some(Ipv4Addr::new(198, 18, 1, 9)), at_proxy) else {
            panic!("no answer at port 4011")
        };
        assert_eq!((ack.kind, ack.to.to_string().as_str()), (ReplyKind::Ack, "198.18.1.9:68"));
        assert_eq!(Packet::parse(&ack.bytes).unwrap().fixed.fname(), b"snponly.efi");
    }
}
