//! Decisions: what Ironic's commands mean for our ramdisk.
//!
//! | command | becomes |
//! |---|---|
//! | `clean.get_clean_steps`, `deploy.get_deploy_steps`, `standby.get_partition_uuids` | an answer at once |
//! | `clean.execute_clean_step` | `EraseMetadata`, `EraseDisks` |
//! | `deploy.execute_deploy_step` `write_image` | `WriteImage`, `WriteConfigDrive` |
//! | `image.install_bootloader` | `InstallBootEntry` |
//! | `standby.sync`, `standby.power_off` | `Sync`, `PowerOff` |
//! | `rescue.finalize_rescue` | `HandOver` |

use domain::disks::{Erase, Thoroughness};
use protocol::{
    erase::{ErasePolicy, ReadBack},
    root_device::RootDeviceHints,
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Priorities of the erase steps as ironic-python-agent has them; `[deploy]erase_devices_priority` and
/// `[deploy]erase_devices_metadata_priority` of Ironic override them.
const ERASE_METADATA_PRIORITY: u32 = 99;
const ERASE_DISKS_PRIORITY: u32 = 10;
/// The same of the quick erase: it is for whoever asks for it.
const ERASE_EXPRESS_PRIORITY: u32 = 0;
/// Priority of `write_image` with deploy interface `custom-agent`, the place it has in `direct`.
const WRITE_IMAGE_PRIORITY: u32 = 80;
/// Names us in the lists of steps.
const MANAGER: &str = "BmsRamdisk";

/// Work for the ramdisk. It is stored before it starts and can be done again from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "job")]
pub enum Job {
    /// Erase the disks for the next tenant.
    Erase {
        /// Every byte, or only what makes a disk recognisable.
        what: Erase,
        /// How thoroughly; a job that was stored by an older program: as ever.
        #[serde(default)]
        wish: Thoroughness,
        /// The step as Ironic named it.
        step: StepName,
    },
    /// Write an image, and a configuration drive.
    WriteImage {
        /// The image service's id.
        image: String,
        /// base64 of gzip of a file system.
        config_drive: Option<String>,
        /// Which disk it goes to: the instance's hints, or else the node's.
        #[serde(default, skip_serializing_if = "RootDeviceHints::is_empty")]
        root_device: RootDeviceHints,
        /// Whether to make the boot entry too (`custom-agent` has no command of its own for it).
        boot_entry: bool,
        /// The step as Ironic named it.
        step: StepName,
    },
    /// Make the firmware boot the disk.
    InstallBootEntry,
    /// Flush.
    Sync,
    /// Flush and switch off.
    PowerOff,
    /// Let go of the server: it is its tenant's.
    HandOver {
        /// Hash of the tenant's password.
        password_hash: Secret,
    },
}

impl Job {
    /// Whether Ironic gets its answer when the job has ended rather than when it has begun. It would otherwise look
    /// again only after 5 or 6 s (`[agent]post_deploy_get_power_state_retry_interval`, `command_wait_interval`).
    pub fn holds_reply(&self) -> bool {
        match self {
            Job::Erase { .. } | Job::WriteImage { .. } => false,
            // To Ironic a rescue that is still running has failed.
            Job::InstallBootEntry | Job::Sync | Job::PowerOff | Job::HandOver { .. } => true,
        }
    }
}

/// What identifies a step to Ironic; its arguments (an image's name, a configuration drive) are not echoed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepName {
    /// `deploy`.
    pub interface: String,
    /// Such as `write_image`.
    pub step: String,
    /// As it was sent.
    #[serde(default)]
    pub priority: Value,
}

/// What to do about a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Answer with this result.
    Answer(Value),
    /// Do this.
    Do(Job),
}

/// Why a command is not accepted; Ironic shows the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// We do not know it.
    #[error("this ramdisk has no command {name}")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// We do not know the step.
    #[error("this ramdisk has no step {step} for {command}")]
    UnknownStep {
        /// The command.
        command: String,
        /// The step.
        step: String,
    },
    /// Something is missing or wrong in the parameters.
    #[error("the parameters of {command} are wrong: {reason}")]
    Invalid {
        /// The command.
        command: String,
        /// What.
        reason: String,
    },
}

