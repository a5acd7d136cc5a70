//! Decisions: what a site thinks of a sensor's number. A sensor that a rule is about is judged by that rule alone, whatever its own
//! limits say.

use protocol::health::{Milli, NAME_CHARS_MAX, Says, Sensor, Severity};
use serde::Deserialize;

/// Rules of a site at most.
pub const RULES_MAX: usize = 200;

/// A site's limits for sensors of a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// The sensor's name; `*` stands for any characters. Upper and lower case are the same.
    pub sensor: String,
    /// Its unit, such as `°C`, where sensors of the name have several.
    #[serde(default)]
    pub unit: Option<String>,
    /// Below it is critical.
    #[serde(default)]
    pub lower_critical: Option<f64>,
    /// Below it is a warning.
    #[serde(default)]
    pub lower_warning: Option<f64>,
    /// Above it is a warning.
    #[serde(default)]
    pub upper_warning: Option<f64>,
    /// Above it is critical.
    #[serde(default)]
    pub upper_critical: Option<f64>,
}

/// All rules of a site. The first that is about a sensor counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteLimits(Vec<LimitRule>);

/// How bad a sensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// It.
    pub severity: Severity,
    /// Whether a rule of the site said so.
    pub by_site: bool,
}

impl LimitRule {
    fn is_about(&self, sensor: &Sensor) -> bool {
        let Says::Number { unit, .. } = &sensor.says else { return false };
        self.unit.as_ref().is_none_or(|wanted| wanted == unit)
            && matches(&self.sensor.to_lowercase(), &sensor.name.to_lowercase())
    }

    /// How bad a number is. It is back behind a limit only when it is by so much: `slack`.
    fn judge(&self, value: f64, slack: f64, before: Severity) -> Severity {
        let beyond = |severity: Severity, lower: Option<f64>, upper: Option<f64>| {
            // A limit that was crossed is harder to come back from than it was to cross.
            let slack = if before >= severity { slack } else { 0.0 };
            lower.is_some_and(|limit| value < limit + slack)
                || upper.is_some_and(|limit| value > limit - slack)
        };
        if beyond(Severity::Critical, self.lower_critical, self.upper_critical) {
            Severity::Critical
        } else if beyond(Severity::Warning, self.lower_warning, self.upper_warning) {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }

    fn fault(&self) -> Option<String> {
        let all = [self.lower_critical, self.lower_warning, self.upper_warning, self.upper_critical];
        let given: Vec<f64> = all.into_iter().flatten().collect();
        if self.sensor.is_empty() || self.sensor.chars().count() > NAME_CHARS_MAX {
            Some(format!("names no sensor: write 1 to {NAME_CHARS_MAX} characters, such as \"Inlet*\""))
        } else if given.is_empty() {
            Some(format!("{:?} has no limit; give at least one, such as upper_critical", self.sensor))
        } else if given.iter().any(|limit| Milli::of(*limit).is_none()) {
            Some(format!("{:?} has a limit that is no number of a sensor", self.sensor))
        } else if !given.is_sorted() {
            let order = "lower_critical, lower_warning, upper_warning, upper_critical";
            Some(format!("{:?} has limits that do not rise in the order {order}", self.sensor))
        } else {
            None
        }
    }
}

impl SiteLimits {
    /// These rules, or what is wrong with them.
    pub fn new(rules: Vec<LimitRule>) -> Result<Self, Vec<String>> {
        let mut faults: Vec<String> = rules.iter().filter_map(LimitRule::fault).collect();
        if rules.len() > RULES_MAX {
            faults.push(format!("there are {} rules; at most {RULES_MAX} are taken", rules.len()));
        }
        if faults.is_empty() { Ok(Self(rules)) } else { Err(faults) }
    }

    /// The rule that counts for a sensor.
    pub fn rule(&self, sensor: &Sensor) -> Option<&LimitRule> {
        self.0.iter().find(|rule| rule.is_about(sensor))
    }

    /// How bad a sensor is that was as bad as this before.
    pub fn judge(&self, sensor: &Sensor, before: Severity) -> Judged {
        match (&sensor.says, self.rule(sensor)) {
            (Says::Number { value, hysteresis, .. }, Some(rule)) => {
                let severity = rule.judge(value.value(), hysteresis.value(), before);
                Judged { severity, by_site: true }
            }
            (Says::Number { .. } | Says::States(_) | Says::Nothing(_), _) => {
                Judged { severity: sensor.severity, by_site: false }
            }
        }
    }
}

/// Whether a text is as a pattern says, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use protocol::health::{Limits, SensorKind};

    use super::*;

    fn sensor(name: &str, value: f64, severity: Severity) -> Sensor {
        Sensor {
            key: "1".into(),
            name: name.into(),
            kind: SensorKind::Temperature,
            severity,
            says: Says::Number {
                value: Milli::of(value).unwrap(),
                unit: "°C".into(),
                limits: Limits::default(),
                hysteresis: Milli(2000),
            },
        }
    }

    fn rule(sensor: &str, warning: f64, critical: f64) -> LimitRule {
        LimitRule {
            sensor: sensor.into(),
            upper_warning: Some(warning),
            upper_critical: Some(critical),
            ..LimitRule::default()
        }
    }

    #[test]
    fn a_sites_limits_count_over_the_sensors_own_and_are_harder_to_come_back_from() {
        let site = SiteLimits::new(vec![rule("inlet*", 35.0, 42.0)]).unwrap();
        let check = |name, value, own, before, expected| {
            let judged = site.judge(&sensor(name, value, own), before);
            assert_eq!((judged.severity, judged.by_site), expected, "{name} {value}");
        };
        use Severity::{Critical, Ok, Warning};
        check("Inlet Temp", 30.0, Critical, Ok, (Ok, true));
        check("Inlet Temp", 36.0, Ok, Ok, (Warning, true));
        check("Inlet Temp", 43.0, Ok, Ok, (Critical, true));
        // Two degrees are its hysteresis.
        check("Inlet Temp", 41.0, Ok, Critical, (Critical, true));
        check("Inlet Temp", 40.0, Ok, Critical, (Warning, true));
        check("Inlet Temp", 34.0, Ok, Warning, (Warning, true));
        check("Inlet Temp", 33.0, Ok, Warning, (Ok, true));
        check("CPU1 Temp", 99.0, Critical, Ok, (Critical, false));
        let states = Sensor { says: Says::States(vec![]), ..sensor("Inlet Temp", 0.0, Warning) };
        assert_eq!(site.judge(&states, Ok), Judged { severity: Warning, by_site: false });
    }

    #[test]
    fn names_are_patterns() {
        let check =
            |pattern, text, expected| assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        check("inlet temp", "inlet temp", true);
        check("inlet temp", "inlet temp 2", false);
        check("*", "", true);
        check("cpu*temp", "cpu1 temp", true);
        check("cpu*temp", "cpu1 tempo", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b*", "xxbxxaxx", false);
        check("a*a", "a", false);
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        let check = |rule: LimitRule, part: &str| {
            let faults = SiteLimits::new(vec![rule]).unwrap_err();
            assert!(faults[0].contains(part), "{faults:?}");
        };
        check(rule("", 1.0, 2.0), "names no sensor");
        check(rule("a", 2.0, 1.0), "do not rise");
        check(LimitRule { sensor: "a".into(), ..LimitRule::default() }, "has no limit");
        check(rule("a", 1.0, f64::INFINITY), "no number");
    }
}
