//! Values: orders for a rack's image cache and their answers, to and from the wire.

use super::{InvalidMessage, parse, present, server};
use crate::{
    grpc as wire, hex,
    id::ServerId,
    image_cache::{
        CacheAnswer, CacheOrder, CacheState, CacheVerb, CachedImage, IMAGES_LISTED_MAX, SERVERS_LISTED_MAX,
        Standing,
    },
    text::bounded,
};

/// Longest id of an image, and longest reason, in characters.
const TEXT_CHARS_MAX: usize = 1000;
/// Digits of a SHA-512.
const SHA512_DIGITS: usize = 128;

impl From<CacheOrder> for wire::CacheOrder {
    fn from(order: CacheOrder) -> Self {
        use wire::cache_order::Order;
        let verb = match order.verb {
            CacheVerb::Look => Order::Look(wire::CacheLook {}),
            CacheVerb::Warm(image) => Order::Warm(image.into()),
            CacheVerb::Drop(sha512) => Order::Drop(sha512),
        };
        Self { id: order.id.to_string(), order: Some(verb) }
    }
}

impl TryFrom<wire::CacheOrder> for CacheOrder {
    type Error = InvalidMessage;
    fn try_from(order: wire::CacheOrder) -> Result<Self, InvalidMessage> {
        use wire::cache_order::Order;
        let verb = match present("CacheOrder.order", order.order)? {
            Order::Look(wire::CacheLook {}) => CacheVerb::Look,
            Order::Warm(image) => CacheVerb::Warm(image.try_into()?),
            Order::Drop(hash) => CacheVerb::Drop(sha512("CacheOrder.drop", hash)?),
        };
        Ok(Self { id: parse("CacheOrder.id", &order.id)?, verb })
    }
}

impl From<CacheAnswer> for wire::CacheAnswer {
    fn from(answer: CacheAnswer) -> Self {
        use wire::cache_answer::Outcome;
        let outcome = match answer.outcome {
            Ok(state) => Outcome::State(state.into()),
            Err(refused) => Outcome::Refused(refused),
        };
        Self { id: answer.id.to_string(), outcome: Some(outcome) }
    }
}

impl TryFrom<wire::CacheAnswer> for CacheAnswer {
    type Error = InvalidMessage;
    fn try_from(answer: wire::CacheAnswer) -> Result<Self, InvalidMessage> {
        use wire::cache_answer::Outcome;
        let outcome = match present("CacheAnswer.outcome", answer.outcome)? {
            Outcome::State(state) => Ok(state.try_into()?),
            Outcome::Refused(why) => Err(bounded(&why, TEXT_CHARS_MAX).into_owned()),
        };
        Ok(Self { id: parse("CacheAnswer.id", &answer.id)?, outcome })
    }
}

impl From<CacheState> for wire::CacheState {
    fn from(state: CacheState) -> Self {
        let CacheState { max_bytes, free_bytes, images, left_out } = state;
        Self { max_bytes, free_bytes, images: images.into_iter().map(Into::into).collect(), left_out }
    }
}

impl TryFrom<wire::CacheState> for CacheState {
    type Error = InvalidMessage;
    fn try_from(state: wire::CacheState) -> Result<Self, InvalidMessage> {
        let wire::CacheState { max_bytes, free_bytes, images, left_out } = state;
        if images.len() > IMAGES_LISTED_MAX {
            return Err(InvalidMessage::new(
                "CacheState.images",
                format!("has more than {IMAGES_LISTED_MAX}"),
            ));
        }
        let images = images.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Ok(Self { max_bytes, free_bytes, images, left_out })
    }
}

impl From<CachedImage> for wire::CachedImage {
    fn from(image: CachedImage) -> Self {
        let ids = |servers: Vec<ServerId>| servers.iter().map(ToString::to_string).collect();
        Self {
            sha512: image.sha512,
            id: image.id.unwrap_or_default(),
            standing: Some(image.standing.into()),
            waiting: ids(image.waiting),
            in_use: ids(image.in_use),
        }
    }
}

impl TryFrom<wire::CachedImage> for CachedImage {
    type Error = InvalidMessage;
    fn try_from(image: wire::CachedImage) -> Result<Self, InvalidMessage> {
        let wire::CachedImage { sha512: hash, id, standing, waiting, in_use } = image;
        Ok(Self {
            sha512: sha512("CachedImage.sha512", hash)?,
            id: (!id.is_empty()).then(|| bounded(&id, TEXT_CHARS_MAX).into_owned()),
            standing: present("CachedImage.standing", standing)?.into(),
            waiting: servers("CachedImage.waiting", &waiting)?,
            in_use: servers("CachedImage.in_use", &in_use)?,
        })
    }
}

impl From<Standing> for wire::cached_image::Standing {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Whole { bytes, used_s, unpacked } => {
                Self::Whole(wire::CachedWhole { bytes, used_s, unpacked })
            }
            Standing::UnderWay { received_bytes, size_bytes } => {
                Self::UnderWay(wire::CachedUnderWay { received_bytes, size_bytes })
            }
            Standing::Failed(why) => Self::Failed(why),
        }
    }
}

impl From<wire::cached_image::Standing> for Standing {
    fn from(standing: wire::cached_image::Standing) -> Self {
        use wire::cached_image::Standing as Wire;
        match standing {
            Wire::Whole(wire::CachedWhole { bytes, used_s, unpacked }) => {
                Self::Whole { bytes, used_s, unpacked }
            }
            Wire::UnderWay(wire::CachedUnderWay { received_bytes, size_bytes }) => {
                Self::UnderWay { received_bytes, size_bytes }
            }
            Wire::Failed(why) => Self::Failed(bounded(&why, TEXT_CHARS_MAX).into_owned()),
        }
    }
}

fn servers(field: &'static str, ids: &[String]) -> Result<Vec<ServerId>, InvalidMessage> {
    if ids.len() > SERVERS_LISTED_MAX {
        return Err(InvalidMessage::new(field, format!("has more than {SERVERS_LISTED_MAX}")));
    }
    ids.iter().map(|id| server(field, id)).collect()
}

fn sha512(field: &'static str, text: String) -> Result<String, InvalidMessage> {
    let is_hash = hex::is_lower_digits(&text, SHA512_DIGITS);
    is_hash.then_some(text).ok_or_else(|| InvalidMessage::new(field, "is not a SHA-512"))
}
