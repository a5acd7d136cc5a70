//! Values: `--network`, as people type it: a network, perhaps an address on it, perhaps a VLAN tag.

use std::{net::IpAddr, str::FromStr};

use api_types::NewAttachment;

/// `NETWORK[=ADDRESS][:vlan=TAG]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment(pub NewAttachment);

impl FromStr for Attachment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let first = parts.next().unwrap_or_default();
        let (network, address) = match first.split_once('=') {
            Some((network, address)) => (network, Some(address)),
            None => (first, None),
        };
        if network.is_empty() {
            return Err("must begin with a network's name or id".to_owned());
        }
        if let Some(address) = address {
            address.parse::<IpAddr>().map_err(|_| format!("{address:?} is not an address"))?;
        }
        let mut vlan = None;
        for option in parts {
            let tag = option.strip_prefix("vlan=").and_then(|tag| tag.parse().ok());
            let tag = tag.ok_or_else(|| format!("{option:?} is not vlan=TAG with a tag of 1 to 4093"))?;
            if vlan.replace(tag).is_some() {
                return Err("vlan is given twice; a network has one tag".to_owned());
            }
        }
        let (network, address) = (network.to_owned(), address.map(str::to_owned));
        Ok(Self(NewAttachment { network, address, vlan }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_people_type_them() {
        let check = |text: &str, expected: Option<(&str, Option<&str>, Option<u16>)>| {
            let found = text.parse::<Attachment>().ok().map(|found| found.0);
            let expected = expected.map(|(network, address, vlan)| NewAttachment {
                network: network.to_owned(),
                address: address.map(str::to_owned),
                vlan,
            });
            assert_eq!(found, expected, "{text}");
        };
        check("blue", Some(("blue", None, None)));
        check("blue=192.0.2.50", Some(("blue", Some("192.0.2.50"), None)));
        check("blue:vlan=100", Some(("blue", None, Some(100))));
        check("blue=192.0.2.50:vlan=100", Some(("blue", Some("192.0.2.50"), Some(100))));
        check("", None);
        check("=192.0.2.50", None);
        check("blue=192.0.2", None);
        check("blue:100", None);
        check("blue:vlan=70000", None);
        check("blue:vlan=100:vlan=200", None);
    }
}
