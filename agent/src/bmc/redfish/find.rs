//! Edges: finds the server's system behind a BMC.

use protocol::redfish::{Collection, ComputerSystem, Link, ROOT, ServiceRoot};

use super::{
    RedfishBmc, State,
    fault::Fault,
    identity_of,
    systems::{Member, choose, is_beside},
};

/// Pages of a collection that are read, and members in all.
const PAGES_MAX: usize = 16;
const MEMBERS_MAX: usize = 64;

impl RedfishBmc {
    /// The system's path: as configured, or the only server there is.
    pub(super) async fn path(&self, state: &mut State) -> Result<String, Fault> {
        if let Some(path) = state.path.as_ref().or(self.system.as_ref()) {
            return Ok(path.clone());
        }
        let root: ServiceRoot = state.http.get(ROOT).await?.body;
        let systems = state.linked(root.systems.as_ref(), "the service root's link to the systems")?;
        let paths = state.members(&systems).await?;
        let mut members = Vec::new();
        let is_alone = paths.len() == 1;
        for path in paths {
            // The only one, and what is known by its name, need not be read.
            let found = if is_alone || is_beside(&path) {
                Err("not read".to_owned())
            } else {
                state.look_at(&path).await?
            };
            members.push(Member { path, found });
        }
        let path = choose(&members).map_err(Fault::refused)?.to_owned();
        state.path = Some(path.clone());
        Ok(path)
    }
}

impl State {
    /// The path that a link leads to.
    pub(super) fn linked(&self, link: Option<&Link>, what: &str) -> Result<String, Fault> {
        let link = link.ok_or_else(|| Fault::refused(format!("{what} is missing")))?;
        self.local(&link.odata_id, what)
    }

    /// The same of a link's text.
    pub(super) fn local(&self, link: &str, what: &str) -> Result<String, Fault> {
        self.http.origin.path(link).map(str::to_owned).ok_or_else(|| {
            Fault::refused(format!(
                "{what} leads to {link:?}, which is another service than {}; if that is this BMC too, enter that address for \
                 the server",
                self.http.base
            ))
        })
    }

    /// The members of a collection, from all of its pages.
    async fn members(&mut self, path: &str) -> Result<Vec<String>, Fault> {
        let (mut paths, mut next) = (Vec::new(), Some(path.to_owned()));
        let mut count = None;
        for _ in 0..PAGES_MAX {
            let Some(page) = next.take() else { break };
            let collection: Collection = self.http.get(&page).await?.body;
            count = count.or(collection.count);
            for member in &collection.members {
                let path = self.linked(Some(member), "a system's link")?;
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
            let link = collection.next.filter(|next| !next.is_empty());
            next = link.map(|next| self.local(&next, "the link to the next page")).transpose()?;
            if paths.len() > MEMBERS_MAX {
                break;
            }
        }
        match count {
            // Switching the wrong server is worse than asking.
            _ if next.is_some() || paths.len() > MEMBERS_MAX => Err(Fault::refused(format!(
                "it has more than {} systems; name the one of this server in its entry",
                paths.len()
            ))),
            Some(count) if count > paths.len() as u64 => Err(Fault::refused(format!(
                "it has several systems, {count}, and shows only {}: {}; name the one of this server in its entry",
                paths.len(),
                paths.join(", ")
            ))),
            Some(_) | None => Ok(paths),
        }
    }

    /// One of several systems; inside, why it does not show itself.
    async fn look_at(
        &mut self,
        path: &str,
    ) -> Result<Result<(ComputerSystem, protocol::identity::Likeness), String>, Fault> {
        match self.http.get::<ComputerSystem>(path).await {
            Ok(found) => {
                let likeness = self.who.likeness(&identity_of(&found.body, None));
                Ok(Ok((found.body, likeness)))
            }
            Err(Fault::Refused(refused)) => Ok(Err(refused.reason)),
            Err(Fault::NotUnderstood(reason)) => Ok(Err(reason)),
            Err(fault) => Err(fault),
        }
    }
}
