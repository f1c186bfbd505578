//! The beginnings of lines in which a date stands at a known place: what each byte may be, and which of them say when.
//!
//! What a search asked of each character of a line (see [`Machine::asked`]) tells which other lines it would have gone through in
//! the same way. Only a letter or a digit may differ from what was seen, and that by being another one; that is two
//! intervals of bytes at most, so sixteen of them are compared at once.
//!
//! [`Machine::asked`]: crate::filter::backtrack::Machine::asked

use std::ops::Range;

/// What the first bytes of a line may be. They are of ASCII, and hold no end of a line.
#[derive(Clone, Debug)]
pub struct Mold {
    rows: Box<[Row]>,
    /// Bytes that it asks for.
    length: usize,
}

/// How a line fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It says the same as the last one that was taken over.
    Same,
    /// It has a date at the same place.
    Alike,
}

/// Sixteen places: a byte has to be in one of the two intervals, each by its lowest byte and its length.
#[derive(Clone, Debug)]
struct Row {
    low: [u8; WIDE],
    length: [u8; WIDE],
    other_low: [u8; WIDE],
    other_length: [u8; WIDE],
    /// What was there last, and all bits of the places that say something.
    last: [u8; WIDE],
    says: [u8; WIDE],
}

impl Mold {
    /// From the beginning of a line, for each byte the set of those by which it may be replaced (a bit for each), and the
    /// places that say when. `None`: it is not of ASCII, or holds an end of a line.
    pub fn new(head: &[u8], same: &[u128], says: &[Range<usize>]) -> Option<Mold> {
        let ends = head.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if ends || !head.is_ascii() || same.len() < head.len() {
            return None;
        }
        let mut rows = vec![Row::ANY; head.len().div_ceil(WIDE)];
        for (at, (&byte, same)) in head.iter().zip(same).enumerate() {
            let (row, at) = (&mut rows[at / WIDE], at % WIDE);
            let (own, other) = intervals(byte, *same);
            (row.low[at], row.length[at]) = own;
            (row.other_low[at], row.other_length[at]) = other;
        }
        for at in says.iter().cloned().flatten().filter(|at| *at < head.len()) {
            rows[at / WIDE].says[at % WIDE] = u8::MAX;
        }
        let mut mold = Mold { rows: rows.into(), length: head.len() };
        mold.take(head);
        Some(mold)
    }

    /// Bytes that it asks for.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether a line (which may be followed by others) begins so.
    #[inline]
    pub fn fit(&self, line: &[u8]) -> Option<Fit> {
        let head = line.get(..self.length)?;
        let mut fit = Fit::Same;
        let (whole, rest) = head.as_chunks::<WIDE>();
        for (row, bytes) in self.rows.iter().zip(whole) {
            fit = row.fit(bytes, fit)?;
        }
        if rest.is_empty() {
            return Some(fit);
        }
        // The bytes that follow are as good as any: they are not asked for.
        match line[whole.len() * WIDE..].first_chunk() {
            Some(bytes) => self.rows.last()?.fit(bytes, fit),
            None => {
                let mut bytes = [0; WIDE];
                bytes[..rest.len()].copy_from_slice(rest);
                self.rows.last()?.fit(&bytes, fit)
            }
        }
    }

    /// Takes over what a line says that fits.
    pub fn take(&mut self, line: &[u8]) {
        for (row, bytes) in self.rows.iter_mut().zip(line[..self.length].chunks(WIDE)) {
            row.last[..bytes.len()].copy_from_slice(bytes);
        }
    }
}

impl Row {
    const ANY: Row = Row {
        low: [0; WIDE],
        length: [u8::MAX; WIDE],
        other_low: [0; WIDE],
        other_length: [u8::MAX; WIDE],
        last: [0; WIDE],
        says: [0; WIDE],
    };

    /// Without a branch for each byte, so that the compiler finds one instruction for all of them.
    #[inline]
    fn fit(&self, bytes: &[u8; WIDE], before: Fit) -> Option<Fit> {
        let (mut bad, mut differs) = ([0; WIDE], [0; WIDE]);
        for at in 0..WIDE {
            let byte = bytes[at];
            let own = byte.wrapping_sub(self.low[at]) <= self.length[at];
            let other = byte.wrapping_sub(self.other_low[at]) <= self.other_length[at];
            bad[at] = u8::from(!(own | other));
            differs[at] = (byte ^ self.last[at]) & self.says[at];
        }
        if u128::from_ne_bytes(bad) != 0 {
            return None;
        }
        Some(if u128::from_ne_bytes(differs) == 0 { before } else { Fit::Alike })
    }
}

