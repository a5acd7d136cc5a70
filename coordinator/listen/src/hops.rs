//! Decisions: whom a request is from that came through proxies.
//!
//! ```text
//!   client --> proxy --> proxy --> us        X-Forwarded-For: (whatever the client wrote), client, proxy
//!      ^                  peer                                                              <------ read this way
//!      the first one, from the right, that is no proxy of ours
//! ```
//!
//! What must stay true: a word counts only from a proxy that the site names, and what stands to the left of the first foreign
//! address is whatever its sender liked, so it is not read. Only the header that the site's proxies write is looked at:
//! they pass the other one on as they got it. Where a proxy's word makes no sense, the request is the proxy's own.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header::HeaderName};
use ipnet::IpNet;

/// Most proxies in a row that are looked behind.
const HOPS_MAX: usize = 16;

/// The header in which proxies say whom a request is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, which nearly all of them write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Proxies whose word is believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    networks: Vec<IpNet>,
    by: ForwardedBy,
}

/// Why a text is no network of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoNetwork {
    /// It is no address and no prefix.
    #[error("is neither an address nor a network, write one as 192.0.2.10, 192.0.2.0/24 or 2001:db8::/64")]
    Unreadable,
    /// Its address goes on after its prefix.
    #[error("has host bits set, write the address alone or the network as {0}")]
    Within(IpNet),
    /// Everybody lies in it.
    #[error("includes every address, so that anybody could claim any address; list only the proxies")]
    Everybody,
}

/// Reads an address or a network.
pub fn network(text: &str) -> Result<IpNet, NoNetwork> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| NoNetwork::Unreadable)?;
    match network.trunc() {
        whole if whole != network => Err(NoNetwork::Within(whole)),
        whole if whole.prefix_len() == 0 => Err(NoNetwork::Everybody),
        whole => Ok(whole),
    }
}

