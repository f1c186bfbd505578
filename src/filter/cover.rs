//! A few short texts in the place of many literals, chosen by what the log holds.
//!
//! Where a literal stands, each four bytes of it stand. So some such pieces that together stand in all literals find every
//! line that the literals find, and other lines too. They are chosen to be few, because the search compares so many pieces
//! at once, and seldom in a sample of the log, because each time one is found costs a closer look. Whatever the sample, no
//! line is lost.

/// Texts of which each of `literals` holds one, few of them and such as `sample` hardly holds, in the order in which they are
/// best searched for. `None` where a literal is empty.
pub fn cover(literals: &[Vec<u8>], sample: &[u8]) -> Option<Vec<Vec<u8>>> {
    let length = literals.iter().map(Vec::len).min()?.min(PIECE);
    if length == 0 {
        return None;
    }
    let windows =
        |(n, literal): (usize, &Vec<u8>)| literal.windows(length).map(move |window| (key(window), n)).collect();
    let mut places: Vec<(u32, usize)> = literals.iter().enumerate().flat_map::<Vec<_>, _>(windows).collect();
    places.sort_unstable();
    places.dedup();
    let pieces = places.chunk_by(|one, other| one.0 == other.0);
    let mut pieces: Vec<_> = pieces.map(|places| Piece { key: places[0].0, places, new: 0, found: 0 }).collect();
    count(&mut pieces, length, sample);
    let mut open = vec![true; literals.len()];
    let mut texts = Vec::new();
    while open.contains(&true) {
        pieces.retain_mut(|piece| {
            piece.new = piece.places.iter().filter(|(_, n)| open[*n]).count() as u64;
            piece.new > 0
        });
        // The cheapest by what it costs for each literal that it settles.
        let price = |piece: &Piece<'_>| piece.found + PRICE;
        let best = pieces.iter().min_by(|one, other| (price(one) * other.new).cmp(&(price(other) * one.new)))?;
        let settled = best.places.iter().map(|(_, n)| *n).filter(|n| std::mem::replace(&mut open[*n], false));
        let behind = settled.filter_map(|n| {
            let at = literals[n].windows(length).position(|window| key(window) == best.key)?;
            Some(&literals[n][at..])
        });
        texts.extend(behind.reduce(shared).map(<[u8]>::to_vec));
    }
    Some(dealt(texts))
}

/// A few bytes that stand in literals.
struct Piece<'p> {
    key: u32,
    /// In which, by their numbers.
    places: &'p [(u32, usize)],
    /// In how many of those that none of the texts stands in so far.
    new: u64,
    /// How often it stands in the sample.
    found: u64,
}

/// The pieces come in the order of their keys.
fn count(pieces: &mut [Piece<'_>], length: usize, sample: &[u8]) {
    let slot = |key: u32| (key.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOTS)) as usize;
    // Hardly anything in the sample is a piece, and this says so sooner than a search.
    let mut some = vec![false; 1 << SLOTS];
    pieces.iter().for_each(|piece| some[slot(piece.key)] = true);
    let mask = u32::MAX >> (8 * (PIECE - length));
    let mut key = 0;
    for byte in sample {
        key = (key << 8 | u32::from(*byte)) & mask;
        if some[slot(key)]
            && let Ok(at) = pieces.binary_search_by_key(&key, |piece| piece.key)
        {
            pieces[at].found += 1;
        }
    }
}

fn key(piece: &[u8]) -> u32 {
    piece.iter().fold(0, |key, byte| key << 8 | u32::from(*byte))
}

/// What two texts begin with.
fn shared<'a>(one: &'a [u8], other: &[u8]) -> &'a [u8] {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    &one[..same]
}

/// The vector search takes texts together whose numbers are equal in the remainder by eight, and compares half bytes: texts
/// that begin alike make least trouble together. Where a row would be short, a text stands in it twice.
fn dealt(mut texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    texts.sort();
    let group = |k: usize| &texts[k * texts.len() / GROUPS..(k + 1) * texts.len() / GROUPS];
    let rows = texts.len().div_ceil(GROUPS);
    let row = |row: usize| (0..GROUPS).filter_map(move |k| group(k).get(row).or(group(k).last()).cloned());
    (0..rows).flat_map(row).collect()
}

/// Bytes of a piece: so many of each text the vector search compares.
const PIECE: usize = 4;
/// What one text more costs, in findings of one in the sample.
const PRICE: u64 = 1;
/// Texts that the vector search tells apart at once.
const GROUPS: usize = 8;
/// Bits of a place in the table.
const SLOTS: u32 = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(literals: &[&str], sample: &str) -> Option<Vec<String>> {
        let literals: Vec<Vec<u8>> = literals.iter().map(|l| l.as_bytes().to_vec()).collect();
        let texts = cover(&literals, sample.as_bytes())?;
        Some(texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
    }

    #[test]
    fn literals_that_share_something_seldom_become_one_text() {
        let literals = ["Event=\"BadPassword\"", "Event=\"BadAccount\"", "login denied"];
        assert_eq!(of(&literals, ""), Some(vec![" denied".into(), "\"Bad".into()]));
        let sample = "Day=\"Bad\" was denied\n";
        assert_eq!(of(&literals, sample), Some(vec!["Event=\"Bad".into(), "gin denied".into()]));
        assert_eq!(of(&["abcd", "xabcy", "abc"], "abc"), Some(vec!["abc".into()]));
    }

    #[test]
    fn texts_that_begin_alike_stand_eight_apart() {
        let literals: Vec<String> = (0..10).map(|n| format!("{}{n}{n}{n}", ["abc", "xyz"][n % 2])).collect();
        let texts = of(&literals.iter().map(String::as_str).collect::<Vec<_>>(), &"abc xyz ".repeat(9)).unwrap();
        assert_eq!(texts.len(), 16);
        let together = |k: usize| (&texts[k][..3], &texts[k + 8][..3]);
        assert_eq!((0..8).filter(|k| together(*k).0 != together(*k).1).count(), 0, "{texts:?}");
    }

    #[test]
    fn without_literals_there_is_nothing_to_look_for() {
        assert_eq!(of(&[], "text"), None);
        assert_eq!(of(&["abcd", ""], "text"), None);
    }

    proptest! {
        #[test]
        fn every_literal_holds_one_of_the_texts(
            literals in prop::collection::vec("[a-d ]{1,3}[a-d ]{0,9}", 1..90),
            sample in "[a-d \n]{0,300}",
        ) {
            let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
            let texts = of(&literals, &sample).unwrap();
            for literal in literals {
                prop_assert!(texts.iter().any(|text| literal.contains(text)), "{:?} {:?}", literal, texts);
            }
        }
    }
}
