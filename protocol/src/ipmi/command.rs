//! Decisions: requests and responses as values, to and from messages.

use super::{
    Malformed, Privilege,
    app::{ChannelAuthCapabilities, DeviceId},
    call::Call,
    chassis::{BOOT_FLAGS_PARAMETER, BootOption, ChassisControl, ChassisStatus},
    message::{CompletionCode, NETFN_APP, NETFN_CHASSIS, RequestMessage},
    wire::Reader,
};

/// "The channel that this request came in by" (section 6.3).
const THIS_CHANNEL: u8 = 0x0e;
/// Version of the boot option parameters (section 28.13).
const BOOT_OPTION_VERSION: u8 = 1;

/// A request that we send or serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Who are you; also keeps a session alive.
    DeviceId,
    /// The system's GUID.
    SystemGuid,
    /// What can be logged in with; the one request that every BMC answers to a stranger.
    ChannelAuthCapabilities {
        /// Privilege that will be asked for.
        privilege: Privilege,
    },
    /// Which cipher suites.
    ChannelCipherSuites {
        /// Which 16 bytes of the list.
        index: u8,
    },
    /// Raise the session to a privilege.
    SetSessionPrivilege(Privilege),
    /// End the session with this id (the BMC's).
    CloseSession(u32),
    /// Power and its faults.
    ChassisStatus,
    /// Switch power.
    ChassisControl(ChassisControl),
    /// Set a boot option.
    SetBootOption(BootOption),
    /// Read the boot flags.
    GetBootFlags,
    /// Any other command.
    Call(Call),
}

/// The data of a response that says "done".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nothing more.
    Done,
    /// To [`Request::DeviceId`].
    DeviceId(DeviceId),
    /// To [`Request::SystemGuid`], as on the wire.
    SystemGuid([u8; 16]),
    /// To [`Request::ChannelAuthCapabilities`].
    ChannelAuthCapabilities(ChannelAuthCapabilities),
    /// To [`Request::ChannelCipherSuites`]: up to 16 bytes of records.
    ChannelCipherSuites(Vec<u8>),
    /// To [`Request::SetSessionPrivilege`].
    SessionPrivilege(Privilege),
    /// To [`Request::ChassisStatus`].
    ChassisStatus(ChassisStatus),
    /// To [`Request::GetBootFlags`].
    BootOption(BootOption),
    /// To [`Request::Call`]: the answer's data, to be read by [`Call::parse_answer`].
    Call(Vec<u8>),
}

