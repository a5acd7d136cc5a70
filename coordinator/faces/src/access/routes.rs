//! Values: every route of the REST API with the least standing that it needs.

use axum::http::Method;

use self::Verb::{Delete, Get, Post};
use super::standing::Least::{self, Anybody, ReadAll, ReadOwn, ReadSecrets, WriteAll, WriteOwn};

/// What a request does. There are no others here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// GET, and HEAD, which is answered like it.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

impl Verb {
    /// The verb of a method; none: one that nothing here answers.
    pub fn of(method: &Method) -> Option<Self> {
        match method.as_str() {
            "GET" | "HEAD" => Some(Get),
            "POST" => Some(Post),
            "DELETE" => Some(Delete),
            _ => None,
        }
    }

    /// As it is written in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Get => "GET",
            Post => "POST",
            Delete => "DELETE",
        }
    }
}

/// A route: what is done, where (as the router spells it), and the least standing.
pub type Row = (Verb, &'static str, Least);

/// The REST API. Where a project's standing suffices, the handler shows and changes what that project has; everything of
/// everybody is for those who see all.
pub const ROUTES: &[Row] = &[
    (Get, "/", Anybody),
    (Get, "/v1", Anybody),
    (Get, "/v1/openapi.json", Anybody),
    (Get, "/v1/servers", ReadOwn),
    (Post, "/v1/servers", WriteOwn),
    (Get, "/v1/servers/{server}", ReadOwn),
    (Delete, "/v1/servers/{server}", WriteOwn),
    (Post, "/v1/servers/{server}/actions", WriteOwn),
    // Whoever is there may type: as for power.
    (Get, "/v1/servers/{server}/console", WriteOwn),
    // What was typed there is in it.
    (Get, "/v1/servers/{server}/console/log", WriteOwn),
    (Get, "/v1/images", ReadOwn),
    (Post, "/v1/images", WriteOwn),
    (Get, "/v1/images/{image}", ReadOwn),
    (Delete, "/v1/images/{image}", WriteOwn),
    (Get, "/v1/image-caches", ReadAll),
    (Post, "/v1/image-caches", WriteAll),
    (Delete, "/v1/image-caches/{rack}/{cached}", WriteAll),
    (Get, "/v1/networks", ReadOwn),
    (Post, "/v1/networks", WriteOwn),
    (Get, "/v1/networks/{network}", ReadOwn),
    (Delete, "/v1/networks/{network}", WriteOwn),
    (Get, "/v1/security-groups", ReadOwn),
    (Get, "/v1/flavors", ReadOwn),
    (Get, "/v1/flavors/{flavor}", ReadOwn),
    (Get, "/v1/events", ReadOwn),
    (Get, "/v1/events/stream", ReadOwn),
    (Post, "/v1/flavors", WriteAll),
    (Delete, "/v1/flavors/{flavor}", WriteAll),
    (Post, "/v1/networks/setup", WriteAll),
    (Get, "/v1/nodes", ReadAll),
    (Get, "/v1/nodes/export", ReadAll),
    (Get, "/v1/nodes/{node}", ReadAll),
    (Get, "/v1/nodes/{node}/console", WriteAll),
    (Get, "/v1/nodes/{node}/console/log", WriteAll),
    (Get, "/v1/nodes/{node}/proofs", ReadAll),
    (Get, "/v1/nodes/{node}/boots", ReadAll),
    (Get, "/v1/nodes/{node}/bmc", ReadAll),
    (Get, "/v1/nodes/{node}/bmc/certificate", ReadAll),
    (Get, "/v1/bmcs", ReadAll),
    (Get, "/v1/bmc-factory-passwords", ReadAll),
    (Post, "/v1/bmc-factory-passwords", WriteAll),
    (Delete, "/v1/bmc-factory-passwords/{id}", WriteAll),
    (Get, "/v1/nodes/{node}/disks", ReadAll),
    (Get, "/v1/erase-certificates", ReadAll),
    (Get, "/v1/erase-certificates/{id}", ReadAll),
    (Get, "/v1/nodes/{node}/firmware", ReadAll),
    (Get, "/v1/firmware", ReadAll),
    (Get, "/v1/nodes/{node}/firmware-updates", ReadAll),
    (Post, "/v1/nodes/{node}/firmware-updates", WriteAll),
    (Delete, "/v1/nodes/{node}/firmware-updates/{update}", WriteAll),
    (Get, "/v1/firmware-files", ReadAll),
    (Post, "/v1/firmware-files", WriteAll),
    (Delete, "/v1/firmware-files/{file}", WriteAll),
    (Get, "/v1/nodes/{node}/sensors", ReadAll),
    (Get, "/v1/nodes/{node}/sensors/{sensor}/history", ReadAll),
    (Get, "/v1/nodes/{node}/sel", ReadAll),
    (Post, "/v1/nodes/import", WriteAll),
    (Post, "/v1/nodes/adopt", WriteAll),
    (Delete, "/v1/nodes/{node}", WriteAll),
    (Post, "/v1/nodes/{node}/actions", WriteAll),
    (Post, "/v1/nodes/{node}/bmc/password-rotation", WriteAll),
    (Delete, "/v1/nodes/{node}/bmc/password-rotation", WriteAll),
    (Post, "/v1/nodes/{node}/bmc/password-reading", ReadSecrets),
    (Post, "/v1/nodes/{node}/sel/acknowledge", WriteAll),
    (Post, "/v1/nodes/{node}/bmc/changes-acceptance", WriteAll),
    (Post, "/v1/nodes/{node}/disks/{number}/exception", WriteAll),
    (Delete, "/v1/nodes/{node}/disks/{number}/exception", WriteAll),
    (Get, "/v1/audit", ReadAll),
    (Get, "/v1/agents", ReadAll),
    (Get, "/v1/agents/{rack}", ReadAll),
    (Post, "/v1/agents/{rack}/revoke", WriteAll),
    (Get, "/v1/adoptions", ReadAll),
    (Get, "/v1/adoptions/{node}", ReadAll),
    (Get, "/v1/survey", ReadAll),
    // It compares a file with what there is, and changes nothing.
    (Post, "/v1/survey", ReadAll),
    (Get, "/v1/pools", ReadAll),
    (Post, "/v1/pools", WriteAll),
    (Get, "/v1/pools/{pool}", ReadAll),
    (Delete, "/v1/pools/{pool}", WriteAll),
    (Post, "/v1/pool-moves", WriteAll),
    (Get, "/v1/discoveries", ReadAll),
    (Get, "/v1/discoveries/{id}", ReadAll),
    (Delete, "/v1/discoveries/{id}", WriteAll),
    (Post, "/v1/discoveries/{id}/accept", WriteAll),
    (Post, "/v1/discoveries/{id}/ignore", WriteAll),
    (Get, "/v1/discovery-rules", ReadAll),
    (Post, "/v1/discovery-rules", WriteAll),
    (Delete, "/v1/discovery-rules/{rule}", WriteAll),
    (Get, "/v1/discovery-scans", ReadAll),
    (Post, "/v1/discovery-scans", WriteAll),
    (Get, "/v1/discovery-scans/{id}", ReadAll),
    (Get, "/v1/discovery-windows", ReadAll),
    (Post, "/v1/discovery-windows", WriteAll),
    (Delete, "/v1/discovery-windows/{rack}", WriteAll),
];

/// The least standing of a route; none: there is no such route.
pub fn least(rows: &[Row], method: &Method, path: &str) -> Option<Least> {
    let verb = Verb::of(method)?;
    rows.iter().find(|row| (row.0, row.1) == (verb, path)).map(|row| row.2)
}
