//! Edges: Glance's API: images, and their bytes from any offset.

use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, Method, StatusCode, header};
use protocol::{boot::BootMode, step::ImageFormat};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Caller, Service,
    answer::unavailable,
    call::{Body, Call},
    error::Error,
    session::Session,
};
pub use domain::rim::{Image, NewImage};
use domain::url_text::query;

/// Images in one page of a list.
pub const PAGE_IMAGES: usize = 200;
/// Pages of one list: 20,000 images.
pub const PAGES_MAX: usize = 100;

/// Glance's property for the firmware mode, known to Nova too.
const FIRMWARE_TYPE: &str = "hw_firmware_type";

/// Bytes of an image from some offset on.
pub struct ImageBytes {
    /// Offset of the first byte.
    pub offset: u64,
    /// How many bytes will come.
    pub remaining_bytes: Option<u64>,
    response: reqwest::Response,
    operation: String,
}

impl ImageBytes {
    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|e| unavailable(Service::Glance, &self.operation, &e))
    }
}

/// The image service.
#[derive(Clone, Debug)]
pub struct Glance {
    session: Session,
}

impl Glance {
    /// Asks with the given session.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    fn call<'a>(&self, caller: Caller<'a>, method: Method, path: String, operation: String) -> Call<'a> {
        Call::new(Service::Glance, method, path, operation).caller(caller)
    }

    /// Makes an image without bytes.
    pub async fn create_image(&self, caller: Caller<'_>, image: &NewImage) -> Result<Image, Error> {
        let mut body = json!(image.properties);
        body["name"] = json!(image.name);
        body["disk_format"] = json!(match image.format {
            ImageFormat::Raw => "raw",
            ImageFormat::Qcow2 => "qcow2",
        });
        body["container_format"] = json!("bare");
        body["min_disk"] = json!(image.min_disk_gb);
        if let Some(id) = image.id {
            body["id"] = json!(id);
        }
        if let Some(mode) = image.boot_mode {
            body[FIRMWARE_TYPE] = json!(match mode {
                BootMode::Bios => "bios",
                BootMode::Uefi => "uefi",
            });
        }
        body["visibility"] = json!(if image.public { "public" } else { "shared" });
        let operation = format!("create image {}", image.name);
        self.session
            .json(self.call(caller, Method::POST, "/v2/images".to_owned(), operation).body(body))
            .await
    }

    /// Uploads an image's bytes as they come. It is `active`, with its hash, when this returns.
    pub async fn upload<S, E>(&self, caller: Caller<'_>, id: &str, bytes: S) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let operation = format!("upload image {id}");
        let mut call = self.call(caller, Method::PUT, format!("{}/file", image_path(id)), operation);
        // Glance behind cheroot closes the connection's reading side with the body, and answers the next request on it
        // with 500: let this be the connection's last.
        call.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        call.body = Body::Stream(reqwest::Body::wrap_stream(bytes));
        call.streaming = true;
        self.session.send(call).await.map(drop)
    }

    /// Lists the images that the caller may see; only those of that name when one is given.
    pub async fn list_images(&self, caller: Caller<'_>, name: Option<&str>) -> Result<Vec<Image>, Error> {
        #[derive(Deserialize)]
        struct Page {
            images: Vec<Image>,
            next: Option<String>,
        }
        let mut images: Vec<Image> = Vec::new();
        let limit = PAGE_IMAGES.to_string();
        for _ in 0..PAGES_MAX {
            let mut pairs = vec![("limit", limit.as_str())];
            if let Some(name) = name {
                pairs.push(("name", name));
            }
            let marker = images.last().map(|image| image.id.clone());
            if let Some(marker) = &marker {
                pairs.push(("marker", marker));
            }
            let path = format!("/v2/images?{}", query(&pairs));
            let call = self.call(caller, Method::GET, path, "list the images".to_owned());
            let mut page: Page = self.session.json(call).await?;
            let empty = page.images.is_empty();
            images.append(&mut page.images);
            if page.next.is_none() || empty {
                break;
            }
        }
        Ok(images)
    }

    /// Reads an image.
    pub async fn show_image(&self, caller: Caller<'_>, id: &str) -> Result<Image, Error> {
        self.session.json(self.call(caller, Method::GET, image_path(id), format!("read image {id}"))).await
    }

    /// Deletes an image. Done already is done.
    pub async fn delete_image(&self, caller: Caller<'_>, id: &str) -> Result<(), Error> {
        match self
            .session
            .send(self.call(caller, Method::DELETE, image_path(id), format!("delete image {id}")))
            .await
        {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens an image's bytes from an offset on (RFC 9110 section 14.2).
    pub async fn download(&self, caller: Caller<'_>, id: &str, offset: u64) -> Result<ImageBytes, Error> {
        let operation = format!("download image {id} from byte {offset}");
        let mut call = self.call(caller, Method::GET, format!("{}/file", image_path(id)), operation.clone());
        call.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        call.streaming = true;
        if offset > 0 {
            let range =
                HeaderValue::from_str(&format!("bytes={offset}-")).expect("digits are good in a header");
            call.headers.insert(header::RANGE, range);
        }
        let response = self.session.open(call).await?;
        let senseless = |message: &str| Error::Unintelligible {
            service: Service::Glance,
            operation: operation.clone(),
            message: message.to_owned(),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK if offset == 0 => {}
            StatusCode::OK => return Err(senseless("the whole image came instead of its rest")),
            StatusCode::NO_CONTENT => return Err(senseless("the image has no bytes")),
            _ => return Err(senseless("the status is not 200 or 206")),
        }
        Ok(ImageBytes { offset, remaining_bytes: response.content_length(), response, operation })
    }

    /// Changes one property of an image, such as its `name` or `os_distro`.
    pub async fn set_property(
        &self,
        caller: Caller<'_>,
        id: &str,
        name: &str,
        value: &str,
    ) -> Result<Image, Error> {
        let pointer = name.replace('~', "~0").replace('/', "~1");
        let patch: Value = json!([{"op": "add", "path": format!("/{pointer}"), "value": value}]);
        let mut call =
            self.call(caller, Method::PATCH, image_path(id), format!("change image {id}")).body(patch);
        call.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/openstack-images-v2.1-json-patch"),
        );
        self.session.json(call).await
    }
}

/// Ids come from people: nothing in one may change the path.
fn image_path(id: &str) -> String {
    let safe: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    format!("/v2/images/{safe}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place() {
        assert_eq!(image_path("../../v2/users?x"), "/v2/images/v2usersx");
    }
}
