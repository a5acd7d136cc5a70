//! Edges: which firmware there is, and its update: the BMC fetches an image, or is sent one, once (see `update.rs`). An update is a task of
//! minutes; whoever asks for it looks how far it is.

use hyper::{Method, header::CONTENT_TYPE};
use protocol::redfish::read::firmware::{Firmware, TaskStage, UpdateService};
use serde_json::json;

use super::{
    super::{
        RedfishBmc,
        answer::{Answer, NoAnswer},
        call::{Call, Listed},
        http::Apart,
        task::Stage,
    },
    update::Update,
};
use crate::bmc::BmcError;

/// Longest image that is sent to a BMC.
pub const UPLOAD_BYTES_MAX: usize = 512 << 20;
/// Whole time for sending one.
const UPLOAD_MAX: std::time::Duration = std::time::Duration::from_secs(900);
/// Between the parts of what is sent.
const BOUNDARY: &str = "bms-6c1f0f4e4b0d4d2f9d8a";

impl RedfishBmc {
    /// All pieces of firmware with their versions.
    ///
    /// # Errors
    /// The service lists none, or is not reached.
    pub async fn firmware(&self) -> Result<Listed<Firmware>, BmcError> {
        let mut call = self.call().await?;
        let service = call.update_service().await?;
        let Some(link) = service.inventory else {
            return Err(call.refuse("it lists no firmware (FirmwareInventory)"));
        };
        let members = call.members_at(&link, "a piece of firmware").await?;
        let items = members.iter().map(|(path, found)| Firmware::of(path, found.node())).collect();
        Ok(call.listed(items))
    }

    /// Has the BMC fetch an image from an address and take it. `targets`: what it is for, as paths of [`Firmware`]; empty: as the image says.
    ///
    /// # Errors
    /// It does not fetch images, not from such an address, or refuses.
    pub async fn update_from(&self, image: &str, targets: &[String]) -> Result<Update, BmcError> {
        let mut call = self.call().await?;
        let service = call.update_service().await?;
        let Some(simple) = service.simple else {
            return Err(call.refuse("it fetches no images (SimpleUpdate); send it the file"));
        };
        let simple = call.complete(simple, "TransferProtocol").await?;
        let mut body = json!({ "ImageURI": image });
        let scheme = image.split_once("://").map(|(scheme, _)| scheme.to_ascii_uppercase());
        if let (Some(scheme), false) = (&scheme, simple.allowable.is_empty()) {
            let Some(word) = simple.takes(scheme) else {
                let offered = simple.allowable.join(", ");
                return Err(call.refuse(format!("it fetches no images by {scheme}, only by {offered}")));
            };
            body["TransferProtocol"] = json!(word);
        }
        if !targets.is_empty() {
            body["Targets"] = json!(targets);
        }
        call.give_once(&simple.target, &body).await
    }

    /// Sends the BMC an image and has it take it. It is sent beside the BMC's other requests, which go on.
    ///
    /// # Errors
    /// It takes no files, the image is longer than [`UPLOAD_BYTES_MAX`], or it refuses.
    pub async fn update_with(
        &self,
        name: &str,
        image: Vec<u8>,
        targets: &[String],
    ) -> Result<Update, BmcError> {
        let mut call = self.call().await?;
        if image.len() > UPLOAD_BYTES_MAX {
            return Err(call.refuse(format!("the image is longer than {} MiB", UPLOAD_BYTES_MAX >> 20)));
        }
        let service = call.update_service().await?;
        let (link, content, bytes) = match (service.multipart, service.push) {
            (Some(link), _) => {
                (link, format!("multipart/form-data; boundary={BOUNDARY}"), multipart(name, image, targets))
            }
            (None, Some(link)) if targets.is_empty() => (link, "application/octet-stream".to_owned(), image),
            (None, Some(_)) => return Err(call.refuse("it takes a file only without targets (HttpPushUri)")),
            (None, None) => {
                return Err(call.refuse("it takes no files (MultipartHttpPushUri, HttpPushUri); give it an address to fetch the image from"));
            }
        };
        let (apart, path) = {
            let mut state = call.turn().await?;
            self.system_lately(&mut state).await?;
            let path = state.local(&link, "where files are sent").map_err(|fault| self.error(fault))?;
            let apart = state.http.apart(Method::POST, &path).await.map_err(|fault| self.error(fault))?;
            (apart, path)
        };
        let Apart { mut wire, request } = apart;
        let request = request.timeout(UPLOAD_MAX).header(CONTENT_TYPE, &content).body(bytes);
        let answer = match Answer::to(&mut wire, &request).await {
            Ok(answer) => answer,
            Err(error) => {
                let reason = match error {
                    NoAnswer::TooLong => "the answer is too long".to_owned(),
                    NoAnswer::Failed(error) => protocol::error_chain::chain(&error),
                };
                return Ok(Update::NotKnown { reason });
            }
        };
        call.renew();
        call.given(answer.good(&Method::POST, &path)).await
    }

    /// How far a task is.
    ///
    /// # Errors
    /// The BMC is not reached: one that takes new firmware of its own is silent for some minutes.
    pub async fn task(&self, task: &str) -> Result<TaskStage, BmcError> {
        let mut call = self.call().await?;
        Ok(match call.stage(task).await? {
            Stage::Running(percent) => TaskStage::Running(percent),
            Stage::Paused => TaskStage::Paused,
            Stage::Ended => TaskStage::Done,
            Stage::Failed(reason) => TaskStage::Failed(reason),
        })
    }
}

impl Call<'_> {
    pub(super) async fn update_service(&mut self) -> Result<UpdateService, BmcError> {
        let root = self.root().await?;
        let service = match &root {
            Some(root) => self.follow(root.node(), "UpdateService").await?,
            None => None,
        };
        service
            .map(|service| UpdateService::from(service.node()))
            .ok_or_else(|| self.refuse("it has no UpdateService"))
    }
}

/// The body that DSP0266 (section 12.6) has for a file with its parameters.
fn multipart(name: &str, image: Vec<u8>, targets: &[String]) -> Vec<u8> {
    let parameters = if targets.is_empty() { json!({}) } else { json!({ "Targets": targets }) };
    let name: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter)).collect();
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"UpdateParameters\"\r\nContent-Type: application/json\r\n\r\n{parameters}\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"UpdateFile\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let mut body = Vec::with_capacity(head.len() + image.len() + tail.len());
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&image);
    body.extend_from_slice(tail.as_bytes());
    body
}
