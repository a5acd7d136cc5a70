//! Values: a certificate of an erased disk for people: on a page, and on a sheet of paper that needs no page around it.

use askama::Template;
use protocol::erase_certificate::{self, Group, Line};

/// A certificate in words.
#[derive(Debug)]
pub struct Paper {
    /// Its id.
    pub id: String,
    /// Which disk, in a line.
    pub disk: String,
    /// In which server.
    pub server: String,
    /// What it says, group by group.
    pub groups: Vec<(&'static str, Vec<Line>)>,
}

impl Paper {
    /// Of a file as it is kept; none: it is none. Its signatures were checked when it was kept, and are for everybody to check.
    pub fn of(file: &str) -> Option<Self> {
        let said = erase_certificate::read(file.as_bytes()).ok()?.said()?;
        let lines = erase_certificate::lines(&said.statement, said.receipt.as_ref(), &said.agent);
        let of_group = |group: Group| {
            let lines: Vec<_> = lines.iter().filter(|line| line.group == group).cloned().collect();
            (group.heading(), lines)
        };
        let erased = &said.statement.erased;
        Some(Self {
            id: said.statement.id.to_string(),
            disk: erased.disk.as_ref().map_or_else(|| erased.name.clone(), |disk| disk.identity()),
            server: said.statement.server.name.clone(),
            groups: Group::ALL.into_iter().map(of_group).filter(|(_, lines)| !lines.is_empty()).collect(),
        })
    }

    /// The sheet of paper.
    pub fn document(&self) -> Option<String> {
        let sheet = Sheet { paper: self };
        sheet.render().inspect_err(|error| tracing::error!(%error, "certificate not rendered")).ok()
    }
}

#[derive(Template)]
#[template(path = "erase_certificate_paper.html")]
struct Sheet<'a> {
    paper: &'a Paper,
}