impl Request {
    /// Its name in messages to people.
    pub fn name(&self) -> &'static str {
        match self {
            Request::DeviceId => "Get Device ID",
            Request::SystemGuid => "Get System GUID",
            Request::ChannelAuthCapabilities { .. } => "Get Channel Authentication Capabilities",
            Request::ChannelCipherSuites { .. } => "Get Channel Cipher Suites",
            Request::SetSessionPrivilege(_) => "Set Session Privilege Level",
            Request::CloseSession(_) => "Close Session",
            Request::ChassisStatus => "Get Chassis Status",
            Request::ChassisControl(_) => "Chassis Control",
            Request::SetBootOption(_) => "Set System Boot Options",
            Request::GetBootFlags => "Get System Boot Options",
            Request::Call(call) => call.kind().name,
        }
    }

    /// Whether doing it twice is the same as doing it once. Within a session a BMC knows a repetition by its number; in the next
    /// one it does not.
    pub fn is_repeatable(&self) -> bool {
        use super::chassis::ChassisControl::{
            DiagnosticInterrupt, HardReset, PowerCycle, PowerDown, PowerUp, SoftShutdown,
        };
        match self {
            Request::ChassisControl(PowerCycle | HardReset | DiagnosticInterrupt) => false,
            Request::Call(call) => call.kind().is_repeatable,
            Request::ChassisControl(PowerDown | PowerUp | SoftShutdown)
            | Request::DeviceId
            | Request::SystemGuid
            | Request::ChannelAuthCapabilities { .. }
            | Request::ChannelCipherSuites { .. }
            | Request::SetSessionPrivilege(_)
            | Request::CloseSession(_)
            | Request::ChassisStatus
            | Request::SetBootOption(_)
            | Request::GetBootFlags => true,
        }
    }

    /// Whether it asks for what any BMC has at hand, and changes nothing.
    pub fn is_look(&self) -> bool {
        matches!(
            self,
            Request::ChassisStatus | Request::GetBootFlags | Request::DeviceId | Request::SystemGuid
        )
    }

    /// Network function, command and data.
    pub fn encode(&self) -> (u8, u8, Vec<u8>) {
        match self {
            Request::DeviceId => (NETFN_APP, 0x01, vec![]),
            Request::SystemGuid => (NETFN_APP, 0x37, vec![]),
            // Bit 7 asks for the IPMI 2.0 data.
            Request::ChannelAuthCapabilities { privilege } => {
                (NETFN_APP, 0x38, vec![0x80 | THIS_CHANNEL, privilege.code()])
            }
            // Payload type 0 is IPMI; bit 7 of the index asks for suites rather than algorithms.
            Request::ChannelCipherSuites { index } => {
                (NETFN_APP, 0x54, vec![THIS_CHANNEL, 0, 0x80 | index & 0x3f])
            }
            Request::SetSessionPrivilege(privilege) => (NETFN_APP, 0x3b, vec![privilege.code()]),
            Request::CloseSession(id) => (NETFN_APP, 0x3c, id.to_le_bytes().to_vec()),
            Request::ChassisStatus => (NETFN_CHASSIS, 0x01, vec![]),
            Request::ChassisControl(control) => (NETFN_CHASSIS, 0x02, vec![control.code()]),
            Request::SetBootOption(option) => {
                let mut data = vec![option.parameter()];
                data.extend(option.build());
                (NETFN_CHASSIS, 0x08, data)
            }
            Request::GetBootFlags => (NETFN_CHASSIS, 0x09, vec![BOOT_FLAGS_PARAMETER, 0, 0]),
            Request::Call(call) => call.encode(),
        }
    }

    /// From a message, or what to answer instead.
    pub fn parse(message: &RequestMessage<'_>) -> Result<Self, CompletionCode> {
        let data = message.data;
        let byte = |index: usize| data.get(index).copied().ok_or(CompletionCode::BAD_LENGTH);
        let privilege =
            |code: u8| Privilege::from_code(code & 0x0f).map_err(|_| CompletionCode::INVALID_FIELD);
        match (message.netfn, message.command) {
            (NETFN_APP, 0x01) => Ok(Request::DeviceId),
            (NETFN_APP, 0x37) => Ok(Request::SystemGuid),
            (NETFN_APP, 0x38) => Ok(Request::ChannelAuthCapabilities { privilege: privilege(byte(1)?)? }),
            (NETFN_APP, 0x54) => Ok(Request::ChannelCipherSuites { index: byte(2)? & 0x3f }),
            (NETFN_APP, 0x3b) => privilege(byte(0)?).map(Request::SetSessionPrivilege),
            (NETFN_APP, 0x3c) => {
                let id = data.get(..4).ok_or(CompletionCode::BAD_LENGTH)?;
                Ok(Request::CloseSession(u32::from_le_bytes(id.try_into().expect("four bytes"))))
            }
            (NETFN_CHASSIS, 0x01) => Ok(Request::ChassisStatus),
            (NETFN_CHASSIS, 0x02) => ChassisControl::from_code(byte(0)? & 0x0f)
                .map(Request::ChassisControl)
                .ok_or(CompletionCode::INVALID_FIELD),
            (NETFN_CHASSIS, 0x08) => match BootOption::parse(byte(0)?, &data[1..]) {
                None => Err(CompletionCode::PARAMETER_UNSUPPORTED),
                Some(Err(_)) => Err(CompletionCode::BAD_LENGTH),
                Some(Ok(option)) => Ok(Request::SetBootOption(option)),
            },
            (NETFN_CHASSIS, 0x09) if byte(0)? & 0x7f == BOOT_FLAGS_PARAMETER => Ok(Request::GetBootFlags),
            (NETFN_CHASSIS, 0x09) => Err(CompletionCode::PARAMETER_UNSUPPORTED),
            _ => Call::parse(message).map(Request::Call),
        }
    }

    /// The privilege that a session needs for it (appendix G); none: a stranger may ask it.
    pub fn privilege(&self) -> Option<Privilege> {
        match self {
            Request::ChannelAuthCapabilities { .. }
            | Request::ChannelCipherSuites { .. }
            | Request::SystemGuid => None,
            Request::SetSessionPrivilege(_) | Request::CloseSession(_) => Some(Privilege::Callback),
            Request::DeviceId | Request::ChassisStatus => Some(Privilege::User),
            Request::ChassisControl(_) | Request::SetBootOption(_) | Request::GetBootFlags => {
                Some(Privilege::Operator)
            }
            Request::Call(call) => Some(call.kind().privilege),
        }
    }
}

impl Response {
    /// The data behind the completion code.
    pub fn build(&self) -> Vec<u8> {
        match self {
            Response::Done => vec![],
            Response::DeviceId(id) => id.build(),
            Response::SystemGuid(guid) => guid.to_vec(),
            Response::ChannelAuthCapabilities(capabilities) => capabilities.build(),
            Response::ChannelCipherSuites(records) => {
                let mut data = vec![1];
                data.extend(records);
                data
            }
            Response::SessionPrivilege(privilege) => vec![privilege.code()],
            Response::ChassisStatus(status) => status.build(),
            Response::BootOption(option) => {
                let mut data = vec![BOOT_OPTION_VERSION, option.parameter()];
                data.extend(option.build());
                data
            }
            Response::Call(data) => data.clone(),
        }
    }

