//! Decisions: what can be asked in a session: whose the console is, to have it, to give it back. Everything else is refused as a BMC does.

use std::time::Instant;

use protocol::{
    id::ServerId,
    ipmi::{
        bmc::{BmcEvent, Token},
        call::Call,
        command::{Request, Response},
        message::CompletionCode,
        sol::{
            ALREADY_ACTIVE, Activate, Activated, ChannelPayloads, Deactivate, GetSetting, InstanceInfo,
            Instances, InstancesInUse, NEEDS_SEALING, NOT_ACTIVE, PAYLOAD,
            flow::{CHARACTERS_MAX, Flow, RETRY_EVERY, TRIES_MAX},
            packet::{End, HEADER_BYTES},
        },
    },
};

use super::{Claim, Event, Face, Line, PRIVILEGE, Place, Stage};

/// The console of a node; there is one.
const INSTANCE: u8 = 1;
/// Longest payload either way.
const PAYLOAD_MAX: u16 = (HEADER_BYTES + CHARACTERS_MAX) as u16;
/// The console is with an agent that does not answer, or does not open it (section 5.2, "destination unavailable").
const UNREACHABLE: CompletionCode = CompletionCode(0xd3);

type Answer = Result<Vec<u8>, CompletionCode>;

impl Face {
    /// Answers a request; that for the console is answered when it is known whether there is one.
    pub(super) fn request(&mut self, event: BmcEvent, now: Instant) {
        let BmcEvent { token, request } = event;
        let Some(&Claim { from, node: Some(node), .. }) = self.claims.get(&token.session()) else { return };
        let outcome = match request {
            Request::Call(call) => match call.read::<Activate>() {
                Some(wanted) => match wanted.and_then(|wanted| self.may_activate(wanted, node)) {
                    Ok(()) => {
                        let place = self.put(node, token);
                        self.events.push_back(Event::Wanted { place, node, from });
                        return;
                    }
                    Err(code) => Err(code),
                },
                None => self.call(&call, node).map(Response::Call),
            },
            // The gate's business, and nobody's here whatever the privilege.
            Request::ChassisStatus
            | Request::ChassisControl(_)
            | Request::SetBootOption(_)
            | Request::GetBootFlags => Err(CompletionCode::PRIVILEGE),
            // Answered below us.
            Request::DeviceId
            | Request::SystemGuid
            | Request::ChannelAuthCapabilities { .. }
            | Request::ChannelCipherSuites { .. }
            | Request::SetSessionPrivilege(_)
            | Request::CloseSession(_) => Err(CompletionCode::INVALID_COMMAND),
        };
        self.bmc.respond(token, outcome, now);
    }

    /// Says whether the console is there; none: it is. Without effect when whoever wanted it is gone.
    pub fn opened(&mut self, place: Place, is_there: bool, now: Instant) {
        let port = self.port;
        let Some(line) = self.lines.get_mut(&place) else { return };
        let Stage::Opening(token) = line.stage else { return };
        let outcome = if is_there {
            line.stage = Stage::Open(Flow::new(End::Bmc, PAYLOAD_MAX));
            let activated = Activated { to_bmc_max: PAYLOAD_MAX, from_bmc_max: PAYLOAD_MAX, port };
            Ok(Response::Call(Call::answer::<Activate>(&activated)))
        } else {
            self.leave(place);
            Err(UNREACHABLE)
        };
        self.bmc.respond(token, outcome, now);
        self.turn(now);
    }

    fn put(&mut self, node: ServerId, token: Token) -> Place {
        self.counted += 1;
        let place = Place(self.counted);
        self.lines.insert(place, Line { node, session: token.session(), stage: Stage::Opening(token) });
        place
    }

    fn place_of(&self, node: ServerId) -> Option<Place> {
        self.lines.iter().find(|(_, line)| line.node == node).map(|(place, _)| *place)
    }

    fn may_activate(&self, wanted: Activate, node: ServerId) -> Result<(), CompletionCode> {
        if wanted.instance != INSTANCE {
            Err(CompletionCode::INVALID_FIELD)
        } else if !wanted.sealed {
            Err(CompletionCode(NEEDS_SEALING))
        } else if self.place_of(node).is_some() {
            Err(CompletionCode(ALREADY_ACTIVE))
        } else {
            Ok(())
        }
    }

    fn call(&mut self, call: &Call, node: ServerId) -> Answer {
        let place = self.place_of(node);
        let answers = call
            .serve::<InstancesInUse>(|_| Ok(Instances { at_once: 1, in_use: u16::from(place.is_some()) }))
            .or_else(|| call.serve::<ChannelPayloads>(|_| Ok(1 | 1 << PAYLOAD)))
            .or_else(|| {
                let number = |Place(number)| u32::try_from(number).unwrap_or(u32::MAX);
                call.serve::<InstanceInfo>(|_| Ok(place.map_or(0, number)))
            })
            .or_else(|| call.serve::<GetSetting>(|wanted| self.setting(wanted.number)))
            .or_else(|| call.serve::<Deactivate>(|_| self.take_away(place)));
        answers.unwrap_or(Err(CompletionCode::INVALID_COMMAND))
    }

    fn take_away(&mut self, place: Option<Place>) -> Result<(), CompletionCode> {
        let place = place.ok_or(CompletionCode(NOT_ACTIVE))?;
        self.deactivate(place);
        Ok(())
    }

    /// Settings of the console as table 26-5 has them; they cannot be changed.
    fn setting(&self, number: u8) -> Result<Vec<u8>, CompletionCode> {
        let [low, high] = self.port.to_le_bytes();
        // In steps of 10 ms.
        let retry = (RETRY_EVERY.as_millis() / 10) as u8;
        match number {
            // Nobody is changing them.
            0 => Ok(vec![0]),
            1 => Ok(vec![1]),
            // Encrypted and authenticated always.
            2 => Ok(vec![0xc0 | PRIVILEGE.code()]),
            // Characters wait for nothing, and are sent from the first one on.
            3 => Ok(vec![1, 1]),
            4 => Ok(vec![TRIES_MAX as u8, retry]),
            // The channel that the request came by.
            7 => Ok(vec![0x0e]),
            8 => Ok(vec![low, high]),
            // The bit rates, which only the real BMC knows.
            _ => Err(CompletionCode::PARAMETER_UNSUPPORTED),
        }
    }
}
