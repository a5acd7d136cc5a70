//! Decisions: which file a deployment writes. The image service names it and, while it is away, is waited for within a bound; a file
//! that it has named before is known by its hash, and the rack may hold it: that needs no image service.

use std::{collections::HashMap, time::Duration};

use domain::rim::{ImageLookupError, ImageNews};
use protocol::step::ImageRef;

/// How long a deployment waits for an image service that is away.
pub const IMAGE_WAIT_MAX: Duration = Duration::from_secs(120);
/// How often it is asked meanwhile.
pub const IMAGE_PAUSE: Duration = Duration::from_secs(2);
/// Images that are remembered.
pub const KNOWN_MAX: usize = 256;

/// Images that the image service has named to this process. An image's bytes, and so its hash, never change.
#[derive(Debug, Default)]
pub struct KnownImages(HashMap<String, ImageRef>);

/// How a deployment goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write this file.
    Write(ImageRef),
    /// Ask again after [`IMAGE_PAUSE`].
    Ask,
    /// It fails, and this is said to Ironic, the administrator and the tenant.
    Fail(String),
}

impl KnownImages {
    /// How it goes on after this answer, and what is to be told. `waited`: since the first question; `told`: that it waits.
    pub fn next(
        &mut self,
        answer: Result<ImageRef, ImageLookupError>,
        waited: Duration,
        told: bool,
    ) -> (Next, Option<ImageNews>) {
        let (id, error) = match answer {
            Ok(image) => {
                self.keep(&image);
                return (Next::Write(image), told.then_some(ImageNews::Found));
            }
            Err(error @ ImageLookupError::Unusable { .. }) => return fails(error.to_string()),
            Err(error @ ImageLookupError::Unavailable { .. }) => (error.id().to_owned(), error),
        };
        let most = IMAGE_WAIT_MAX.as_secs();
        match self.0.get(&id) {
            Some(image) => {
                let text = format!(
                    "{error}; it is known by its hash, and read from the rack's cache if it is there"
                );
                (Next::Write(image.clone()), Some(ImageNews::Waits(text)))
            }
            None if waited >= IMAGE_WAIT_MAX => {
                fails(format!("{error}; it was waited for {} s", waited.as_secs()))
            }
            None => {
                let news = ImageNews::Waits(format!("{error}; it is asked again for up to {most} s"));
                (Next::Ask, (!told).then_some(news))
            }
        }
    }

    fn keep(&mut self, image: &ImageRef) {
        if self.0.len() >= KNOWN_MAX && !self.0.contains_key(&image.id) {
            // Which one does not matter: to have forgotten one costs a wait in a rare hour.
            let any = self.0.keys().next().cloned();
            any.and_then(|id| self.0.remove(&id));
        }
        self.0.insert(image.id.clone(), image.clone());
    }
}

fn fails(reason: String) -> (Next, Option<ImageNews>) {
    (Next::Fail(reason.clone()), Some(ImageNews::Failed(reason)))
}

#[cfg(test)]
mod tests {
    use protocol::step::ImageFormat;

    use super::*;

    fn image(id: &str) -> ImageRef {
        ImageRef { id: id.to_owned(), format: ImageFormat::Raw, size_bytes: 1, sha512: "ab".repeat(64) }
    }

    fn away() -> Result<ImageRef, ImageLookupError> {
        Err(ImageLookupError::Unavailable { id: "demo".to_owned(), reason: "connection refused".to_owned() })
    }

    fn unfit() -> Result<ImageRef, ImageLookupError> {
        Err(ImageLookupError::Unusable { id: "demo".to_owned(), reason: "it has no SHA-512".to_owned() })
    }

    #[test]
    fn an_image_service_that_is_away_is_waited_for_within_a_bound() {
        let check =
            |known: bool, answer, waited_s, told, expected: Result<Next, &str>, news: Option<&str>| {
                let mut images = KnownImages::default();
                if known {
                    images.keep(&image("demo"));
                }
                let (next, heard) = images.next(answer, Duration::from_secs(waited_s), told);
                match (&next, &expected) {
                    (Next::Fail(text), Err(words)) => assert!(text.contains(words), "{text}"),
                    (next, Ok(expected)) => assert_eq!(*next, *expected),
                    (next, Err(_)) => panic!("{next:?}, expected {expected:?}"),
                }
                assert_eq!(heard.is_some(), news.is_some(), "{heard:?}");
                assert!(format!("{heard:?}").contains(news.unwrap_or_default()), "{heard:?}");
            };
        let write = || Ok(Next::Write(image("demo")));
        check(false, Ok(image("demo")), 0, false, write(), None);
        check(false, Ok(image("demo")), 25, true, write(), Some("Found"));
        check(false, away(), 0, false, Ok(Next::Ask), Some("connection refused"));
        check(false, away(), 119, true, Ok(Next::Ask), None);
        check(false, away(), 120, true, Err("waited for 120 s"), Some("Failed"));
        check(false, unfit(), 0, false, Err("no SHA-512"), Some("Failed"));
        check(false, unfit(), 25, true, Err("no SHA-512"), Some("Failed"));
        // A file that was named before needs nobody; what is known to be wrong is heeded.
        check(true, away(), 0, false, write(), Some("known by its hash"));
        check(true, unfit(), 0, false, Err("no SHA-512"), Some("Failed"));
    }

    #[test]
    fn what_was_named_once_is_remembered_within_a_bound() {
        let mut known = KnownImages::default();
        for number in 0..KNOWN_MAX + 10 {
            known.next(Ok(image(&number.to_string())), Duration::ZERO, false);
        }
        assert_eq!(known.0.len(), KNOWN_MAX);
        assert!(known.0.contains_key(&(KNOWN_MAX + 9).to_string()));
    }
}
