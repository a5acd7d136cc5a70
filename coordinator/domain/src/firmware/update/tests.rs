//! Decisions: an update in every stage, told everything that can be told.

use super::*;

const MINUTE_US: u64 = 60_000_000;

fn at(stage: Stage) -> Update {
    let order = Order {
        component: "BMC".to_owned(),
        image: FirmwareImage::Url("https://images.example/bmc.bin".to_owned()),
        version: Some("2.0".to_owned()),
        by: By::Person("ada".to_owned()),
    };
    let before = Versions::with(Vec::new(), "1.0", "4.5").items();
    let update = Update::asked(Uuid::nil(), ServerId(Uuid::nil()), order, before, 0);
    Update { stage, ..update }
}

fn following() -> Stage {
    Stage::Following { task: Some("/t/1".to_owned()), percent: None, is_paused: false }
}

fn paused() -> Stage {
    Stage::Following { task: Some("/t/1".to_owned()), percent: None, is_paused: true }
}

fn settling(is_taken: bool) -> Stage {
    Stage::Settling { is_taken }
}

fn seen(stage: UpdateStage, version: &str) -> FirmwareSeen {
    FirmwareSeen {
        stage,
        items: Vec::new(),
        manager_version: version.to_owned(),
        bios_version: "4.5".to_owned(),
    }
}

#[test]
fn only_a_proof_that_it_was_not_given_leads_back_to_where_it_is_given() {
    let check = |how: Given, expected: &Stage, attempt: u32| {
        let after = at(Stage::Giving).given(how.clone(), 5);
        assert_eq!((&after.stage, after.attempt), (expected, attempt), "{how:?}");
    };
    let why = || "why".to_owned();
    check(Given::Taken { task: Some("/t/1".to_owned()) }, &following(), 0);
    check(Given::Taken { task: None }, &settling(true), 0);
    check(Given::NotGiven(why()), &Stage::Waiting, 1);
    check(Given::NotKnown(why()), &settling(false), 0);
    check(Given::Refused(why()), &Stage::Failed { reason: "nothing was changed: why".to_owned() }, 0);
    // Whatever is seen or heard later, nothing leads from there to another giving.
    for stage in [following(), paused(), settling(true), settling(false)] {
        for told in [
            UpdateStage::NotKnown,
            UpdateStage::Running(Some(1)),
            UpdateStage::Paused,
            UpdateStage::Ended,
            UpdateStage::Failed(why()),
        ] {
            let after = at(stage.clone()).looked(&seen(told.clone(), "1.0"), 5);
            assert!(!matches!(after.stage, Stage::Waiting | Stage::Giving), "{stage:?} {told:?}");
        }
        assert_eq!(at(stage.clone()).not_seen(why(), 5).stage, stage);
        let over = at(stage.clone()).given_up(5);
        assert!(matches!(over.stage, Stage::Failed { .. }), "{stage:?}");
    }
}

#[test]
fn the_same_command_is_given_again_and_not_when_its_end_may_be_forgotten() {
    let Step::Give(first) = at(Stage::Giving).step(1) else { panic!("it is given") };
    assert_eq!(at(Stage::Giving).step(40 * MINUTE_US), Step::Give(first.clone()));
    assert_eq!(at(Stage::Giving).step(46 * MINUTE_US), Step::GiveUp);
    assert_eq!(at(Stage::Giving).given_up(0).stage, settling(false));
    let again = at(Stage::Giving).given(Given::NotGiven("away".to_owned()), 0).giving(Vec::new(), 0);
    let Step::Give(second) = again.step(1) else { panic!("it is given") };
    assert_ne!(first, second, "after a proof it is another command");
}

#[test]
fn it_is_done_when_the_version_is_seen_and_not_before() {
    let done = Stage::Done { changes: vec!["BMC: 1.0 -> 2.0".to_owned()] };
    let check = |stage: Stage, told: UpdateStage, version: &str, expected: &Stage| {
        let after = at(stage.clone()).looked(&seen(told.clone(), version), 5);
        assert_eq!(&after.stage, expected, "{stage:?} {told:?} {version}");
    };
    check(following(), UpdateStage::Ended, "2.0", &done);
    check(following(), UpdateStage::Ended, "1.0", &settling(true));
    // A task that goes on is not done, whatever the version.
    let half = Stage::Following { task: Some("/t/1".to_owned()), percent: Some(50), is_paused: false };
    check(following(), UpdateStage::Running(Some(50)), "2.0", &half);
    check(settling(true), UpdateStage::NotKnown, "1.0", &settling(true));
    check(settling(true), UpdateStage::NotKnown, "2.0", &done);
    check(settling(false), UpdateStage::NotKnown, "2.0", &done);
    check(settling(false), UpdateStage::NotKnown, "", &settling(false));
    check(following(), UpdateStage::Paused, "", &paused());
}

#[test]
fn without_a_version_a_change_is_waited_for_and_not_without_end() {
    let mut update = at(settling(true));
    update.order.version = None;
    let same = update.clone().looked(&seen(UpdateStage::NotKnown, "1.0"), MINUTE_US);
    assert_eq!(same.stage, settling(true));
    let changed = update.clone().looked(&seen(UpdateStage::NotKnown, "1.1"), MINUTE_US);
    assert!(matches!(&changed.stage, Stage::Done { changes } if changes.len() == 1), "{changed:?}");
    let same = update.clone().looked(&seen(UpdateStage::NotKnown, "1.0"), 4 * MINUTE_US);
    assert_eq!(same.stage, Stage::Done { changes: Vec::new() });
    // Of one that may never have been given nothing follows from that.
    update.stage = settling(false);
    let same = update.looked(&seen(UpdateStage::NotKnown, "1.0"), 4 * MINUTE_US);
    assert_eq!(same.stage, settling(false));
}

#[test]
fn every_wait_has_an_end() {
    let check = |stage: Stage, minutes: u64, words: &str| {
        assert_ne!(at(stage.clone()).step(minutes * MINUTE_US), Step::GiveUp, "{stage:?}");
        let late_us = (minutes + 1) * MINUTE_US;
        assert_eq!(at(stage.clone()).step(late_us), Step::GiveUp, "{stage:?}");
        let Stage::Failed { reason } = at(stage.clone()).given_up(late_us).stage else {
            panic!("{stage:?} goes on")
        };
        assert!(reason.contains(words), "{reason}");
    };
    check(Stage::Waiting, 24 * 60, "could not be begun within 24 h");
    check(following(), 3 * 60, "not ended within 3 h");
    check(paused(), 24 * 60, "at the server's next start");
    check(settling(true), 20, "says that it has done it");
    check(settling(false), 20, "not given again by itself");
}

#[test]
fn the_power_is_held_while_the_bmc_writes_and_not_while_it_waits_for_a_restart() {
    let check = |stage: Stage, holds: bool, is_under_way: bool| {
        let update = at(stage);
        assert_eq!((update.holds_power(), update.is_under_way()), (holds, is_under_way), "{update:?}");
    };
    check(Stage::Waiting, false, false);
    check(Stage::Giving, true, true);
    check(following(), true, true);
    check(paused(), false, true);
    check(settling(true), false, true);
    check(Stage::Done { changes: Vec::new() }, false, false);
}
