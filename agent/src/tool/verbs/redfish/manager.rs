//! Edges: `manager`: the BMC itself.

use serde_json::json;

use super::{
    super::super::{args::ManagerVerb, failure::Failure, output::Answer},
    or_dash, sel, value,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(verb: &ManagerVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    match verb {
        ManagerVerb::Show => show(bmc).await,
        ManagerVerb::Reset => {
            bmc.reset_manager().await?;
            Ok(Answer::fact(&["BMC"], "it restarts; give it some minutes", json!({ "reset": true })))
        }
        ManagerVerb::SetTime => sel::set_time(bmc).await,
    }
}

async fn show(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let (manager, certificates) = (bmc.manager().await?, bmc.certificates().await?);
    let mut answer = Answer::fields(vec![
        ("name", manager.name.clone()),
        ("model", or_dash(manager.model.as_deref())),
        ("firmware", or_dash(manager.firmware.as_deref())),
        ("clock", or_dash(manager.time.as_deref())),
        ("health", manager.status.words()),
    ]);
    for it in &certificates.items {
        let (subject, until) = (or_dash(it.subject.as_deref()), or_dash(it.until.as_deref()));
        answer.rows.push(vec!["certificate".to_owned(), format!("{subject}, until {until}")]);
    }
    answer.json = json!({ "manager": value(&manager), "certificates": certificates.items });
    Ok(answer)
}
