//! Values: the limit of a server's power draw as a `Control` of its chassis (DSP8010 `Control`), and the body that changes it.

use protocol::{bmc_facts::BmcFacts, bmc_order::BmcOrder, id::ServerId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::resource::{chassis_path, collection, link};

/// Path of a chassis's controls.
pub fn controls_path(id: ServerId) -> String {
    format!("{}/Controls", chassis_path(id))
}

fn limit_path(id: ServerId) -> String {
    format!("{}/PowerLimit", controls_path(id))
}

/// Adds to a chassis where its controls are. Without any nothing is said.
pub fn add_to_chassis(chassis: &mut Value, id: ServerId, facts: &BmcFacts) {
    if facts.system.power_limit.is_some() {
        chassis["Controls"] = link(&controls_path(id));
    }
}

/// The controls: one, or none.
pub fn controls(id: ServerId, facts: &BmcFacts) -> Value {
    let known = facts.system.power_limit.map(|_| limit_path(id));
    collection("Control", &controls_path(id), known.as_slice())
}

/// The limit; none: the BMC has none, or does not tell. `draw_w`: what is drawn now, in W.
pub fn limit(id: ServerId, facts: &BmcFacts, draw_w: Option<u32>) -> Option<Value> {
    let known = facts.system.power_limit?;
    let mut control = json!({
        "@odata.type": "#Control.v1_3_0.Control",
        "@odata.id": limit_path(id),
        "Id": "PowerLimit",
        "Name": "Limit of the server's power draw",
        "ControlType": "Power",
        "ControlMode": if known.limit_w.is_some() { "Automatic" } else { "Disabled" },
        "SetPoint": known.limit_w,
        "SetPointUnits": "W",
        "Status": {"State": "Enabled", "Health": "OK"},
    });
    if let Some(most) = known.most_w {
        control["AllowableMax"] = most.into();
    }
    if let Some(watts) = draw_w {
        control["Sensor"] = json!({"Reading": watts});
    }
    Some(control)
}

/// Adds the limit to an older `Power` that shows the draw.
pub fn add_to_power(power: &mut Value, facts: &BmcFacts) {
    let Some(known) = facts.system.power_limit else { return };
    if let Some(control) = power.pointer_mut("/PowerControl/0") {
        control["PowerLimit"] = json!({"LimitInWatts": known.limit_w});
        if let Some(most) = known.most_w {
            control["PowerCapacityWatts"] = most.into();
        }
    }
}

/// The body of a PATCH of the limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitPatch {
    #[serde(rename = "SetPoint")]
    watts: Option<u32>,
    #[serde(rename = "ControlMode")]
    mode: Option<Mode>,
}

/// How the limit is held. By hand nobody holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Mode {
    Automatic,
    Disabled,
}

impl LimitPatch {
    /// What is ordered.
    pub fn order(&self) -> Result<BmcOrder, String> {
        match (self.mode, self.watts) {
            (Some(Mode::Disabled), _) => Ok(BmcOrder::LimitPower { watts: None }),
            (Some(Mode::Automatic) | None, Some(watts)) if watts > 0 => {
                Ok(BmcOrder::LimitPower { watts: Some(watts) })
            }
            (Some(Mode::Automatic) | None, Some(_)) => {
                Err("SetPoint 0 is no limit; send ControlMode Disabled to take it off".to_owned())
            }
            (Some(Mode::Automatic) | None, None) => {
                Err("the body sets no SetPoint, in W; send ControlMode Disabled to take the limit off"
                    .to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::bmc_facts::{PowerLimit, SystemFacts};

    use super::*;

    #[test]
    fn a_limit_is_set_in_watts_and_taken_off_by_its_mode() {
        let check = |body: &str, expected: Result<Option<u32>, ()>| {
            let patch = serde_json::from_str::<LimitPatch>(body).map_err(|error| error.to_string());
            let order = patch.and_then(|patch| patch.order()).map_err(|_| ());
            assert_eq!(order, expected.map(|watts| BmcOrder::LimitPower { watts }), "{body}");
        };
        check(r#"{"SetPoint":500}"#, Ok(Some(500)));
        check(r#"{"SetPoint":500,"ControlMode":"Automatic"}"#, Ok(Some(500)));
        check(r#"{"SetPoint":500,"ControlMode":"Disabled"}"#, Ok(None));
        check(r#"{"ControlMode":"Disabled"}"#, Ok(None));
        check(r#"{"ControlMode":"Automatic"}"#, Err(()));
        check(r#"{"ControlMode":"Manual","SetPoint":1}"#, Err(()));
        check(r#"{"SetPoint":0}"#, Err(()));
        check(r#"{"SetPoint":-1}"#, Err(()));
        check(r#"{"AllowableMax":1}"#, Err(()));
        check("{}", Err(()));
    }

    #[test]
    fn what_a_bmc_does_not_limit_is_not_shown() {
        let (id, none) = (ServerId::random(), BmcFacts::default());
        let (mut chassis, mut power) = (json!({}), json!({"PowerControl": [{"PowerConsumedWatts": 214}]}));
        add_to_chassis(&mut chassis, id, &none);
        add_to_power(&mut power, &none);
        assert_eq!((chassis, limit(id, &none, Some(214))), (json!({}), None));
        assert_eq!(power["PowerControl"][0]["PowerLimit"], Value::Null);
        assert_eq!(controls(id, &none)["Members"], json!([]));
        let known = Some(PowerLimit { limit_w: None, most_w: Some(800) });
        let facts = BmcFacts { system: SystemFacts { power_limit: known, ..SystemFacts::default() }, ..none };
        let shown = limit(id, &facts, Some(214)).unwrap();
        assert_eq!((&shown["ControlMode"], &shown["SetPoint"]), (&json!("Disabled"), &Value::Null));
        assert_eq!((&shown["AllowableMax"], &shown["Sensor"]["Reading"]), (&json!(800), &json!(214)));
    }
}