/// The run of letters or of digits of a set in which a byte stands, and the longest other one.
fn intervals(byte: u8, same: u128) -> ((u8, u8), (u8, u8)) {
    if !byte.is_ascii_alphanumeric() {
        return ((byte, 0), (byte, 0));
    }
    let holds = |byte: u8| byte.is_ascii_alphanumeric() && same >> byte & 1 == 1;
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for byte in (0..128).filter(|byte| holds(*byte)) {
        match runs.last_mut() {
            Some((low, length)) if *low + *length + 1 == byte => *length += 1,
            _ => runs.push((byte, 0)),
        }
    }
    let own = runs.iter().copied().find(|(low, length)| (*low..=low + length).contains(&byte)).unwrap_or((byte, 0));
    let other = runs.into_iter().filter(|run| *run != own).max_by_key(|(_, length)| *length);
    (own, other.unwrap_or(own))
}

const WIDE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A line fits only where every byte is allowed, and always where it is what was seen; it says the same only where no
        /// byte differs that says something.
        #[test]
        fn what_fits_is_allowed(
            head in "[0-9a-f:./ A-Z-]{0,40}",
            sets in prop::collection::vec(any::<u128>(), 40),
            says in (0usize..40, 0usize..40),
            line in prop::collection::vec((0usize..40, prop::char::range('\0', '\u{7f}')), 0..4),
            behind in "[ -~]{0,20}",
        ) {
            let itself = |byte: &u8| 1u128 << byte;
            let sets: Vec<u128> = head.bytes().zip(sets).map(|(byte, set)| set | itself(&byte)).collect();
            let says = says.0.min(says.1)..says.0.max(says.1);
            let mold = Mold::new(head.as_bytes(), &sets, std::slice::from_ref(&says)).unwrap();
            prop_assert_eq!(mold.fit(head.as_bytes()), Some(Fit::Same));
            let mut other = head.clone().into_bytes();
            for (at, c) in line {
                if let Some(byte) = other.get_mut(at) {
                    *byte = c as u8;
                }
            }
            let differs = |at: &usize| head.as_bytes()[*at] != other[*at];
            let allowed = (0..head.len()).filter(differs).all(|at| {
                sets[at] >> other[at] & 1 == 1 && head.as_bytes()[at].is_ascii_alphanumeric() && other[at].is_ascii_alphanumeric()
            });
            let same = !(0..head.len()).filter(|at| says.contains(at)).any(|at| differs(&at));
            for line in [other.clone(), [&*other, behind.as_bytes()].concat()] {
                match mold.fit(&line) {
                    Some(fit) => prop_assert_eq!((allowed, fit), (true, if same { Fit::Same } else { Fit::Alike })),
                    None => prop_assert!(head.as_bytes() != other),
                }
            }
            if !head.is_empty() {
                prop_assert_eq!(mold.fit(&head.as_bytes()[1..]), None);
            }
        }
    }

    #[test]
    fn digits_and_hexadecimal_ones_may_be_any_and_signs_may_not() {
        let hex = (b'0'..=b'9').chain(b'a'..=b'f').fold(0, |set, byte| set | 1u128 << byte);
        let mut mold = Mold::new(b"5-a", &[hex, u128::MAX, hex], std::slice::from_ref(&(2..3))).unwrap();
        for (line, fit) in [
            ("5-a", Some(Fit::Same)),
            ("e-a x", Some(Fit::Same)),
            ("0-9", Some(Fit::Alike)),
            ("0:9", None),
            ("0-g", None),
            ("0-", None),
        ] {
            assert_eq!(mold.fit(line.as_bytes()), fit, "{line}");
        }
        mold.take(b"0-9");
        assert_eq!(mold.fit(b"a-9"), Some(Fit::Same));
        assert!(Mold::new("é".as_bytes(), &[0, 0], &[]).is_none());
        assert!(Mold::new(b"-\r", &[0, 0], &[]).is_none());
    }
}
