//! Which slots have changed: a bit for each.

/// A set of slots.
#[derive(Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
    count: usize,
}

impl Marks {
    /// Marks a slot.
    pub fn set(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.count += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Takes a mark away.
    pub fn clear(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        if let Some(word) = self.words.get_mut(word) {
            self.count -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    /// How many are marked.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The marked ones in their order; after this none is.
    pub fn take(&mut self) -> impl Iterator<Item = u32> + use<> {
        let words = std::mem::take(self).words;
        words.into_iter().zip(0..).flat_map(|(word, at): (u64, u32)| {
            let bits = (0..u64::BITS).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| at * u64::BITS + bit)
        })
    }
}

fn place(slot: u32) -> (usize, u64) {
    ((slot / u64::BITS) as usize, 1 << (slot % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_given_once_and_in_order() {
        let mut marks = Marks::default();
        [700, 3, 64, 3, 5, 63].into_iter().for_each(|slot| marks.set(slot));
        [5, 5, 9000].into_iter().for_each(|slot| marks.clear(slot));
        assert_eq!(marks.len(), 4);
        assert_eq!(marks.take().collect::<Vec<_>>(), [3, 63, 64, 700]);
        assert_eq!((marks.len(), marks.take().count()), (0, 0));
    }
}
