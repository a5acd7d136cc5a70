//! Decisions: the commands that Ironic gives to a ramdisk.

use domain::disks::Thoroughness;
use faces::ramdisk_api::{
    SiteErase,
    command::{Job, Order, interpret, short_name},
};
use serde_json::Value;

const COMMANDS: [&str; 6] = [
    "deploy.get_deploy_steps",
    "clean.execute_clean_step",
    "deploy.execute_deploy_step",
    "image.install_bootloader",
    "rescue.finalize_rescue",
    "standby.power_off",
];

/// A job is stored, and read again as the same.
pub fn run(data: &[u8]) {
    let _ = short_name(&String::from_utf8_lossy(data));
    let Ok(params) = serde_json::from_slice::<Value>(data) else { return };
    let site = SiteErase { is_full: true, least: Thoroughness::default() };
    for command in COMMANDS {
        if let Ok(Order::Do(job)) = interpret(command, params.clone(), site) {
            let stored = serde_json::to_string(&job).expect("a job is JSON");
            assert_eq!(serde_json::from_str::<Job>(&stored).expect("a job is read again"), job);
        }
    }
}
