//! Values: which BMCs are asked: one of the command line, or a file with one a line.

use std::path::PathBuf;

use super::args::By;

/// Hosts of one file.
pub const HOSTS_MAX: usize = 20_000;

/// One BMC as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it is called in what is printed.
    pub name: String,
    /// Address or name.
    pub address: String,
    /// Port; none: the protocol's usual one.
    pub port: Option<u16>,
    /// User; none: the command line's.
    pub user: Option<String>,
    /// File with its password; none: the command line's.
    pub password_file: Option<PathBuf>,
    /// Protocol; none: the command line's.
    pub by: Option<By>,
}

/// Why a host cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not an address with or without a port.
    #[error("{0:?} is no ADDRESS[:PORT]; an IPv6 address with a port is written [2001:db8::1]:623")]
    Address(String),
    /// A word that is none of ours.
    #[error("line {line}: {word:?} is none of name=, user=, password-file=, by=ipmi, by=redfish")]
    Word {
        /// Which line, from 1.
        line: usize,
        /// The word.
        word: String,
    },
    /// An address that cannot be taken.
    #[error("line {line}: {source}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        source: Box<HostError>,
    },
    /// No hosts at all.
    #[error("the file names no host")]
    None,
    /// Too many.
    #[error("the file names more than {HOSTS_MAX} hosts; split it")]
    TooMany,
}

/// One host of the command line.
pub fn host(text: &str) -> Result<Host, HostError> {
    let bad = || HostError::Address(text.to_owned());
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            None => return Err(bad()),
        },
        // Several colons: an IPv6 address without a port.
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(address, port)| (address, Some(port))),
    };
    if address.is_empty() || address.chars().any(char::is_whitespace) {
        return Err(bad());
    }
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)).transpose()?;
    Ok(Host {
        name: text.to_owned(),
        address: address.to_owned(),
        port,
        user: None,
        password_file: None,
        by: None,
    })
}

/// The hosts of a file.
pub fn hosts(text: &str) -> Result<Vec<Host>, HostError> {
    let mut all = vec![];
    for (index, line) in text.lines().enumerate() {
        let said = line.split('#').next().unwrap_or_default();
        let mut words = said.split_whitespace();
        let Some(address) = words.next() else { continue };
        if all.len() >= HOSTS_MAX {
            return Err(HostError::TooMany);
        }
        let line = index + 1;
        let mut host = host(address).map_err(|source| HostError::Line { line, source: Box::new(source) })?;
        for word in words {
            set(&mut host, word).ok_or_else(|| HostError::Word { line, word: word.to_owned() })?;
        }
        all.push(host);
    }
    if all.is_empty() { Err(HostError::None) } else { Ok(all) }
}

fn set(host: &mut Host, word: &str) -> Option<()> {
    match word.split_once('=')? {
        ("name", name) => name.clone_into(&mut host.name),
        ("user", user) => host.user = Some(user.to_owned()),
        ("password-file", path) => host.password_file = Some(path.into()),
        ("by", "ipmi") => host.by = Some(By::Ipmi),
        ("by", "redfish") => host.by = Some(By::Redfish),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let check = |text: &str, expected: Option<(&str, Option<u16>)>| {
            let read = host(text).ok();
            let read = read.as_ref().map(|host| (host.address.as_str(), host.port));
            assert_eq!(read, expected, "{text}");
        };
        check("192.0.2.7", Some(("192.0.2.7", None)));
        check("192.0.2.7:9001", Some(("192.0.2.7", Some(9001))));
        check("bmc7.example", Some(("bmc7.example", None)));
        check("2001:db8::7", Some(("2001:db8::7", None)));
        check("[2001:db8::7]", Some(("2001:db8::7", None)));
        check("[2001:db8::7]:623", Some(("2001:db8::7", Some(623))));
        for bad in ["", ":623", "a:b", "192.0.2.7:0", "192.0.2.7:70000", "[::1", "[::1]x", "a b"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_file_names_hosts_and_what_is_special_of_each() {
        let text =
            "# rack 1\n192.0.2.7 name=srv7\n\n192.0.2.8:9001 user=root password-file=pw2 by=redfish # odd\n";
        let all = hosts(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].name.as_str(), all[0].port, all[0].by), ("srv7", None, None));
        assert_eq!((all[1].user.as_deref(), all[1].by), (Some("root"), Some(By::Redfish)));
        assert_eq!(all[1].password_file, Some("pw2".into()));
        assert_eq!(hosts("# nobody\n"), Err(HostError::None));
        let word = |word: &str| HostError::Word { line: 2, word: word.to_owned() };
        assert_eq!(hosts("a\nb password=secret"), Err(word("password=secret")));
        assert_eq!(
            hosts("a\nb:x").unwrap_err().to_string(),
            "line 2: \"b:x\" is no ADDRESS[:PORT]; an IPv6 address with a port is written [2001:db8::1]:623"
        );
        assert_eq!(hosts(&"a\n".repeat(HOSTS_MAX + 1)), Err(HostError::TooMany));
    }
}
