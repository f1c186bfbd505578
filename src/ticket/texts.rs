//! Several texts in one allocation: what is kept of each failing address has to be small.

use std::fmt;

/// A list of texts, one behind the other, each after its length; an empty list owns nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts(Box<[u8]>);

impl Texts {
    /// These texts; they are gone through twice.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Texts {
        let mut bytes = Vec::with_capacity(texts.clone().map(|text| width(text.len()) + text.len()).sum());
        texts.for_each(|text| push(&mut bytes, text));
        Texts(bytes.into_boxed_slice())
    }

    /// The texts that [`Texts::as_bytes`] gave; of bytes that are damaged, those before the damage.
    pub fn from_bytes(bytes: &[u8]) -> Texts {
        let mut rest = bytes;
        while let Some((_, tail)) = split(rest) {
            rest = tail;
        }
        Texts(bytes[..bytes.len() - rest.len()].into())
    }

    /// All of them, to be written down.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (text, tail) = split(rest)?;
            rest = tail;
            Some(text)
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that they take, lengths included.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Seven bits of the length a byte, the lowest first; the last byte's eighth is clear.
fn push(bytes: &mut Vec<u8>, text: &str) {
    let mut len = text.len();
    while len >= 128 {
        bytes.push(len as u8 | 128);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(text.as_bytes());
}

/// The first text and what follows it; `None` where there is none, or none that is whole.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let width = bytes.iter().take(MAX_WIDTH).position(|byte| byte & 128 == 0)? + 1;
    let len = bytes[..width].iter().rev().fold(0, |len: usize, byte| len << 7 | usize::from(byte & 127));
    let (text, rest) = bytes[width..].split_at_checked(len)?;
    Some((str::from_utf8(text).ok()?, rest))
}

/// Bytes of a length.
fn width(len: usize) -> usize {
    (usize::BITS - (len | 1).leading_zeros()).div_ceil(7) as usize
}

/// Bytes of the longest length that is read: 4 TiB.
const MAX_WIDTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_come_back() {
        let long = [127, 128, 70_000].map(|len| "x".repeat(len));
        let texts = ["", "a", "ä\0", &long[0], &long[1], &long[2]];
        let packed = Texts::new(texts.iter().copied());
        assert!(packed.iter().eq(texts));
        assert_eq!(packed.bytes(), texts.iter().map(|text| text.len()).sum::<usize>() + 1 + 1 + 1 + 1 + 2 + 3);
        assert_eq!((Texts::default().iter().count(), Texts::default().is_empty()), (0, true));
        assert_eq!(Texts::from_bytes(packed.as_bytes()), packed);
    }

    #[test]
    fn damaged_bytes_give_what_stands_before_the_damage() {
        for damage in [&b"\x05abc"[..], b"\x01\xff", b"\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80"] {
            let bytes = [b"\x02ok", damage].concat();
            assert!(Texts::from_bytes(&bytes).iter().eq(["ok"]), "{damage:?}");
        }
    }
}
