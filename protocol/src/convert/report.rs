//! Values: reports to and from the wire.

use super::{
    InvalidMessage,
    boot::{boot_network, boot_purpose},
    known, parse, present, server, step, unspecified,
};
use crate::{
    grpc as wire,
    mac::MacAddr,
    power::{PowerCause, PowerReading},
    report::{Report, ReportBody},
    shown_certificate::ShownCertificate,
    watch::{NotWatched, Watch},
};

impl From<Report> for wire::Report {
    fn from(report: Report) -> Self {
        use wire::report::Body;
        let body = match report.body {
            ReportBody::Power { reading, cause } => Body::Power(power(reading, cause)),
            ReportBody::Identified { place, identity } => {
                Body::Identified(wire::Identified { place, identity: Some(identity.into()) })
            }
            ReportBody::CertificateShown { place, shown } => Body::Certificate(wire::CertificateShown {
                place,
                chain: shown.chain().to_vec(),
                is_expected: shown.is_expected,
            }),
            ReportBody::Boot(progress) => Body::Boot(progress.into()),
            ReportBody::BootRefused { network, mac, planned, reason } => {
                Body::BootRefused(wire::BootRefused {
                    network: wire::BootNetwork::from(network).into(),
                    reason,
                    planned: planned.map_or(wire::BootNetwork::Unspecified, Into::into).into(),
                    mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
                })
            }
            ReportBody::RamdiskReady { session, purpose, network, hardware } => {
                Body::RamdiskReady(wire::RamdiskReady {
                    session: session.to_string(),
                    purpose: wire::BootPurpose::from(purpose).into(),
                    network: wire::BootNetwork::from(network).into(),
                    hardware: Some((*hardware).into()),
                })
            }
            ReportBody::RamdiskGone { session, reason } => {
                Body::RamdiskGone(wire::RamdiskGone { session: session.to_string(), reason })
            }
            ReportBody::StepProgress { command, progress } => Body::StepProgress(wire::StepProgress {
                command: command.to_string(),
                done_bytes: progress.done_bytes,
                total_bytes: progress.total_bytes,
            }),
            ReportBody::Command(result) => Body::Command(result.into()),
            ReportBody::Watch { watch } => Body::Watch(watch.into()),
            ReportBody::Facts { part } => Body::Facts(part.into()),
            ReportBody::Hardware { change } => Body::Hardware(change.into()),
            ReportBody::Found { finding } => Body::Found(finding.into()),
        };
        Self { seq: report.seq, at_us: report.at_us, server: report.server.to_string(), body: Some(body) }
    }
}

impl TryFrom<wire::Report> for Report {
    type Error = InvalidMessage;
    fn try_from(report: wire::Report) -> Result<Self, InvalidMessage> {
        use wire::report::Body;
        let body = match present("Report.body", report.body)? {
            Body::Power(power) => power_body(power)?,
            Body::Identified(wire::Identified { place, identity }) => {
                ReportBody::Identified { place, identity: present("Identified.identity", identity)?.into() }
            }
            Body::Certificate(wire::CertificateShown { place, chain, is_expected }) => {
                let shown = ShownCertificate::new(chain, is_expected)
                    .map_err(|error| InvalidMessage::new("CertificateShown.chain", error.to_string()))?;
                ReportBody::CertificateShown { place, shown }
            }
            Body::Boot(progress) => ReportBody::Boot(progress.try_into()?),
            Body::BootRefused(wire::BootRefused { network, reason, planned, mac }) => {
                ReportBody::BootRefused {
                    network: boot_network("BootRefused.network", network)?,
                    mac: optional_mac("BootRefused.mac", &mac)?,
                    planned: match known("BootRefused.planned", planned)? {
                        wire::BootNetwork::Unspecified => None,
                        wire::BootNetwork::Provisioning | wire::BootNetwork::Cleaning => {
                            Some(boot_network("BootRefused.planned", planned)?)
                        }
                    },
                    reason,
                }
            }
            Body::RamdiskReady(ready) => ReportBody::RamdiskReady {
                session: parse("RamdiskReady.session", &ready.session)?,
                purpose: boot_purpose("RamdiskReady.purpose", ready.purpose)?,
                network: boot_network("RamdiskReady.network", ready.network)?,
                hardware: Box::new(present("RamdiskReady.hardware", ready.hardware)?.try_into()?),
            },
            Body::RamdiskGone(wire::RamdiskGone { session, reason }) => {
                ReportBody::RamdiskGone { session: parse("RamdiskGone.session", &session)?, reason }
            }
            Body::StepProgress(wire::StepProgress { command, done_bytes, total_bytes }) => {
                ReportBody::StepProgress {
                    command: parse("StepProgress.command", &command)?,
                    progress: step::progress(done_bytes, total_bytes),
                }
            }
            Body::Command(result) => ReportBody::Command(result.try_into()?),
            Body::Watch(watch) => ReportBody::Watch { watch: watch.try_into()? },
            Body::Facts(facts) => ReportBody::Facts { part: facts.try_into()? },
            Body::Hardware(change) => ReportBody::Hardware { change: change.try_into()? },
            Body::Found(found) => ReportBody::Found { finding: found.try_into()? },
        };
        if report.seq == 0 {
            return Err(InvalidMessage::new("Report.seq", "is 0; reports are numbered from 1"));
        }
        Ok(Self {
            seq: report.seq,
            at_us: report.at_us,
            server: server("Report.server", &report.server)?,
            body,
        })
    }
}

