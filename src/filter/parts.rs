//! Groups of a match without a search for groups, which is dear: the expression is cut in three.
//!
//! The parts are what stands before the first group, what holds the groups, and the rest. Each takes its first choice
//! where the one before it ended. An expression prefers the choices of its earlier parts, so if all three go through, that
//! is the match of the whole; if not, or if it is not known, the whole has to be asked.

use std::ops::Range;
use std::sync::{Mutex, OnceLock};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input, meta, util::primitives::NonMaxUsize};
use regex_syntax::hir::{Hir, Look};

use super::address::Address;
use super::ascii::{FEW, Groups, Slot, build, cut, is_rest};
use super::linear::automaton;

/// An expression for texts of ASCII, cut in three.
#[derive(Debug)]
pub struct Parts {
    before: Before,
    middle: Middle,
    /// What the automata have built so far. Whoever finds it taken asks the whole.
    built: Mutex<Built>,
}

/// What stands before the first group.
#[derive(Debug)]
enum Before {
    /// It begins where the text does.
    AtStart(DFA),
    Anywhere(meta::Regex),
}

/// The part with the groups, and what stands behind it.
#[derive(Debug)]
enum Middle {
    /// `(.+)$`: the rest of the line, which needs no search.
    Rest,
    Search(Search),
}

#[derive(Debug)]
struct Search {
    hir: Hir,
    size_limit: usize,
    /// What it mostly is.
    address: Option<Address>,
    groups: OnceLock<Option<meta::Regex>>,
    after: DFA,
}

#[derive(Debug)]
struct Built {
    before: Option<Cache>,
    after: Option<Cache>,
}

/// What the parts find out.
#[derive(Debug)]
pub enum Found<'s> {
    /// There is no match.
    No,
    /// There is one, here, with these groups.
    Yes(Range<usize>, Groups<'s>),
    /// The whole has to be asked.
    Unknown,
}

impl Parts {
    /// From an expression's tree for ASCII; `None` where it cannot be cut, or an automaton would take more than it may.
    pub fn new(hir: &Hir, size_limit: usize) -> Option<Parts> {
        let [before, groups, after] = cut(hir)?;
        let before = match before.properties().look_set_prefix().contains(Look::Start) {
            true => Before::AtStart(automaton(&before)?),
            false => Before::Anywhere(build(&before, size_limit)?),
        };
        let middle = match is_rest(&groups, &after) {
            true => Middle::Rest,
            false => Middle::Search(Search {
                address: Address::of(&groups),
                hir: groups,
                size_limit,
                groups: OnceLock::new(),
                after: automaton(&after)?,
            }),
        };
        let built = Built {
            before: if let Before::AtStart(dfa) = &before { Some(Cache::new(dfa)) } else { None },
            after: if let Middle::Search(search) = &middle { Some(Cache::new(&search.after)) } else { None },
        };
        Some(Parts { before, middle, built: Mutex::new(built) })
    }

    /// The leftmost match in `text`; its groups are put into `slots`.
    pub fn search<'s>(&self, text: &str, slots: &'s mut [Slot; FEW]) -> Found<'s> {
        let Ok(mut built) = self.built.try_lock() else { return Found::Unknown };
        let first = match (&self.before, &mut built.before) {
            (Before::AtStart(dfa), Some(cache)) => {
                match dfa.try_search_fwd(cache, &Input::new(text).anchored(Anchored::Yes)) {
                    Ok(found) => found.map(|end| 0..end.offset()),
                    Err(_) => return Found::Unknown,
                }
            }
            (Before::Anywhere(regex), _) => regex.find(text).map(|found| found.range()),
            (Before::AtStart(_), None) => return Found::Unknown,
        };
        let Some(first) = first else { return Found::No };
        let found = match (&self.middle, &mut built.after) {
            (Middle::Rest, _) => rest(text, first.end, slots),
            (Middle::Search(search), Some(cache)) => search.go_on(text, first.end, cache, slots),
            (Middle::Search(_), None) => None,
        };
        match found {
            Some((end, count)) => Found::Yes(first.start..end, Groups(&slots[..count])),
            None => Found::Unknown,
        }
    }
}

/// The end of the line, and that one group goes there.
fn rest(text: &str, from: usize, slots: &mut [Slot; FEW]) -> Option<(usize, usize)> {
    let length = memchr::memchr(b'\n', &text.as_bytes()[from..]).unwrap_or(text.len() - from);
    let [start, end] = [from, from + length].map(NonMaxUsize::new);
    slots[..4].copy_from_slice(&[start, end, start, end]);
    (length > 0).then_some((from + length, 4))
}

impl Search {
    /// The end of the match that goes on at `from`, and how many slots its groups fill.
    fn go_on(&self, text: &str, from: usize, cache: &mut Cache, slots: &mut [Slot; FEW]) -> Option<(usize, usize)> {
        let rest = |from: usize| Input::new(text).range(from..).anchored(Anchored::Yes);
        let address = self.address.and_then(|address| Some((address.groups(), address.ip4(text.as_bytes(), from)?)));
        let (end, count) = match address {
            Some((groups, (ip4, end))) => {
                let [first, last] = [ip4.start, ip4.end].map(NonMaxUsize::new);
                slots[..2 * groups + 2].fill(None);
                (slots[2], slots[3]) = (first, last);
                (end, 2 * groups + 2)
            }
            None => {
                let groups = self.groups.get_or_init(|| build(&self.hir, self.size_limit)).as_ref()?;
                let count = groups.captures_len() * 2;
                groups.search_slots(&rest(from), &mut slots[..count])?;
                (slots[1]?.get(), count)
            }
        };
        Some((self.after.try_search_fwd(cache, &rest(end)).ok()??.offset(), count))
    }
}
