//! Values: an error with its causes, in one line for a person, or as one of them for a decision.
//!
//! An error's own text does not name its cause, so whoever shows it shows the chain, once, at the top.

use std::{error::Error, io, iter};

/// The error and all its causes, from the outermost on, in one line. A cause whose text the line ends with already is not said
/// again: some errors name their cause themselves.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    for cause in iter::successors(error.source(), |&error| error.source()) {
        let cause = cause.to_string();
        if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// An error and its causes, the outermost first. Errors of the system's can be wrapped around another one without naming it as their
/// cause; it is among them.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The first error of one type in the chain.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: Option<Box<dyn Error>>,
    }

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("reset by peer")]
    struct Reset;

    fn outer(text: &'static str, source: impl Error + 'static) -> Outer {
        Outer { text, source: Some(Box::new(source)) }
    }

    #[test]
    fn every_cause_is_said_once() {
        let check = |error: &dyn Error, expected: &str| assert_eq!(chain(error), expected);
        check(&Reset, "reset by peer");
        check(&outer("cannot connect", Reset), "cannot connect: reset by peer");
        check(&outer("a", outer("b", outer("c", Reset))), "a: b: c: reset by peer");
        check(&outer("cannot connect: reset by peer", Reset), "cannot connect: reset by peer");
        check(&outer("a", outer("b: reset by peer", Reset)), "a: b: reset by peer");
        check(&outer("a", outer("a", Reset)), "a: reset by peer");
        check(&Outer { text: "alone", source: None }, "alone");
    }

    #[test]
    fn a_cause_is_found_however_it_is_wrapped() {
        let hidden = || io::Error::other(io::Error::other(Reset));
        assert_eq!(find::<Reset>(&Reset), Some(&Reset));
        assert_eq!(find::<Reset>(&outer("a", outer("b", Reset))), Some(&Reset));
        assert_eq!(find::<Reset>(&outer("a", hidden())), Some(&Reset));
        assert_eq!(find::<Reset>(&outer("a", io::Error::other("reset by peer"))), None);
    }
}