#[derive(Deserialize)]
struct StepParams {
    step: StepCall,
    #[serde(default)]
    node: NodeInfo,
}

#[derive(Deserialize)]
struct StepCall {
    #[serde(flatten)]
    name: StepName,
    #[serde(default)]
    args: Option<StepArgs>,
}

#[derive(Default, Deserialize)]
struct StepArgs {
    image_info: Option<ImageInfo>,
    configdrive: Option<Value>,
    policy: Option<ErasePolicy>,
    read_back: Option<ReadBack>,
}

#[derive(Deserialize)]
struct ImageInfo {
    id: String,
    image_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct NodeInfo {
    deploy_interface: Option<String>,
    #[serde(default)]
    instance_info: InstanceInfo,
    #[serde(default)]
    properties: NodeProperties,
    #[serde(default)]
    extra: NodeExtra,
}

#[derive(Default, Deserialize)]
struct NodeProperties {
    root_device: Option<Value>,
}

/// What an administrator has written on the node about its disks.
#[derive(Default, Deserialize)]
struct NodeExtra {
    erase_policy: Option<ErasePolicy>,
    erase_read_back: Option<ReadBack>,
}

/// What a site wants erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteErase {
    /// Whether the full erase is on by default.
    pub is_full: bool,
    /// How thoroughly every server's disks are erased at least.
    pub least: Thoroughness,
}

#[derive(Default, Deserialize)]
struct InstanceInfo {
    image_source: Option<String>,
    configdrive: Option<Value>,
    root_device: Option<Value>,
}

impl NodeInfo {
    /// As ironic-python-agent takes them: what the instance says, or else what the node does.
    fn root_device(&self) -> RootDeviceHints {
        let read = |value: &Option<Value>| value.as_ref().map(RootDeviceHints::from_json).unwrap_or_default();
        let of_instance = read(&self.instance_info.root_device);
        if of_instance.is_empty() { read(&self.properties.root_device) } else { of_instance }
    }
}

/// Reads a command.
pub fn interpret(name: &str, params: Value, site: SiteErase) -> Result<Order, CommandRefused> {
    let invalid = |error: serde_json::Error| CommandRefused::Invalid {
        command: name.to_owned(),
        reason: error.to_string(),
    };
    Ok(match name {
        "clean.get_clean_steps" => Order::Answer(clean_steps(site.is_full)),
        "deploy.get_deploy_steps" => {
            #[derive(Deserialize)]
            struct Params {
                #[serde(default)]
                node: NodeInfo,
            }
            let params: Params = serde_json::from_value(params).map_err(invalid)?;
            Order::Answer(deploy_steps(is_custom(&params.node)))
        }
        "standby.get_partition_uuids" => Order::Answer(json!({})),
        "clean.execute_clean_step" => {
            let params: StepParams = serde_json::from_value(params).map_err(invalid)?;
            Order::Do(erase(name, params, site.least)?)
        }
        "deploy.execute_deploy_step" => {
            let params: StepParams = serde_json::from_value(params).map_err(invalid)?;
            Order::Do(write_image(name, params)?)
        }
        "image.install_bootloader" => Order::Do(Job::InstallBootEntry),
        "standby.sync" => Order::Do(Job::Sync),
        "standby.power_off" => Order::Do(Job::PowerOff),
        "rescue.finalize_rescue" => Order::Do(hand_over(name, params)?),
        other => return Err(CommandRefused::Unknown { name: other.to_owned() }),
    })
}

/// A password that is not hashed is not taken: it would stand in clear in what is stored and sent.
fn hand_over(command: &str, params: Value) -> Result<Job, CommandRefused> {
    #[derive(Deserialize)]
    struct Params {
        rescue_password: Secret,
        #[serde(default)]
        hashed: bool,
    }
    let invalid = |reason: String| CommandRefused::Invalid { command: command.to_owned(), reason };
    let params: Params = serde_json::from_value(params).map_err(|error| invalid(error.to_string()))?;
    if !params.hashed {
        return Err(invalid(
            "the password is not hashed; leave [conductor]require_rescue_password_hashed on".to_owned(),
        ));
    }
    Ok(Job::HandOver { password_hash: params.rescue_password })
}

