//! Decisions: whether a link or a redirect leads to the service that gave it. What leads elsewhere is not followed: our credentials
//! would go there.

use super::resource::local_path;

/// Scheme, host and port of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    is_tls: bool,
    /// In lower-case letters; IPv6 addresses without their brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// The service at this host and port.
    pub fn new(is_tls: bool, host: &str, port: u16) -> Self {
        Self { is_tls, host: bare(host), port }
    }

    /// The path of a link: the link itself, or what stands behind the name of this service. None: it leads elsewhere, or is no
    /// link.
    pub fn path<'a>(&self, link: &'a str) -> Option<&'a str> {
        match link.split_once("://") {
            None => local_path(link),
            Some((scheme, rest)) => {
                let at = rest.find('/').unwrap_or(rest.len());
                self.is_here(scheme, &rest[..at]).then_some(&rest[at..]).and_then(local_path)
            }
        }
    }

    /// Where a redirect from a path leads on this service; none: elsewhere.
    pub fn redirected(&self, from: &str, location: &str) -> Option<String> {
        if let Some(path) = self.path(location) {
            return Some(path.to_owned());
        }
        // Relative to the last slash of the path that was asked (RFC 3986, section 5.2.3).
        let is_relative = !location.is_empty() && !location.starts_with('/') && !location.contains(':');
        let above = from.split('?').next()?.rfind('/')?;
        is_relative.then_some(())?;
        let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
        let joined = without_dots(&format!("{}{path}", &from[..=above]))?;
        local_path(&format!("{joined}{query}")).map(str::to_owned)
    }

    fn is_here(&self, scheme: &str, authority: &str) -> bool {
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        // An IPv6 address has colons of its own, and brackets around it.
        let port_at = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => (&authority[..at], authority[at + 1..].parse().ok()),
            None => (authority, Some(if is_tls { 443 } else { 80 })),
        };
        is_tls == self.is_tls && bare(host) == self.host && port == Some(self.port)
    }
}

/// A path without its segments `.` and `..` (RFC 3986, section 5.2.4); none: it leads above the root.
fn without_dots(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop()?;
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        // What ends with one of them is a directory.
        kept.extend(is_last.then_some(""));
    }
    Some(format!("/{}", kept.join("/")))
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_lead_to_the_same_service_or_nowhere() {
        let check = |origin: &Origin, link: &str, expected: Option<&str>| {
            assert_eq!(origin.path(link), expected, "{link}");
        };
        let bmc = Origin::new(true, "Bmc.example", 443);
        check(&bmc, "/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1"));
        check(&bmc, "https://bmc.example/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1"));
        check(&bmc, "HTTPS://BMC.example:443/redfish/v1", Some("/redfish/v1"));
        check(&bmc, "https://bmc.example./redfish/v1", Some("/redfish/v1"));
        check(&bmc, "http://bmc.example/redfish/v1", None);
        check(&bmc, "https://bmc.example:8443/redfish/v1", None);
        check(&bmc, "https://evil.example/redfish/v1", None);
        check(&bmc, "https://bmc.example@evil.example/redfish/v1", None);
        check(&bmc, "https://bmc.example", None);
        check(&bmc, "//evil.example/redfish", None);
        check(&bmc, "https://bmc.example//evil.example/", None);
        let six = Origin::new(false, "2001:db8::5", 8000);
        check(&six, "http://[2001:DB8::5]:8000/redfish/v1", Some("/redfish/v1"));
        check(&six, "http://[2001:db8::5]/redfish/v1", None);
    }

    #[test]
    fn redirects_stay_on_the_same_service() {
        let bmc = Origin::new(true, "192.0.2.5", 443);
        let check = |location: &str, expected: Option<&str>| {
            let to = bmc.redirected("/redfish/v1/Systems/1", location);
            assert_eq!(to.as_deref(), expected, "{location}");
        };
        check("/redfish/v1/Systems/1/", Some("/redfish/v1/Systems/1/"));
        check("https://192.0.2.5/redfish/v1/Systems/1/", Some("/redfish/v1/Systems/1/"));
        check("1/", Some("/redfish/v1/Systems/1/"));
        check("./1/", Some("/redfish/v1/Systems/1/"));
        check("../Systems/1/", Some("/redfish/v1/Systems/1/"));
        check("..", Some("/redfish/v1/"));
        check("1/?a=/../b", Some("/redfish/v1/Systems/1/?a=/../b"));
        check("../../../../etc", None);
        check("http://192.0.2.5/redfish/v1/Systems/1", None);
        check("https://192.0.2.6/redfish/v1/Systems/1", None);
        check("//192.0.2.6/", None);
        check("javascript:alert(1)", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_link_stays_here(link in "[a-zA-Z:/.@\\\\\\[\\]0-9 ]{0,60}") {
            let bmc = Origin::new(true, "bmc.example", 443);
            for path in bmc.path(&link).map(str::to_owned).into_iter().chain(bmc.redirected("/a/b", &link)) {
                prop_assert!(path.starts_with('/') && !path.starts_with("//"));
            }
        }
    }
}
