//! Edges: the members of a collection, from all of its pages. A service that shows them whole when it is asked to (`$expand`) is asked to,
//! which spares a request for each member; one that refuses, or answers with something else, is read as any other from then on.

use protocol::{
    quirk::Quirk,
    redfish::{
        node::{Node, Resource},
        read::expand,
    },
};

use super::{
    call::{Call, MEMBERS_MAX},
    fault::Fault,
};
use crate::bmc::BmcError;

/// So many pages of a collection are read.
const PAGES_MAX: usize = 128;

/// How members are read of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Members {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// One by one.
    OneByOne,
    /// Whole, by this query.
    Whole(&'static str),
}

impl Call<'_> {
    /// The members of the collection that this property leads to.
    pub(super) async fn members(
        &mut self,
        node: Node<'_>,
        property: &str,
    ) -> Result<Vec<(String, Resource)>, BmcError> {
        match node.link(property) {
            Some(link) => self.members_at(link, property).await,
            None => Ok(Vec::new()),
        }
    }

    /// The same of a collection at this link.
    pub(super) async fn members_at(
        &mut self,
        link: &str,
        what: &str,
    ) -> Result<Vec<(String, Resource)>, BmcError> {
        let first = self.whole_page(link, what).await?;
        let is_asked_whole = first.is_some();
        self.all_members(link, first, is_asked_whole, what).await
    }

    /// The same of one whose members always stand in it whole, such as the entries of a log: nothing more is asked of the service.
    pub(super) async fn entries_at(
        &mut self,
        link: &str,
        what: &str,
    ) -> Result<Vec<(String, Resource)>, BmcError> {
        self.all_members(link, None, false, what).await
    }

    async fn all_members(
        &mut self,
        link: &str,
        mut first: Option<Resource>,
        is_asked_whole: bool,
        what: &str,
    ) -> Result<Vec<(String, Resource)>, BmcError> {
        let (mut members, mut next) = (Vec::<(String, Resource)>::new(), Some(link.to_owned()));
        for _ in 0..PAGES_MAX {
            let Some(link) = next.take() else { break };
            let page = match first.take() {
                Some(page) => Some(page),
                None => self.look(&link, what).await?,
            };
            let Some(page) = page else { break };
            for member in page.node().list("Members") {
                if members.len() >= MEMBERS_MAX {
                    self.miss(format!("{what}: more than {MEMBERS_MAX} members"));
                    return Ok(members);
                }
                let path = member.path().unwrap_or_default();
                // What was asked for by nobody is taken as it comes.
                let is_whole = if is_asked_whole { expand::is_whole(member) } else { !member.is_link_only() };
                if is_whole {
                    members.push((path.to_owned(), Resource::new(member.value().clone())));
                } else if let Some(resource) = self.look(path, what).await? {
                    members.push((path.to_owned(), resource));
                }
            }
            let link = ["Members@odata.nextLink", "@odata.nextLink"]
                .into_iter()
                .find_map(|name| page.node().link(name));
            next = link.map(str::to_owned);
        }
        if next.is_some() {
            self.miss(format!("{what}: more than {PAGES_MAX} pages"));
        }
        Ok(members)
    }

    /// The first page with its members whole; none: the service is not asked for that, or did not do it.
    async fn whole_page(&mut self, link: &str, what: &str) -> Result<Option<Resource>, BmcError> {
        let Some(query) = self.query_for_members().await? else { return Ok(None) };
        let mut state = self.turn().await?;
        let Ok(path) = state.local(link, what) else { return Ok(None) };
        let asked = state.http.get::<Resource>(&with_query(&path, query)).await;
        match asked {
            Ok(found) if found.body.node().at("Members").is_there() => Ok(Some(found.body)),
            Ok(_) | Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => {
                drop(state);
                let plain = self.look(link, what).await?;
                // A collection that is not there says nothing of how others are read.
                if plain.is_some() {
                    self.state().await.members = Members::OneByOne;
                }
                Ok(plain)
            }
            Err(fault @ (Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. })) => {
                Err(self.error(fault))
            }
        }
    }

    async fn query_for_members(&mut self) -> Result<Option<&'static str>, BmcError> {
        let state = self.state().await;
        let (members, is_asked) = (state.members, !state.quirks.has(Quirk::MembersOneByOne));
        drop(state);
        match members {
            Members::OneByOne => Ok(None),
            Members::Whole(query) => Ok(is_asked.then_some(query)),
            Members::Unknown if !is_asked => Ok(None),
            Members::Unknown => {
                let root = self.root().await?;
                let query = root.as_ref().and_then(|root| expand::members_whole(root.node()));
                self.state().await.members = query.map_or(Members::OneByOne, Members::Whole);
                Ok(query)
            }
        }
    }
}

/// A path that may have a query already.
fn with_query(path: &str, query: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}{query}")
}
