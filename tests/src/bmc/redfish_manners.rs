//! Edges: what a virtual Redfish BMC does with its tree: reads, writes, actions, tasks. Services do the same things in different manners;
//! a [`Manner`] chooses one.

use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub use super::redfish_manner::Manner;
use super::{
    redfish::problem,
    redfish_tree::{self as tree, Tree},
    redfish_update::{TASK, Updating},
};

/// What was asked for beside documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Interrupts that nothing masks.
    pub nmis: u32,
    /// Restarts of the BMC.
    pub manager_resets: u32,
    /// Resets of keys, and resets of settings.
    pub resets: Vec<String>,
    /// Bodies of updates.
    pub updates: Vec<String>,
    /// The certificate that was put in place.
    pub certificate: Option<String>,
    /// Passwords that were given, by user.
    pub passwords: Vec<(String, String)>,
}

/// The tree of one service, which is made when somebody looks.
#[derive(Debug, Default)]
pub(super) struct Manners {
    all: Vec<Manner>,
    tree: OnceLock<Mutex<Tree>>,
    told: Mutex<Told>,
    updating: Mutex<Updating>,
    restarts: AtomicBool,
}

impl Manners {
    pub(super) fn new(all: Vec<Manner>) -> Self {
        Self { all, ..Self::default() }
    }

    /// Whether the BMC restarts now; it is told once.
    pub(super) fn restarts(&self) -> bool {
        self.restarts.swap(false, Ordering::Relaxed)
    }

