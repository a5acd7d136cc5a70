//! Decisions: from where images may be put into virtual drives. A BMC fetches an image from within the BMCs' network, and what is in a drive
//! may be booted, so neither the address nor the content is left to whoever asks: a site names the beginnings of good addresses.

use protocol::bmc_order::IMAGE_BYTES_MAX;

/// Most sources of a site.
pub const SOURCES_MAX: usize = 64;
/// The schemes that a source may have.
const SCHEMES: [&str; 4] = ["https://", "http://", "nfs://", "cifs://"];

/// The sources of a site; none is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaSources(Vec<String>);

impl MediaSources {
    /// These beginnings of addresses. Each has a scheme and a host, and ends in a slash: nothing can be added to the host's name.
    ///
    /// # Errors
    /// One of them is not so, or there are more than [`SOURCES_MAX`].
    pub fn new<T: Into<String>>(sources: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let sources: Vec<String> = sources.into_iter().map(Into::into).collect();
        if sources.len() > SOURCES_MAX {
            return Err(format!("has {} entries; at most {SOURCES_MAX} are allowed", sources.len()));
        }
        match sources.iter().find(|source| !is_source(source)) {
            None => Ok(Self(sources)),
            Some(bad) => Err(format!(
                "{bad:?} is no beginning of an address: it needs one of {}, a host, and a slash at its end, and no user, query or `..`",
                SCHEMES.join(", ")
            )),
        }
    }

    /// Whether this address is below one of the sources, however a server reads it.
    pub fn has(&self, address: &str) -> bool {
        self.0.iter().any(|source| address.strip_prefix(source.as_str()).is_some_and(is_below))
    }

    /// Whether an image at this address may be put into a drive; else why not, with the remedy.
    ///
    /// # Errors
    /// Its address is of no source, or is written so that it may mean another one.
    pub fn admit(&self, image: &str) -> Result<(), String> {
        if image.len() > IMAGE_BYTES_MAX {
            return Err(format!("the image's address has more than {IMAGE_BYTES_MAX} bytes"));
        }
        if self.has(image) {
            return Ok(());
        }
        let known = match self.0.is_empty() {
            true => "none is named yet".to_owned(),
            false => format!("they are {}", self.0.join(", ")),
        };
        Err(format!(
            "its address is of no source of images that this site allows ({known}); add the source to facade.media_from in the \
             coordinator's configuration, or use an image of one of them"
        ))
    }
}

fn is_source(source: &str) -> bool {
    let rest = SCHEMES.iter().find_map(|scheme| source.strip_prefix(scheme));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    !host.is_empty() && !host.contains('@') && is_plain(host) && source.ends_with('/') && is_below(path)
}

/// Whether a path stays below where it begins, however a server reads it.
fn is_below(path: &str) -> bool {
    let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let path = path.split('?').next().unwrap_or_default();
    is_visible && is_plain(path) && !path.split('/').any(|part| part == ".." || part == ".")
}

/// Characters that mean themselves: no escape, no back-slash, nothing invisible.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/:[]+=@,()".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_a_source_is_admitted() {
        let sources = MediaSources::new(["https://images.example/iso/", "http://192.0.2.9:8080/"]).unwrap();
        let check =
            |image: &str, expected: bool| assert_eq!(sources.admit(image).is_ok(), expected, "{image}");
        check("https://images.example/iso/a.iso", true);
        check("https://images.example/iso/d/a-1.0_(x)~.iso?sig=%2e%2e", true);
        check("http://192.0.2.9:8080/a.iso", true);
        // Another host, another port, another path, another scheme.
        check("https://images.example.evil/iso/a.iso", false);
        check("https://images.example@192.0.2.1/iso/a.iso", false);
        check("http://192.0.2.9:80801/a.iso", false);
        check("http://images.example/iso/a.iso", false);
        check("https://images.example/other/a.iso", false);
        // Written so that it may mean another one.
        check("https://images.example/iso/../secret", false);
        check("https://images.example/iso/%2e%2e/secret", false);
        check("https://images.example/iso/..\\secret", false);
        check("https://images.example/iso/a\r\nHost: x", false);
        check("https://images.example/iso/a.iso?x=1\r\nHost: x", false);
        check(&format!("https://images.example/iso/{}", "a".repeat(IMAGE_BYTES_MAX)), false);
        check("", false);
        assert!(
            MediaSources::default().admit("https://images.example/a.iso").is_err(),
            "none is the default"
        );
    }

    #[test]
    fn a_source_is_a_whole_host_with_a_slash_behind() {
        let check = |source: &str, expected: bool| {
            assert_eq!(MediaSources::new([source]).is_ok(), expected, "{source}");
        };
        check("https://images.example/", true);
        check("nfs://[2001:db8::1]/exports/iso/", true);
        check("https://images.example", false);
        check("https://images.example/iso", false);
        check("https://u:p@images.example/", false);
        check("https:///", false);
        check("ftp://images.example/", false);
        check("https://images.example/../", false);
        check("images.example/", false);
        assert!(MediaSources::new(vec!["https://a/"; SOURCES_MAX + 1]).is_err());
    }
}
