//! Decisions: how an image is put into a virtual drive and taken out: services want the same thing said in different ways, so there is a
//! ladder of them, from what a drive shows of itself.

use hyper::StatusCode;
use protocol::{redfish::read::media::VirtualMedia, secret::Secret};
use serde_json::{Value, json};

/// What is to be put in.
#[derive(Clone, Copy, Debug)]
pub struct Medium<'a> {
    /// The image's address, as the BMC reaches it.
    pub image: &'a str,
    /// The server may not write to it.
    pub is_write_protected: bool,
    /// Who fetches the image there, where it is behind a log-in.
    pub account: Option<(&'a str, &'a Secret)>,
}

/// One way to say it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// POST this to the action's target.
    Post(String, Value),
    /// PATCH the drive with this.
    Patch(Value),
}

/// The ways to put it in, the likeliest first.
pub(super) fn insert(drive: &VirtualMedia, medium: Medium<'_>) -> Vec<Way> {
    let with_account = |mut body: Value| {
        if let Some((user, password)) = medium.account {
            body["UserName"] = json!(user);
            body["Password"] = json!(password.reveal());
        }
        body
    };
    let full =
        json!({ "Image": medium.image, "Inserted": true, "WriteProtected": medium.is_write_protected });
    let mut ways = Vec::new();
    if let Some(action) = &drive.insert {
        let post = |body| Way::Post(action.target.clone(), with_account(body));
        let mut with_protocol = full.clone();
        with_protocol["TransferProtocolType"] = json!(protocol(medium.image));
        with_protocol["TransferMethod"] = json!("Stream");
        let typed = [full.clone(), with_protocol];
        // One that tells which protocols it knows wants to be told one.
        let typed = if action.allowable.is_empty() { typed } else { [typed[1].clone(), typed[0].clone()] };
        ways.extend(typed.map(post));
        ways.push(post(json!({ "Image": medium.image })));
    }
    ways.push(Way::Patch(with_account(full)));
    ways.push(Way::Patch(with_account(json!({ "Image": medium.image, "Inserted": true }))));
    ways.push(Way::Patch(with_account(json!({ "Image": medium.image }))));
    ways
}

/// The ways to take out what is in it.
pub(super) fn eject(drive: &VirtualMedia) -> Vec<Way> {
    let post = drive.eject.iter().map(|action| Way::Post(action.target.clone(), json!({})));
    let patches =
        [json!({ "Image": null, "Inserted": false }), json!({ "Image": null }), json!({ "Inserted": false })];
    post.chain(patches.map(Way::Patch)).collect()
}

/// Whether a refusal is of the form, so that another way may be taken.
pub(super) fn is_of_the_form(status: Option<StatusCode>) -> bool {
    matches!(
        status,
        Some(
            StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::UNPROCESSABLE_ENTITY
                | StatusCode::NOT_IMPLEMENTED
        )
    )
}

/// Whether this image is in the drive, as far as the drive shows. Some show a name in place of the address, some neither.
pub(super) fn holds(drive: &VirtualMedia, image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    let shows = drive.image.as_deref().or(drive.image_name.as_deref());
    drive.is_inserted() && shows.is_none_or(|shown| shown == image || shown.rsplit('/').next() == Some(name))
}

/// What is in a drive, in words.
pub(super) fn contents(drive: &VirtualMedia) -> String {
    match (drive.is_inserted(), drive.image.as_ref().or(drive.image_name.as_ref())) {
        (false, _) => "nothing".to_owned(),
        (true, Some(image)) => image.clone(),
        (true, None) => "something that it does not name".to_owned(),
    }
}

/// The protocol's name, from the scheme of the address.
fn protocol(image: &str) -> String {
    let scheme = image.split_once("://").map_or("http", |(scheme, _)| scheme);
    match scheme.to_ascii_lowercase().as_str() {
        "smb" | "cifs" => "CIFS".to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::redfish::node::Node;

    use super::*;

    const IMAGE: &str = "https://images.example/rescue.iso";

    fn drive(shows: &Value) -> VirtualMedia {
        VirtualMedia::of("/m", Node::of(shows))
    }

    fn ways(shows: &Value) -> Vec<String> {
        let medium = Medium { image: IMAGE, is_write_protected: true, account: None };
        let words = |way: Way| match way {
            Way::Post(target, body) => format!("POST {target} {}", body.as_object().unwrap().len()),
            Way::Patch(body) => format!("PATCH {}", body.as_object().unwrap().len()),
        };
        insert(&drive(shows), medium).into_iter().map(words).collect()
    }

    #[test]
    fn the_way_that_a_drive_shows_comes_first() {
        assert_eq!(ways(&json!({})), ["PATCH 3", "PATCH 2", "PATCH 1"]);
        let action = json!({"Actions": {"#VirtualMedia.InsertMedia": {"target": "/i"}}});
        assert_eq!(ways(&action)[..4], ["POST /i 3", "POST /i 5", "POST /i 1", "PATCH 3"]);
        let typed = json!({"Actions": {"#VirtualMedia.InsertMedia": {
            "target": "/i", "TransferProtocolType@Redfish.AllowableValues": ["HTTPS"],
        }}});
        assert_eq!(ways(&typed)[..2], ["POST /i 5", "POST /i 3"]);
    }

    #[test]
    fn an_image_is_known_by_its_address_or_its_name_or_not_at_all() {
        let check =
            |shows: Value, expected: bool| assert_eq!(holds(&drive(&shows), IMAGE), expected, "{shows}");
        check(json!({"Inserted": true, "Image": IMAGE}), true);
        check(json!({"Image": IMAGE}), true);
        check(json!({"Inserted": true, "ImageName": "rescue.iso"}), true);
        check(json!({"Inserted": true}), true);
        check(json!({"Inserted": true, "Image": "https://images.example/other.iso"}), false);
        check(json!({"Inserted": false, "Image": IMAGE}), false);
        check(json!({"Image": null}), false);
    }

    #[test]
    fn a_protocol_is_called_as_redfish_calls_it() {
        let check = |image: &str, expected: &str| assert_eq!(protocol(image), expected, "{image}");
        check("http://a/b.iso", "HTTP");
        check(IMAGE, "HTTPS");
        check("nfs://a/b.iso", "NFS");
        check("smb://a/b.iso", "CIFS");
        check("//a/b.iso", "HTTP");
    }
}