impl Proxies {
    /// In these networks, with their clients' addresses in this header.
    pub fn new(networks: Vec<IpNet>, by: ForwardedBy) -> Self {
        Self { networks, by }
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whom a request is from whose connection comes from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return client;
        }
        let name = match self.by {
            ForwardedBy::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedBy::Forwarded => HeaderName::from_static("forwarded"),
        };
        // Several lines of a header are one, in their order (RFC 9110, section 5.3).
        let lines = headers.get_all(name).into_iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(HOPS_MAX) {
            let Some(address) = self.address(hop.trim()) else { return client };
            client = address;
            if !self.trust(client) {
                return client;
            }
        }
        client
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    fn address(&self, hop: &str) -> Option<IpAddr> {
        match self.by {
            ForwardedBy::XForwardedFor => node(hop),
            ForwardedBy::Forwarded => forwarded_for(hop),
        }
    }
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// The address in an element of `Forwarded` (RFC 7239, section 4): pairs whose values are tokens or stand in quotes. It is read
/// strictly, because a comma inside quotes that somebody else filled would leave quotes without their other half. `unknown`
/// and names that hide an address (section 6.3) are no addresses.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find(['"', '\\']).filter(|at| quoted[*at..].starts_with('"'))?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        let is_token = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
        };
        let is_quoted = after.starts_with('"');
        if !is_token(name.trim()) || !(is_quoted || is_token(value) || node(value).is_some()) {
            return None;
        }
        if name.trim().eq_ignore_ascii_case("for") && found.replace(node(value)?).is_some() {
            return None;
        }
        match left.strip_prefix(';') {
            Some(more) => rest = more,
            None if left.is_empty() => return found,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "192.0.2.10";

    fn proxies(by: ForwardedBy) -> Proxies {
        Proxies::new(["192.0.2.0/28", "2001:db8::/64"].map(|text| network(text).unwrap()).into(), by)
    }

    fn client(by: ForwardedBy, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        proxies(by).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_named_proxy_is_believed_and_only_what_it_says_itself() {
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(client(ForwardedBy::XForwardedFor, peer, &lines), expected, "{peer} {lines:?}");
        };
        // Nobody else's word counts.
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("192.0.2.16", &["198.51.100.1"], "192.0.2.16");
        check(PROXY, &[], PROXY);
        check(PROXY, &["198.51.100.1"], "198.51.100.1");
        check("::ffff:192.0.2.10", &["198.51.100.1"], "198.51.100.1");
        check("2001:db8::5", &["2001:db8:1::1"], "2001:db8:1::1");
        // What a client writes itself stands to the left of what the proxy adds.
        check(PROXY, &["127.0.0.1, 198.51.100.1"], "198.51.100.1");
        check(PROXY, &["192.0.2.11, 10.0.0.1 , 198.51.100.1"], "198.51.100.1");
        check(PROXY, &["127.0.0.1", "10.0.0.1, 198.51.100.1"], "198.51.100.1");
        check(PROXY, &["198.51.100.1", "127.0.0.1"], "127.0.0.1");
        // Several proxies in a row.
        check(PROXY, &["6.6.6.6, 198.51.100.1, 192.0.2.2, 192.0.2.3"], "198.51.100.1");
        check(PROXY, &["192.0.2.2, 192.0.2.3"], "192.0.2.2");
        let many = vec!["192.0.2.2"; HOPS_MAX].join(", ");
        check(PROXY, &["198.51.100.1", &many], "192.0.2.2");
        // With ports, in brackets, mapped.
        check(PROXY, &["198.51.100.1:4711"], "198.51.100.1");
        check(PROXY, &["[2001:db8:1::1]:4711"], "2001:db8:1::1");
        check(PROXY, &["[2001:db8:1::1]"], "2001:db8:1::1");
        check(PROXY, &["::ffff:198.51.100.1"], "198.51.100.1");
        // What makes no sense is the proxy's own.
        for strange in
            ["", ",", "unknown", "198.51.100.1 x", "198.51.100.1,", "1.2.3.4.5", "\"198.51.100.1\""]
        {
            check(PROXY, &["198.51.100.7", strange], PROXY);
        }
    }

    #[test]
    fn the_standard_header_is_read_as_it_is_written() {
        let check = |value: &str, expected: &str| {
            assert_eq!(client(ForwardedBy::Forwarded, PROXY, &[("forwarded", value)]), expected, "{value}");
        };
        // RFC 7239, section 4.
        check("for=192.0.2.43, for=198.51.100.17", "198.51.100.17");
        check("for=203.0.113.60;proto=http;by=203.0.113.43", "203.0.113.60");
        check("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check("proto=https;for=198.51.100.1", "198.51.100.1");
        check("for=198.51.100.1;host=\"bms.example:443\"", "198.51.100.1");
        check("for=127.0.0.1, for=198.51.100.1, for=192.0.2.3", "198.51.100.1");
        // No address, or none that the proxy can have meant.
        for strange in [
            "for=unknown",
            "for=_hidden",
            "for=\"_gazonk\"",
            "proto=https",
            "for=",
            "for",
            "for=198.51.100.1;for=198.51.100.2",
            "for=198.51.100.1;",
            "for=\"198.51.100.1",
            "for=198.51.100.1\"",
            "for=198.51.100.1;host=\"a\\\"b\"",
            "for=198.51.100.1 proto=http",
        ] {
            check(&format!("for=198.51.100.7, {strange}"), PROXY);
        }
        // A name of a host that somebody filled with commas and quotes.
        for host in ["x, for=6.6.6.6", "x, for=6.6.6.6;a=", "x, for=6.6.6.6;a=b, ", "x, for=6.6.6.6, y"] {
            let said = client(
                ForwardedBy::Forwarded,
                PROXY,
                &[("forwarded", &format!("for=198.51.100.1;host=\"{host}\""))],
            );
            assert_eq!(said, PROXY, "{host}");
        }
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_is_not_read() {
        let both = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.2")];
        assert_eq!(client(ForwardedBy::XForwardedFor, PROXY, &both), "198.51.100.1");
        assert_eq!(client(ForwardedBy::Forwarded, PROXY, &both), "198.51.100.2");
        assert_eq!(client(ForwardedBy::Forwarded, PROXY, &both[..1]), PROXY);
    }

    #[test]
    fn a_network_is_read_or_refused_with_the_remedy() {
        let check = |text: &str, expected: &str| {
            let said = network(text).map_or_else(|why| why.to_string(), |network| network.to_string());
            assert!(said.contains(expected), "{text}: {said}");
        };
        check("192.0.2.10", "192.0.2.10/32");
        check("::ffff:192.0.2.10", "192.0.2.10/32");
        check("192.0.2.0/24", "192.0.2.0/24");
        check("2001:db8::/64", "2001:db8::/64");
        check("192.0.2.10/24", "the network as 192.0.2.0/24");
        check("0.0.0.0/0", "every address");
        check("192.0.2.0/33", "write one as");
        check("proxy.example", "write one as");
    }

    proptest! {
        /// Whatever a client writes: it is its own address or, where it breaks the proxy's word, the proxy's.
        #[test]
        fn nobody_claims_another_address(forged in "[ -~]{0,60}") {
            for (by, name, own) in [
                (ForwardedBy::XForwardedFor, "x-forwarded-for", "198.51.100.1"),
                (ForwardedBy::Forwarded, "forwarded", "for=198.51.100.1"),
            ] {
                let line = format!("{forged}, {own}");
                prop_assert_eq!(client(by, PROXY, &[(name, &line)]), "198.51.100.1");
            }
        }
    }
}