    /// From the data of a response to this request.
    pub fn parse(request: &Request, data: &[u8]) -> Result<Self, Malformed> {
        match request {
            Request::DeviceId => DeviceId::parse(data).map(Response::DeviceId),
            Request::SystemGuid => {
                Reader::new("Get System GUID answer", data).array().map(Response::SystemGuid)
            }
            Request::ChannelAuthCapabilities { .. } => {
                ChannelAuthCapabilities::parse(data).map(Response::ChannelAuthCapabilities)
            }
            Request::ChannelCipherSuites { .. } => {
                let mut reader = Reader::new("Get Channel Cipher Suites answer", data);
                reader.u8()?;
                Ok(Response::ChannelCipherSuites(reader.rest().to_vec()))
            }
            Request::SetSessionPrivilege(_) => {
                let code = Reader::new("Set Session Privilege Level answer", data).u8()?;
                Privilege::from_code(code & 0x0f).map(Response::SessionPrivilege)
            }
            Request::ChassisStatus => ChassisStatus::parse(data).map(Response::ChassisStatus),
            Request::GetBootFlags => {
                let mut reader = Reader::new("Get System Boot Options answer", data);
                let [_version, parameter] = reader.array()?;
                BootOption::parse(parameter, reader.rest())
                    .unwrap_or(Err(Malformed::new("boot option", "is of a parameter that was not asked for")))
                    .map(Response::BootOption)
            }
            Request::CloseSession(_) | Request::ChassisControl(_) | Request::SetBootOption(_) => {
                Ok(Response::Done)
            }
            Request::Call(_) => Ok(Response::Call(data.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        ipmi::{
            chassis::{BootFlagDevice, BootFlags},
            message::ResponseMessage,
        },
        power::RestorePolicy,
    };

    fn boot_option() -> impl Strategy<Value = BootOption> {
        let device = prop_oneof![
            Just(BootFlagDevice::None),
            Just(BootFlagDevice::Pxe),
            Just(BootFlagDevice::Disk),
            Just(BootFlagDevice::Cdrom),
            Just(BootFlagDevice::Setup),
            Just(BootFlagDevice::Other(11)),
        ];
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), device)
            .prop_map(|(valid, persistent, efi, device)| BootFlags { valid, persistent, efi, device });
        prop_oneof![
            any::<u8>().prop_map(BootOption::SetInProgress),
            any::<u8>().prop_map(BootOption::ValidBitClearing),
            any::<[u8; 2]>().prop_map(|[mask, bits]| BootOption::InfoAcknowledge { mask, bits }),
            flags.prop_map(BootOption::Flags),
        ]
    }

    fn request() -> impl Strategy<Value = Request> {
        let privilege = (1..=4_u8).prop_map(|code| Privilege::from_code(code).unwrap());
        prop_oneof![
            Just(Request::DeviceId),
            Just(Request::SystemGuid),
            Just(Request::ChassisStatus),
            Just(Request::GetBootFlags),
            privilege.clone().prop_map(|privilege| Request::ChannelAuthCapabilities { privilege }),
            privilege.prop_map(Request::SetSessionPrivilege),
            (0..64_u8).prop_map(|index| Request::ChannelCipherSuites { index }),
            any::<u32>().prop_map(Request::CloseSession),
            (0..6_u8).prop_map(|code| Request::ChassisControl(ChassisControl::from_code(code).unwrap())),
            boot_option().prop_map(Request::SetBootOption),
        ]
    }

    proptest! {
        #[test]
        fn any_message_is_taken(netfn: u8, command: u8, data in vec(any::<u8>(), 0..24), request in request()) {
            let _ = Request::parse(&RequestMessage { netfn, command, sequence: 0, data: &data });
            let _ = Response::parse(&request, &data);
            let _ = ResponseMessage::parse(&data);
        }

        #[test]
        fn requests_come_back(request in request()) {
            let (netfn, command, data) = request.encode();
            prop_assert_eq!(Request::parse(&RequestMessage { netfn, command, sequence: 0, data: &data }), Ok(request));
        }

        #[test]
        fn device_ids_come_back(device: u8, revision in 0..16_u8, firmware_major in 0..128_u8, firmware_minor: u8, manufacturer in 0..(1_u32 << 20), product: u16) {
            let id = DeviceId { device, revision, firmware_major, firmware_minor, manufacturer, product };
            prop_assert_eq!(DeviceId::parse(&id.build()), Ok(id));
        }

        #[test]
        fn answers_come_back(on: bool, power_fault: bool, policy in 0..4_usize, ipmi_2_0: bool, channel in 0..16_u8, guid: [u8; 16], option in boot_option()) {
            let check = |request: Request, response: Response| {
                assert_eq!(Response::parse(&request, &response.build()), Ok(response));
            };
            let restore_policy = RestorePolicy::ALL.get(policy).copied();
            check(Request::ChassisStatus, Response::ChassisStatus(ChassisStatus { on, power_fault, restore_policy }));
            check(Request::SystemGuid, Response::SystemGuid(guid));
            let capabilities = ChannelAuthCapabilities { channel, ipmi_2_0 };
            check(Request::ChannelAuthCapabilities { privilege: Privilege::User }, Response::ChannelAuthCapabilities(capabilities));
            check(Request::GetBootFlags, Response::BootOption(option));
        }
    }
}