/// The strictest of the site, the node and the step counts: none of them weakens another.
fn erase(command: &str, params: StepParams, least: Thoroughness) -> Result<Job, CommandRefused> {
    let (step, args, extra) = (params.step.name, params.step.args.unwrap_or_default(), params.node.extra);
    let (what, quick) = match step.step.as_str() {
        "erase_devices_metadata" => (Erase::Metadata, false),
        "erase_devices_express" => (Erase::Metadata, true),
        "erase_devices" => (Erase::Disks, false),
        other => {
            return Err(CommandRefused::UnknownStep { command: command.to_owned(), step: other.to_owned() });
        }
    };
    let wish = |policy: Option<ErasePolicy>, read_back: Option<ReadBack>| Thoroughness {
        policy: policy.unwrap_or_default(),
        read_back: read_back.unwrap_or_default(),
        quick,
    };
    let wish =
        least.and(wish(args.policy, args.read_back)).and(wish(extra.erase_policy, extra.erase_read_back));
    Ok(Job::Erase { what, wish, step })
}

fn is_custom(node: &NodeInfo) -> bool {
    node.deploy_interface.as_deref() == Some("custom-agent")
}

/// The name without the part before the dot, as lists of commands show it.
pub fn short_name(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

fn clean_steps(full_erase: bool) -> Value {
    let step = |name: &str, priority: u32, arguments: Value| {
        json!({
            "step": name,
            "priority": priority,
            "interface": "deploy",
            "reboot_requested": false,
            "abortable": true,
            "argsinfo": arguments,
        })
    };
    let argument = |text: &str| json!({"description": text, "required": false});
    let arguments = json!({
        "policy": argument("clear or purge (NIST SP 800-88); the site's policy and the node's extra.erase_policy are the least"),
        "read_back": argument("sampled or full; the site's setting and the node's extra.erase_read_back are the least"),
    });
    let full_priority = if full_erase { ERASE_DISKS_PRIORITY } else { 0 };
    json!({
        "clean_steps": {MANAGER: [
            step("erase_devices_metadata", ERASE_METADATA_PRIORITY, json!({})),
            step("erase_devices", full_priority, arguments),
            step("erase_devices_express", ERASE_EXPRESS_PRIORITY, json!({})),
        ]},
        "hardware_manager_version": {MANAGER: "1"},
    })
}

/// The list must not be empty: Ironic would ask for it again at every heartbeat and never go on. With `direct` it only
/// has to be there (priority 0); with `custom-agent` it is the step that writes.
fn deploy_steps(custom: bool) -> Value {
    let priority = if custom { WRITE_IMAGE_PRIORITY } else { 0 };
    json!({
        "deploy_steps": {MANAGER: [
            {"step": "write_image", "priority": priority, "interface": "deploy", "reboot_requested": false},
        ]},
        "hardware_manager_version": {MANAGER: "1"},
    })
}

fn write_image(command: &str, params: StepParams) -> Result<Job, CommandRefused> {
    let step = params.step.name;
    if step.step != "write_image" {
        return Err(CommandRefused::UnknownStep { command: command.to_owned(), step: step.step });
    }
    let invalid =
        |reason: &str| CommandRefused::Invalid { command: command.to_owned(), reason: reason.to_owned() };
    let args = params.step.args.unwrap_or_default();
    let root_device = params.node.root_device();
    let boot_entry = args.image_info.is_none();
    let (image, config_drive) = match args.image_info {
        Some(info) if info.image_type.as_deref() == Some("partition") => {
            return Err(invalid(
                "partition images are not supported; use a whole-disk image (no kernel_id and ramdisk_id)",
            ));
        }
        Some(info) => (info.id, args.configdrive),
        None => {
            let info = params.node.instance_info;
            let source =
                info.image_source.ok_or_else(|| invalid("neither image_info nor image_source is given"))?;
            // As Ironic does: a reference may be written glance://<id>.
            let id = source.rsplit('/').next().unwrap_or(&source).to_owned();
            (id, info.configdrive)
        }
    };
    let config_drive = match config_drive {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(invalid("the configuration drive is not a text (base64 of gzip)")),
    };
    Ok(Job::WriteImage { image, config_drive, root_device, boot_entry, step })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(step: &str) -> StepName {
        StepName { interface: "deploy".into(), step: step.into(), priority: json!(10) }
    }

    fn site(is_full: bool) -> SiteErase {
        SiteErase { is_full, least: Thoroughness::default() }
    }

    #[test]
    fn the_strictest_of_site_node_and_step_counts() {
        let check =
            |least: (ErasePolicy, ReadBack), step: Value, extra: Value, expected: (ErasePolicy, ReadBack)| {
                let least = Thoroughness { policy: least.0, read_back: least.1, quick: false };
                let params = json!({
                    "step": {"interface": "deploy", "step": "erase_devices", "priority": 10, "args": step},
                    "node": {"extra": extra},
                });
                let site = SiteErase { is_full: true, least };
                let Ok(Order::Do(Job::Erase { wish, .. })) =
                    interpret("clean.execute_clean_step", params, site)
                else {
                    panic!()
                };
                assert_eq!((wish.policy, wish.read_back, wish.quick), (expected.0, expected.1, false));
            };
        let (clear, purge) = (ErasePolicy::Clear, ErasePolicy::Purge);
        let (sampled, full) = (ReadBack::Sampled, ReadBack::Full);
        check((clear, sampled), Value::Null, json!({}), (clear, sampled));
        check(
            (purge, full),
            json!({"policy": "clear"}),
            json!({"erase_read_back": "sampled"}),
            (purge, full),
        );
        check((clear, sampled), json!({"policy": "purge"}), json!({"bms": 1}), (purge, sampled));
        check(
            (clear, sampled),
            Value::Null,
            json!({"erase_policy": "purge", "erase_read_back": "full"}),
            (purge, full),
        );
        let params =
            json!({"step": {"interface": "deploy", "step": "erase_devices", "args": {"policy": "puree"}}});
        let refused = interpret("clean.execute_clean_step", params, site(true)).unwrap_err().to_string();
        assert!(refused.contains("puree"), "{refused}");
        let params = json!({"step": {"interface": "deploy", "step": "erase_devices_express"}});
        let express = interpret("clean.execute_clean_step", params, site(true));
        let Ok(Order::Do(Job::Erase { what: Erase::Metadata, wish, .. })) = express else { panic!() };
        assert!(wish.quick);
    }

    #[test]
    fn a_job_of_an_older_program_is_taken_up_as_it_was_meant() {
        let old = json!({"job": "erase", "what": "disks", "step": {"interface": "deploy", "step": "erase_devices"}});
        let Ok(Job::Erase { wish, .. }) = serde_json::from_value(old) else { panic!() };
        assert_eq!(wish, Thoroughness::default());
    }

    #[test]
    fn knows_ironics_commands() {
        let check = |name: &str, params: Value, expected: Result<Job, &str>| match (
            interpret(name, params, site(true)),
            expected,
        ) {
            (Ok(Order::Do(found)), Ok(expected)) => assert_eq!(found, expected, "{name}"),
            (Err(found), Err(part)) => assert!(found.to_string().contains(part), "{found}"),
            (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
        };
        let step = |step: &str| json!({"interface": "deploy", "step": step, "priority": 10, "requires_ramdisk": true});
        check(
            "clean.execute_clean_step",
            json!({"step": step("erase_devices"), "node": {"uuid": "x"}, "ports": []}),
            Ok(Job::Erase {
                what: Erase::Disks,
                wish: Thoroughness::default(),
                step: named("erase_devices"),
            }),
        );
        check("clean.execute_clean_step", json!({"step": step("erase_pstore")}), Err("no step erase_pstore"));
        check("clean.execute_clean_step", json!({}), Err("missing field"));
        check("standby.power_off", json!({}), Ok(Job::PowerOff));
        check(
            "rescue.finalize_rescue",
            json!({"rescue_password": "$5$salt$hash", "hashed": true}),
            Ok(Job::HandOver { password_hash: Secret::new("$5$salt$hash") }),
        );
        check("rescue.finalize_rescue", json!({"rescue_password": "hunter2"}), Err("is not hashed"));
        check("rescue.finalize_rescue", json!({}), Err("missing field"));
        let mut write = step("write_image");
        write["args"] = json!({"image_info": {"id": "image", "urls": ["http://x"]}, "configdrive": "H4s="});
        let expected = |boot_entry, config_drive: Option<&str>| Job::WriteImage {
            image: "image".into(),
            config_drive: config_drive.map(str::to_owned),
            root_device: RootDeviceHints::default(),
            boot_entry,
            step: named("write_image"),
        };
        check("deploy.execute_deploy_step", json!({"step": write}), Ok(expected(false, Some("H4s="))));
        write["args"] =
            json!({"image_info": {"id": "image", "image_type": "partition"}, "configdrive": null});
        check("deploy.execute_deploy_step", json!({"step": write}), Err("partition images"));
        write["args"] = Value::Null;
        let node = json!({"instance_info": {"image_source": "glance://image"}});
        check("deploy.execute_deploy_step", json!({"step": write, "node": node}), Ok(expected(true, None)));
        check("deploy.execute_deploy_step", json!({"step": write}), Err("image_source"));
    }

    #[test]
    fn the_instances_hints_come_before_the_nodes() {
        let check = |node: Value, expected: Value| {
            let step = json!({"interface": "deploy", "step": "write_image", "args": {"image_info": {"id": "image"}}});
            let params = json!({"step": step, "node": node});
            let order = interpret("deploy.execute_deploy_step", params, site(true)).unwrap();
            let Order::Do(Job::WriteImage { root_device, .. }) = order else { panic!("{order:?}") };
            assert_eq!(root_device, RootDeviceHints::from_json(&expected), "{node}");
        };
        let hint = |serial: &str| json!({"root_device": {"serial": serial}});
        check(json!({}), json!({}));
        check(json!({"properties": {"root_device": null, "cpus": 4}}), json!({}));
        check(json!({"properties": hint("node's")}), json!({"serial": "node's"}));
        check(
            json!({"properties": hint("node's"), "instance_info": {"root_device": {}}}),
            json!({"serial": "node's"}),
        );
        check(json!({"properties": hint("node's"), "instance_info": hint("its")}), json!({"serial": "its"}));
        check(json!({"properties": {"root_device": {"size": 100}}}), json!({"size": "100"}));
    }

    #[test]
    fn offers_its_steps() {
        let check = |name: &str, params: Value, full, pointer: &str, expected: Value| {
            let Ok(Order::Answer(answer)) = interpret(name, params, site(full)) else { panic!("{name}") };
            assert_eq!(answer.pointer(pointer), Some(&expected), "{answer}");
        };
        let erase = "/clean_steps/BmsRamdisk/1/priority";
        check("clean.get_clean_steps", json!({}), true, erase, json!(10));
        check("clean.get_clean_steps", json!({}), false, erase, json!(0));
        let write = "/deploy_steps/BmsRamdisk/0/priority";
        check(
            "deploy.get_deploy_steps",
            json!({"node": {"deploy_interface": "direct"}}),
            true,
            write,
            json!(0),
        );
        let custom = json!({"node": {"deploy_interface": "custom-agent"}});
        check("deploy.get_deploy_steps", custom, true, write, json!(80));
    }

    proptest! {
        #[test]
        fn any_command_is_answered(name in "(clean.execute_clean_step|deploy.execute_deploy_step|\\PC{0,20})", text in "\\PC{0,80}") {
            let params = serde_json::from_str(&text).unwrap_or_else(|_| json!({"step": text, "node": {"instance_info": text}}));
            let _ = interpret(&name, params, site(true));
        }
    }
}
