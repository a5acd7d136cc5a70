//! Decisions: what becomes of a frame that crosses between a link, where it carries a VLAN tag, and a network's bridge, where it
//! carries none (IEEE 802.1Q section 9).

use std::ops::RangeInclusive;

/// The VLANs that a frame can belong to; 0 means none, 4095 is reserved.
pub const VLANS: RangeInclusive<u16> = 1..=4094;

/// Two addresses, after which a frame says what it is.
const ADDRESSES: usize = 12;
/// Addresses and EtherType.
const HEADER: usize = 14;
/// EtherType of a tag, and of a provider's tag (802.1ad) around it.
const TAGGED: u16 = 0x8100;
const PROVIDER_TAGGED: u16 = 0x88a8;
/// The bits of a tag that name the VLAN; the others are priority.
const VLAN_BITS: u16 = 0x0fff;

/// One tag of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// EtherType: which kind of tag.
    pub protocol: u16,
    /// Priority and VLAN.
    pub control: u16,
}

impl Tag {
    /// The VLAN, if the tag is of the kind that servers use.
    pub fn vlan(self) -> Option<u16> {
        (self.protocol == TAGGED).then_some(self.control & VLAN_BITS)
    }
}

fn word(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..)?.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))
}

/// All tags of a frame, the outermost first, and its EtherType. `taken` is the tag that the kernel took off before it gave
/// the frame to us. None: it is cut short.
pub fn read(taken: Option<Tag>, frame: &[u8]) -> Option<(Vec<Tag>, u16)> {
    let mut tags = Vec::from_iter(taken);
    let mut at = ADDRESSES;
    loop {
        match word(frame, at)? {
            protocol @ (TAGGED | PROVIDER_TAGGED) => {
                tags.push(Tag { protocol, control: word(frame, at + 2)? });
                at += 4;
            }
            ethertype => return Some((tags, ethertype)),
        }
    }
}

/// What goes on from the link to the bridge of this VLAN's network: frames that carry its tag and no other. The kernel has
/// taken the outermost tag off every frame from a link, so that a frame with a tag still in it has two.
pub fn from_link(vlan: u16, taken: Option<Tag>, frame: &[u8]) -> Option<&[u8]> {
    let (tags, _) = read(taken, frame)?;
    let is_ours = taken.and_then(Tag::vlan) == Some(vlan) && tags.len() == 1;
    is_ours.then_some(frame)
}

/// What goes from the bridge onto the link: the frame with the tag in it. None: it is cut short, or has a tag of its own.
pub fn onto_link(vlan: u16, frame: &[u8]) -> Option<Vec<u8>> {
    let (tags, _) = read(None, frame)?;
    if !tags.is_empty() || frame.len() < HEADER {
        return None;
    }
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    Some([addresses, &TAGGED.to_be_bytes(), &(vlan & VLAN_BITS).to_be_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel does to a frame from a link before anybody hears it.
    fn as_heard(frame: &[u8]) -> (Option<Tag>, Vec<u8>) {
        match word(frame, ADDRESSES) {
            Some(protocol @ (TAGGED | PROVIDER_TAGGED)) => {
                let control = word(frame, ADDRESSES + 2).unwrap();
                (Some(Tag { protocol, control }), [&frame[..ADDRESSES], &frame[ADDRESSES + 4..]].concat())
            }
            _ => (None, frame.to_vec()),
        }
    }

    fn frame(words: &[u16]) -> Vec<u8> {
        let mut frame = vec![0xff; ADDRESSES];
        words.iter().for_each(|word| frame.extend(word.to_be_bytes()));
        frame.extend(b"payload");
        frame
    }

    #[test]
    fn only_the_one_tag_passes() {
        let plain = frame(&[0x0800]);
        let check = |words: &[u16], passes: bool| {
            let (taken, rest) = as_heard(&frame(words));
            assert_eq!(from_link(100, taken, &rest), passes.then_some(plain.as_slice()), "{words:x?}");
        };
        check(&[TAGGED, 100, 0x0800], true);
        // Priority is no part of where a frame belongs.
        check(&[TAGGED, 0xe000 | 100, 0x0800], true);
        check(&[0x0800], false);
        check(&[TAGGED, 101, 0x0800], false);
        check(&[TAGGED, 0, 0x0800], false);
        check(&[TAGGED, 4095, 0x0800], false);
        check(&[PROVIDER_TAGGED, 100, 0x0800], false);
        check(&[TAGGED, 100, TAGGED, 100, 0x0800], false);
        check(&[TAGGED, 100, TAGGED, 7, 0x0800], false);
        check(&[TAGGED, 7, TAGGED, 100, 0x0800], false);
        check(&[TAGGED, 100, PROVIDER_TAGGED, 7, 0x0800], false);
        assert_eq!(from_link(100, Some(Tag { protocol: TAGGED, control: 100 }), &plain[..13]), None);
    }

    #[test]
    fn a_frame_gets_its_tag_between_addresses_and_ethertype() {
        let check = |frame: &[u8], expected: Option<Vec<u8>>| assert_eq!(onto_link(100, frame), expected);
        check(&frame(&[0x0800]), Some(frame(&[0x8100, 0x0064, 0x0800])));
        check(&frame(&[TAGGED, 7, 0x0800]), None);
        check(&frame(&[PROVIDER_TAGGED, 7, 0x0800]), None);
        check(&frame(&[])[..13], None);
        check(&[], None);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_frame(vlan in VLANS, ethertype in 0x0600u16.., payload in any::<Vec<u8>>()) {
            prop_assume!(![TAGGED, PROVIDER_TAGGED].contains(&ethertype));
            let plain = [&[1; ADDRESSES], &ethertype.to_be_bytes()[..], &payload].concat();
            let tagged = onto_link(vlan, &plain).unwrap();
            prop_assert_eq!(tagged.len(), plain.len() + 4);
            let (taken, rest) = as_heard(&tagged);
            prop_assert_eq!(from_link(vlan, taken, &rest), Some(plain.as_slice()));
            let other = if vlan == 1 { 2 } else { vlan - 1 };
            prop_assert_eq!(from_link(other, taken, &rest), None);
            prop_assert_eq!(onto_link(vlan, &tagged), None);
        }

        #[test]
        fn any_bytes_are_survived(vlan in VLANS, protocol: u16, control: u16, bytes in any::<Vec<u8>>()) {
            let taken = Some(Tag { protocol, control });
            if let Some(passed) = from_link(vlan, taken, &bytes) {
                prop_assert_eq!((protocol, control & VLAN_BITS, passed), (TAGGED, vlan, bytes.as_slice()));
            }
            prop_assert_eq!(from_link(vlan, None, &bytes), None);
            let _ = onto_link(vlan, &bytes);
        }
    }
}
