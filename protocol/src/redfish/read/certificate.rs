//! Values: certificates of a BMC.

use serde::Serialize;

use super::hardware::name;
use crate::redfish::node::Node;

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Where it is.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Whom it is for: the common name.
    pub subject: Option<String>,
    /// Who signed it: the common name.
    pub issuer: Option<String>,
    /// From when it holds, as the BMC writes it.
    pub from: Option<String>,
    /// Until when it holds.
    pub until: Option<String>,
    /// SHA-256 or another digest, where the BMC tells one.
    pub fingerprint: Option<String>,
}

impl Certificate {
    /// Of a `Certificate` at this path.
    pub fn of(path: &str, node: Node<'_>) -> Self {
        Self {
            path: path.to_owned(),
            name: name(node, &["Name", "Id"]),
            subject: node.at("Subject").text("CommonName"),
            issuer: node.at("Issuer").text("CommonName"),
            from: node.text("ValidNotBefore"),
            until: node.text("ValidNotAfter"),
            fingerprint: node.text("Fingerprint"),
        }
    }
}