fn optional_mac(field: &'static str, text: &str) -> Result<Option<MacAddr>, InvalidMessage> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn power(reading: PowerReading, cause: PowerCause) -> wire::Power {
    use wire::power::{Cause, State};
    let (state, reason) = match reading {
        PowerReading::On => (State::On, String::new()),
        PowerReading::Off => (State::Off, String::new()),
        PowerReading::Unreachable { reason } => (State::Unreachable, reason),
    };
    let cause = match cause {
        PowerCause::Commanded => Cause::Commanded,
        PowerCause::Unasked => Cause::Unasked,
        PowerCause::First => Cause::First,
    };
    wire::Power { state: state.into(), reason, cause: cause.into() }
}

fn power_body(power: wire::Power) -> Result<ReportBody, InvalidMessage> {
    use wire::power::{Cause, State};
    let reading = match known("Power.state", power.state)? {
        State::Unspecified => return Err(unspecified("Power.state")),
        State::On => PowerReading::On,
        State::Off => PowerReading::Off,
        State::Unreachable => PowerReading::Unreachable { reason: power.reason },
    };
    let cause = match known("Power.cause", power.cause)? {
        Cause::Unspecified => return Err(unspecified("Power.cause")),
        Cause::Commanded => PowerCause::Commanded,
        Cause::Unasked => PowerCause::Unasked,
        Cause::First => PowerCause::First,
    };
    Ok(ReportBody::Power { reading, cause })
}

impl From<Watch> for wire::Watch {
    fn from(watch: Watch) -> Self {
        use wire::watch::State;
        let (state, reason) = match watch {
            Watch::Watched => (State::Watched, String::new()),
            Watch::NotWatched { why: NotWatched::CredentialsRefused, reason } => {
                (State::CredentialsRefused, reason)
            }
            Watch::NotWatched { why: NotWatched::OtherMachine, reason } => (State::OtherMachine, reason),
        };
        Self { state: state.into(), reason }
    }
}

impl TryFrom<wire::Watch> for Watch {
    type Error = InvalidMessage;
    fn try_from(watch: wire::Watch) -> Result<Self, InvalidMessage> {
        use wire::watch::State;
        let reason = watch.reason;
        Ok(match known("Watch.state", watch.state)? {
            State::Unspecified => return Err(unspecified("Watch.state")),
            State::Watched => Watch::Watched,
            State::CredentialsRefused => Watch::NotWatched { why: NotWatched::CredentialsRefused, reason },
            State::OtherMachine => Watch::NotWatched { why: NotWatched::OtherMachine, reason },
        })
    }
}
