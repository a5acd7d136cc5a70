//! Decisions: what of a file is sent: all of it, a part, or nothing because the client has it (RFC 9110 sections 13 and 14).

use std::{ops::Range, time::SystemTime};

use axum::http::{HeaderMap, Method, header};

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// How many bytes it has.
    pub len: u64,
    /// Its strong validator, in quotes.
    pub tag: Option<&'a str>,
    /// When it was changed last.
    pub modified: Option<SystemTime>,
}

/// What the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client thinks.
    Failed,
    /// 416: it has no such bytes.
    Unsatisfiable,
}

/// Selects by a request's conditions, in the order of RFC 9110 section 13.2.2.
pub fn select(method: &Method, headers: &HeaderMap, facts: Facts<'_>) -> Selection {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_after = |date: Option<SystemTime>| match (facts.modified.map(in_seconds), date) {
        (Some(modified), Some(date)) => modified > date,
        _ => false,
    };
    let date = |name| text(name).and_then(|value| httpdate::parse_http_date(value).ok());
    if let Some(wanted) = text(header::IF_MATCH) {
        if !names(wanted, facts.tag, Strength::Strong) {
            return Selection::Failed;
        }
    } else if is_after(date(header::IF_UNMODIFIED_SINCE)) {
        return Selection::Failed;
    }
    if let Some(known) = text(header::IF_NONE_MATCH) {
        if names(known, facts.tag, Strength::Weak) {
            return Selection::NotModified;
        }
    } else if let Some(since) = date(header::IF_MODIFIED_SINCE)
        && facts.modified.is_some()
        && !is_after(Some(since))
    {
        return Selection::NotModified;
    }
    // A range is defined for GET alone (section 14.2), and of something that the client has a part of.
    let is_the_same = text(header::IF_RANGE).is_none_or(|known| match httpdate::parse_http_date(known) {
        Ok(date) => facts.modified.map(in_seconds) == Some(date),
        Err(_) => facts.tag == Some(known.trim()),
    });
    match text(header::RANGE).filter(|_| *method == Method::GET && is_the_same) {
        Some(range) => part(range, facts.len),
        None => Selection::Whole,
    }
}

/// One range of bytes. Several of them, other units, and what is no range get the whole file, as is allowed.
fn part(range: &str, len: u64) -> Selection {
    let Some((unit, bounds)) = range.split_once('=') else { return Selection::Whole };
    let Some((first, last)) = bounds.trim().split_once('-') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number of bytes has: behind every end.
        true => Some(text.parse().unwrap_or(u64::MAX)),
        false => None,
    };
    let (first, end) = match (first.trim(), last.trim()) {
        ("", "") => return Selection::Whole,
        ("", last) => match number(last) {
            Some(last) => (len.saturating_sub(last), len),
            None => return Selection::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, len),
            None => return Selection::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(len)),
            _ => return Selection::Whole,
        },
    };
    if first < end { Selection::Part(first..end) } else { Selection::Unsatisfiable }
}

/// How tags are compared (section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

fn names(list: &str, tag: Option<&str>, strength: Strength) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let Some(tag) = tag else { return false };
    list.split(',').map(str::trim).any(|named| match (named.strip_prefix("W/"), strength) {
        (Some(weak), Strength::Weak) => weak == tag,
        (Some(_), Strength::Strong) => false,
        (None, _) => named == tag,
    })
}

/// HTTP's dates have whole seconds.
fn in_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// Changed at 00:16:40.5 of the first day.
    fn facts() -> Facts<'static> {
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500));
        Facts { len: 100, tag: Some("\"abc\""), modified }
    }

    fn selected(method: &Method, headers: &[(&str, &str)]) -> Selection {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        });
        select(method, &headers.collect(), facts())
    }

    #[test]
    fn a_range_is_one_part_of_the_file() {
        let check = |range: &str, expected: Selection| {
            assert_eq!(selected(&Method::GET, &[("range", range)]), expected, "{range}");
            assert_eq!(selected(&Method::HEAD, &[("range", range)]), Selection::Whole, "{range}");
        };
        check("bytes=0-0", Selection::Part(0..1));
        check("bytes=10-19", Selection::Part(10..20));
        check("Bytes = 10 - 19", Selection::Part(10..20));
        check("bytes=90-", Selection::Part(90..100));
        check("bytes=90-1000", Selection::Part(90..100));
        check("bytes=-10", Selection::Part(90..100));
        check("bytes=-1000", Selection::Part(0..100));
        check("bytes=0-99999999999999999999999", Selection::Part(0..100));
        check("bytes=100-", Selection::Unsatisfiable);
        check("bytes=99999999999999999999999-", Selection::Unsatisfiable);
        check("bytes=-0", Selection::Unsatisfiable);
        for none in
            ["bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=+1-2", "bytes=1-2,4-5", "lines=1-2", "x"]
        {
            check(none, Selection::Whole);
        }
    }

    #[test]
    fn conditions_count_in_their_order() {
        let check = |headers: &[(&str, &str)], expected: Selection| {
            assert_eq!(selected(&Method::GET, headers), expected, "{headers:?}");
        };
        let (then, before, after) = (
            "Thu, 01 Jan 1970 00:16:40 GMT",
            "Thu, 01 Jan 1970 00:16:39 GMT",
            "Thu, 01 Jan 1970 00:16:41 GMT",
        );
        check(&[("if-none-match", "\"abc\"")], Selection::NotModified);
        check(&[("if-none-match", "\"x\", W/\"abc\"")], Selection::NotModified);
        check(&[("if-none-match", "*")], Selection::NotModified);
        check(&[("if-none-match", "\"abcd\"")], Selection::Whole);
        check(&[("if-modified-since", then)], Selection::NotModified);
        check(&[("if-modified-since", after)], Selection::NotModified);
        check(&[("if-modified-since", before)], Selection::Whole);
        check(&[("if-modified-since", "yesterday")], Selection::Whole);
        // A tag says more than a time.
        check(&[("if-none-match", "\"x\""), ("if-modified-since", after)], Selection::Whole);
        check(&[("if-match", "\"x\"")], Selection::Failed);
        check(&[("if-match", "W/\"abc\"")], Selection::Failed);
        check(&[("if-match", "\"abc\"")], Selection::Whole);
        check(&[("if-unmodified-since", before)], Selection::Failed);
        check(&[("if-unmodified-since", then)], Selection::Whole);
        let range = ("range", "bytes=0-0");
        check(&[range, ("if-range", "\"abc\"")], Selection::Part(0..1));
        check(&[range, ("if-range", then)], Selection::Part(0..1));
        for other in ["\"x\"", "W/\"abc\"", before, after, "x"] {
            check(&[range, ("if-range", other)], Selection::Whole);
        }
        check(&[range, ("if-none-match", "\"abc\"")], Selection::NotModified);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "bytes=[0-9]{0,22}-[0-9]{0,22}", len in any::<u64>()) {
            if let Selection::Part(part) = part(&range, len) {
                prop_assert!(part.start < part.end && part.end <= len);
            }
        }
    }
}
