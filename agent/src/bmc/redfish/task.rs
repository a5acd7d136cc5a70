//! Edges: follows what a service has only begun (202) to its end and its reason.

use hyper::{StatusCode, header::LOCATION};
use protocol::redfish::{Link, Task, dirty};

use super::{answer::Answer, fault::Fault, http::Http};

/// A task is asked after so often, once a unit; what it was for is confirmed by a reading then.
pub(super) const LOOKS_MAX: u32 = 10;

/// How far a task is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// How far it is, in percent, where that is told.
    Running(Option<u64>),
    /// It has not begun yet, or waits: for a restart of the server, as a rule.
    Paused,
    Ended,
    /// With what it says.
    Failed(String),
}

/// Where the answer says that the rest is told; none: there is no rest, or it is told nowhere.
pub(super) fn monitor(http: &Http, answer: &Answer) -> Option<String> {
    if answer.status != StatusCode::ACCEPTED {
        return None;
    }
    let in_body = || dirty::resource::<Link>(&answer.body).ok().map(|link| link.odata_id);
    let named = answer.header(LOCATION).map(str::to_owned).or_else(in_body)?;
    http.origin.path(&named).map(str::to_owned)
}

/// Waits a unit and looks how far it is. None: the call has no time for that.
pub(super) async fn look(http: &mut Http, monitor: &str) -> Result<Option<Stage>, Fault> {
    let left = http.left();
    let pause = left.pace.units(1);
    if left.time <= pause {
        return Ok(None);
    }
    tokio::time::sleep(pause).await;
    told(http.ask(monitor).await).map(Some)
}

/// How far a task is, by what its monitor has answered.
pub(super) fn told(answer: Result<Answer, Fault>) -> Result<Stage, Fault> {
    match answer {
        Ok(answer) => {
            let task = dirty::resource(&answer.body).unwrap_or_default();
            Ok(stage(answer.status, &task))
        }
        // A monitor that has told the end is gone.
        Err(fault) if matches!(fault.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE)) => {
            Ok(Stage::Ended)
        }
        // It answers with what became of the request itself.
        Err(Fault::Refused(refused)) => Ok(Stage::Failed(refused.reason)),
        Err(fault) => Err(fault),
    }
}

/// Waits until what the answer tells of is done. A task that does not end in its time is no failure.
pub(super) async fn follow(http: &mut Http, answer: &Answer) -> Result<(), Fault> {
    let Some(monitor) = monitor(http, answer) else { return Ok(()) };
    for _ in 0..LOOKS_MAX {
        match look(http, &monitor).await? {
            Some(Stage::Running(_) | Stage::Paused) => {}
            Some(Stage::Failed(reason)) => return Err(Fault::refused(reason)),
            Some(Stage::Ended) | None => break,
        }
    }
    Ok(())
}

/// What a task, or its monitor (DSP0266, section 12.2), says with this status.
fn stage(status: StatusCode, task: &Task) -> Stage {
    let Some(state) = task.task_state.as_deref() else {
        return if status == StatusCode::ACCEPTED { Stage::Running(None) } else { Stage::Ended };
    };
    match state {
        "Exception" | "Killed" | "Cancelled" | "Interrupted" => {
            let said = task.text().map(|text| format!(": {text}")).unwrap_or_default();
            Stage::Failed(format!("its task ended as {state}{said}"))
        }
        "Completed" if task.task_status.as_deref() == Some("Critical") => {
            let said = task.text().map(|text| format!(": {text}")).unwrap_or_default();
            Stage::Failed(format!("its task ended with errors{said}"))
        }
        "Completed" => Stage::Ended,
        "New" | "Starting" | "Pending" | "Suspended" => Stage::Paused,
        _ => Stage::Running(task.percent),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_ends_with_its_reason() {
        let check = |task: serde_json::Value, expected: Stage| {
            let read = serde_json::from_value(task.clone()).unwrap();
            assert_eq!(stage(StatusCode::OK, &read), expected, "{task}");
        };
        assert_eq!(stage(StatusCode::ACCEPTED, &Task::default()), Stage::Running(None));
        check(json!({}), Stage::Ended);
        check(json!({"TaskState": "Running"}), Stage::Running(None));
        check(json!({"TaskState": "Pending", "PercentComplete": 0}), Stage::Paused);
        check(json!({"TaskState": "Running", "PercentComplete": "40"}), Stage::Running(Some(40)));
        check(json!({"TaskState": "Completed", "TaskStatus": "OK"}), Stage::Ended);
        let messages = json!([{"Message": "The fan tray is open."}]);
        check(
            json!({"TaskState": "Exception", "Messages": messages}),
            Stage::Failed("its task ended as Exception: The fan tray is open.".to_owned()),
        );
        check(
            json!({"TaskState": "Completed", "TaskStatus": "Critical"}),
            Stage::Failed("its task ended with errors".to_owned()),
        );
    }
}
