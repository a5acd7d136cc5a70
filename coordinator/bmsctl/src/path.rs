//! Values: paths of the REST API that hold what a person typed.

use anyhow::ensure;

use domain::url_text::segment;

/// The path below `/v1` of these segments, each of them one whatever characters it has.
///
/// # Errors
/// A segment that a URL cannot hold as a name: nothing, `.` or `..` (RFC 3986, section 3.3).
pub fn path(segments: &[&str]) -> anyhow::Result<String> {
    let mut path = "/v1".to_owned();
    for text in segments {
        ensure!(!["", ".", ".."].contains(text), "{text:?} is not a name or id; use one that the list shows");
        path.push('/');
        path.push_str(&segment(text));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_typed_is_one_segment_or_refused() {
        let check = |segments: &[&str], expected: Option<&str>| {
            assert_eq!(path(segments).ok().as_deref(), expected, "{segments:?}");
        };
        check(&["images", "web"], Some("/v1/images/web"));
        check(&["images", "web#2"], Some("/v1/images/web%232"));
        check(&["images", "web?all=true"], Some("/v1/images/web%3Fall%3Dtrue"));
        check(&["nodes", "a/b", "proofs"], Some("/v1/nodes/a%2Fb/proofs"));
        for nothing in ["", ".", ".."] {
            check(&["servers", nothing], None);
            check(&["nodes", nothing, "proofs"], None);
        }
    }
}