    fn has(&self, manner: &Manner) -> bool {
        self.all.contains(manner)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        let make = || {
            let mut made = tree::build(&self.all);
            made.insert(tree::SYSTEM.to_owned(), tree::of_system(&self.all));
            made.insert(tree::CHASSIS.to_owned(), tree::of_chassis(&self.all));
            made.insert(tree::MANAGER.to_owned(), tree::of_manager());
            Mutex::new(made)
        };
        self.tree.get_or_init(make).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told_mut(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn told(&self) -> Told {
        self.told_mut().clone()
    }

    /// What the service root has besides.
    pub(super) fn of_root(&self) -> Value {
        tree::of_root(&self.all)
    }

    /// The document at a path, as it is now.
    pub(super) fn document(&self, path: &str) -> Option<Value> {
        self.tree().get(path).cloned()
    }

    /// What a resource shows beside what is known of it elsewhere.
    pub(super) fn add_to(&self, path: &str, shown: &mut Value) {
        let Some(Value::Object(more)) = self.document(path) else { return };
        for (name, value) in more {
            shown[name] = value;
        }
        if path == tree::SYSTEM {
            if let Some(words) =
                shown["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"].as_array_mut()
            {
                words.push(json!("Nmi"));
            }
            shown["Boot"]["BootOptions"] = json!({ "@odata.id": format!("{}/BootOptions", tree::SYSTEM) });
            shown["Boot"]["BootOrder"] = json!(["Boot0002", "Boot0001"]);
        }
    }

    /// The server starts: what waited for that holds from now on.
    pub(super) fn started(&self) {
        let mut tree = self.tree();
        let waits = tree.get(tree::BIOS_SETTINGS).map(|settings| settings["Attributes"].clone());
        if let (Some(waits), Some(bios)) = (waits, tree.get_mut(tree::BIOS)) {
            bios["Attributes"] = waits;
        }
        if let Some(secure_boot) = tree.get_mut(tree::SECURE_BOOT) {
            let is_on = secure_boot["SecureBootEnable"] == true;
            secure_boot["SecureBootCurrentBoot"] = json!(if is_on { "Enabled" } else { "Disabled" });
        }
    }

    /// The answer of what is in the tree; none: that is somebody else's.
    pub(super) fn answer(&self, asked: (&Method, &str, &str), body: &Value, is_on: bool) -> Option<Response> {
        let (method, path, query) = asked;
        let is = |manner: &&Manner, broken: bool| match manner {
            Manner::Broken(at) => broken && *at == path,
            Manner::Ignores(at) => !broken && *at == path,
            _ => false,
        };
        if self.all.iter().any(|manner| is(&manner, true)) {
            return Some(problem(StatusCode::INTERNAL_SERVER_ERROR, "It is broken."));
        }
        let is_write = *method != Method::GET;
        if is_write && self.all.iter().any(|manner| is(&manner, false)) {
            return Some(StatusCode::NO_CONTENT.into_response());
        }
        match method.as_str() {
            "GET" if path == TASK => Some(self.task(is_on)),
            "GET" => self.read(path, query),
            "PATCH" => self.patch(path, body),
            "POST" => self.post(path, body, is_on),
            "DELETE" => self.delete(path),
            _ => None,
        }
    }

    fn read(&self, path: &str, query: &str) -> Option<Response> {
        // What is made elsewhere is shown there, with what is in the tree added to it.
        if [tree::SYSTEM, tree::CHASSIS, tree::MANAGER].contains(&path) {
            return None;
        }
        let document = self.document(path)?;
        if self.has(&Manner::MembersElsewhere) && document.get("Members").is_some() {
            let away = json!({ "Members": [{ "@odata.id": "https://other.example/redfish/v1/x" }] });
            return Some(Json(away).into_response());
        }
        if self.has(&Manner::PagedLog) && path == format!("{}/Entries", tree::LOG) {
            return Some(Json(self.page(&document, query, 2)).into_response());
        }
        if self.has(&Manner::PagedUsers) && path == tree::ACCOUNTS {
            return Some(Json(self.page(&document, query, 1)).into_response());
        }
        if query.contains("$expand") && document.get("Members").is_some() {
            return self.whole(document);
        }
        let etag = HeaderValue::from_str(&format!("\"{:x}\"", document.to_string().len())).ok()?;
        Some(([(header::ETAG, etag)], Json(document)).into_response())
    }

    /// A collection that is asked for with its members whole. One that cannot be read stays a link.
    fn whole(&self, mut collection: Value) -> Option<Response> {
        let (is_whole, is_in_part) =
            (self.has(&Manner::ShowsMembersWhole), self.has(&Manner::ShowsMembersInPart));
        if !is_whole && !is_in_part {
            return Some(problem(
                StatusCode::NOT_IMPLEMENTED,
                "The query parameter $expand is not supported.",
            ));
        }
        for member in collection["Members"].as_array_mut().into_iter().flatten() {
            let path = member["@odata.id"].as_str().unwrap_or_default().to_owned();
            let is_broken = self.all.iter().any(|manner| matches!(manner, Manner::Broken(at) if *at == path));
            if let Some(found) = self.document(&path).filter(|_| !is_broken) {
                *member = found;
            }
            if let Some(fields) = member.as_object_mut().filter(|_| is_in_part) {
                fields.remove("Id");
            }
        }
        Some(Json(collection).into_response())
    }

    /// So many whole members of a collection.
    fn page(&self, collection: &Value, query: &str, size: usize) -> Value {
        let skip: usize = query.split('=').next_back().and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let links = collection["Members"].as_array().cloned().unwrap_or_default();
        let paths = links.iter().filter_map(|link| link["@odata.id"].as_str());
        let members: Vec<Value> =
            paths.skip(skip).take(size).filter_map(|path| self.document(path)).collect();
        let mut page = json!({ "Members@odata.count": links.len(), "Members": members });
        if skip + size < links.len() {
            let path = collection["@odata.id"].as_str().unwrap_or_default();
            page["Members@odata.nextLink"] = json!(format!("{path}?$skip={}", skip + size));
        }
        page
    }

    fn patch(&self, path: &str, body: &Value) -> Option<Response> {
        if path == tree::SYSTEM && body.get("Boot").is_some() {
            return None;
        }
        let bad = |why: &str| Some(problem(StatusCode::BAD_REQUEST, why));
        if path == format!("{}/1", tree::ACCOUNTS) {
            return bad("This account is reserved.");
        }
        if self.has(&Manner::NoApplyTime) && body.get("@Redfish.SettingsApplyTime").is_some() {
            return bad("The property @Redfish.SettingsApplyTime is unknown.");
        }
        if path == tree::BIOS && !self.has(&Manner::SettingsAtOnce) {
            return bad("Settings are changed at the settings object.");
        }
        let is_drive = path.strip_prefix(tree::MEDIA).is_some_and(|name| !name.is_empty());
        if is_drive && !self.has(&Manner::MediaByPatch) {
            return Some(problem(StatusCode::METHOD_NOT_ALLOWED, "Use the actions."));
        }
        if body["IndicatorLED"] == "Blinking" {
            return bad("The value Blinking is not in the list of acceptable values.");
        }
        let mut tree = self.tree();
        let document = tree.get_mut(path)?;
        if let Some(unknown) =
            body.as_object()?.keys().find(|name| !name.starts_with('@') && document.get(*name).is_none())
        {
            return bad(&format!("The property {unknown} is unknown."));
        }
        let mut body = body.clone();
        if let Some(password) = body["Password"].as_str().filter(|_| path.starts_with(tree::ACCOUNTS)) {
            let user = body["UserName"].as_str().or(document["UserName"].as_str()).unwrap_or_default();
            self.told_mut().passwords.push((user.to_owned(), password.to_owned()));
            body["Password"] = Value::Null;
        }
        merge(document, &body);
        if is_drive {
            document["ConnectedVia"] =
                json!(if document["Image"].is_null() { "NotConnected" } else { "URI" });
        }
        Some(StatusCode::NO_CONTENT.into_response())
    }

    fn post(&self, path: &str, body: &Value, is_on: bool) -> Option<Response> {
        let done = || Some(StatusCode::NO_CONTENT.into_response());
        let bad = |why: &str| Some(problem(StatusCode::BAD_REQUEST, why));
        if path == tree::ACCOUNTS {
            return self.make_account(body);
        }
        if path == format!("{}/upload", tree::UPDATE)
            || path == format!("{}/push", tree::UPDATE)
            || path.ends_with("SimpleUpdate")
        {
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            *self.updating.lock().unwrap_or_else(PoisonError::into_inner) = Updating::given(&text);
            self.told_mut().updates.push(text);
            let location = [(header::LOCATION, TASK)];
            return Some(
                (StatusCode::ACCEPTED, location, Json(json!({ "@odata.id": TASK }))).into_response(),
            );
        }
        let (owner, action) = path.split_once("/Actions/")?;
        match action {
            "ComputerSystem.Reset" if body["ResetType"] == "Nmi" && is_on => {
                self.told_mut().nmis += 1;
                done()
            }
            "ComputerSystem.Reset" if body["ResetType"] == "Nmi" => bad("The server is off."),
            "Manager.Reset" => {
                self.told_mut().manager_resets += 1;
                done()
            }
            "LogService.ClearLog" => {
                let (mut tree, below) = (self.tree(), format!("{owner}/Entries/"));
                tree.retain(|path, _| !path.starts_with(&below));
                tree::collect_entries(&mut tree, &format!("{owner}/Entries"));
                done()
            }
            "Bios.ResetBios" | "SecureBoot.ResetKeys" | "SecureBootDatabase.ResetKeys" => {
                self.told_mut().resets.push(format!("{action} {}", body["ResetKeysType"].as_str().unwrap_or_default()));
                done()
            }
            "VirtualMedia.InsertMedia" => self.insert(owner, body),
            "VirtualMedia.EjectMedia" => {
                let empty = json!({ "Image": null, "Inserted": false, "ConnectedVia": "NotConnected" });
                merge(self.tree().get_mut(owner)?, &empty);
                done()
            }
            "CertificateService.GenerateCSR" => Some(Json(json!({
                "CSRString": format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n", body["CommonName"].as_str().unwrap_or_default()),
                "CertificateCollection": body["CertificateCollection"],
            })).into_response()),
            "CertificateService.ReplaceCertificate" => {
                if body["CertificateUri"]["@odata.id"] != tree::CERTIFICATE {
                    return bad("There is no such certificate.");
                }
                self.told_mut().certificate = body["CertificateString"].as_str().map(str::to_owned);
                done()
            }
            _ => None,
        }
    }

    fn make_account(&self, body: &Value) -> Option<Response> {
        if self.has(&Manner::PlacesForUsers) {
            return Some(problem(StatusCode::METHOD_NOT_ALLOWED, "Write to a free account."));
        }
        let (user, password) = (body["UserName"].as_str()?, body["Password"].as_str()?);
        self.told_mut().passwords.push((user.to_owned(), password.to_owned()));
        let (mut tree, path) = (self.tree(), format!("{}/{user}", tree::ACCOUNTS));
        let account = json!({ "UserName": user, "RoleId": body["RoleId"], "Enabled": body["Enabled"], "Locked": false, "Password": null });
        tree::put(&mut tree, &path, "#ManagerAccount.v1_8_0.ManagerAccount", account.clone());
        tree::collect(&mut tree, tree::ACCOUNTS, "ManagerAccount");
        Some((StatusCode::CREATED, [(header::LOCATION, path)], Json(account)).into_response())
    }

    fn insert(&self, drive: &str, body: &Value) -> Option<Response> {
        let names: Vec<&String> = body.as_object()?.keys().collect();
        let is_typed = body.get("TransferProtocolType").is_some();
        if self.has(&Manner::MediaTyped) != is_typed {
            return Some(problem(
                StatusCode::BAD_REQUEST,
                &format!("These parameters do not fit: {names:?}"),
            ));
        }
        let mut tree = self.tree();
        let document = tree.get_mut(drive)?;
        if document["Inserted"] == true {
            return Some(problem(StatusCode::BAD_REQUEST, "There is something in it."));
        }
        merge(document, &json!({ "Image": body["Image"], "Inserted": true, "ConnectedVia": "URI" }));
        Some(StatusCode::NO_CONTENT.into_response())
    }

    fn delete(&self, path: &str) -> Option<Response> {
        path.strip_prefix(tree::ACCOUNTS).filter(|name| !name.is_empty())?;
        if self.has(&Manner::PlacesForUsers) {
            return Some(problem(StatusCode::METHOD_NOT_ALLOWED, "Accounts are not deleted."));
        }
        let mut tree = self.tree();
        tree.remove(path)?;
        tree::collect(&mut tree, tree::ACCOUNTS, "ManagerAccount");
        Some(StatusCode::NO_CONTENT.into_response())
    }

    /// An update, which takes some looks.
    fn task(&self, is_on: bool) -> Response {
        let mut tree = self.tree();
        let mut updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = updating.look(&self.all, &mut tree, is_on);
        self.restarts.store(looked.restarts, Ordering::Relaxed);
        Json(looked.task).into_response()
    }
}

/// Puts the properties of one document over those of another.
fn merge(document: &mut Value, over: &Value) {
    match (document, over) {
        (Value::Object(fields), Value::Object(over)) => {
            for (name, value) in over {
                merge(fields.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(values), Value::Array(over)) => {
            for (value, over) in values.iter_mut().zip(over) {
                merge(value, over);
            }
        }
        (document, over) => *document = over.clone(),
    }
}
