//! Groups of a match without a search for groups, which is dear: the expression is cut in three.
//!
//! The parts are what stands before the first group, what holds the groups, and the rest. Each takes its first choice
//! where the one before it ended. An expression prefers the choices of its earlier parts, so if all three go through, that
//! is the match of the whole; if not, or if it is not known, the whole has to be asked.

use std::ops::Range;
use std::sync::OnceLock;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind, meta, util::primitives::NonMaxUsize};
use regex_syntax::hir::{Hir, Look};

use super::address::Address;
use super::ascii::{FEW, Groups, Slot, TooBig, build, cut, is_rest};
use super::straight::{End, Straight};

/// An expression for texts of ASCII, cut in three.
#[derive(Debug)]
pub struct Parts {
    before: Before,
    middle: Middle,
}

/// What stands before the first group.
#[derive(Debug)]
enum Before {
    /// It begins where the text does.
    AtStart(Part),
    Anywhere(meta::Regex),
}

/// The part with the groups, and what stands behind it.
#[derive(Debug)]
enum Middle {
    /// `(.+)$`: the rest of the line, which needs no search.
    Rest,
    Search(Box<Search>),
}

#[derive(Debug)]
struct Search {
    hir: Hir,
    size_limit: usize,
    /// What it mostly is.
    address: Option<Address>,
    groups: OnceLock<Option<meta::Regex>>,
    after: Part,
}

/// A part of which only the end is asked for.
#[derive(Debug)]
struct Part {
    straight: Option<Straight>,
    /// For what does not go straight, or a text on which it does not. Made when it is first needed.
    automaton: OnceLock<Option<Automaton>>,
    hir: Hir,
    size_limit: usize,
}

#[derive(Debug)]
enum Automaton {
    /// All its states are built: the quickest there is.
    Dense(Box<dense::DFA<Vec<u32>>>),
    /// They would be too many.
    Other(meta::Regex),
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
            true => Before::AtStart(Part::new(before, size_limit)),
            false => Before::Anywhere(build(&before, size_limit)?),
        };
        let middle = match is_rest(&groups, &after) {
            true => Middle::Rest,
            false => Middle::Search(Box::new(Search {
                address: Address::of(&groups),
                hir: groups,
                size_limit,
                groups: OnceLock::new(),
                after: Part::new(after, size_limit),
            })),
        };
        Some(Parts { before, middle })
    }

    /// The leftmost match in `text`; its groups are put into `slots`.
    pub fn search<'s>(&self, text: &str, slots: &'s mut [Slot; FEW]) -> Found<'s> {
        let first = match &self.before {
            Before::AtStart(part) => match part.end(text, 0) {
                Ok(end) => end.map(|end| 0..end),
                Err(TooBig) => return Found::Unknown,
            },
            Before::Anywhere(regex) => regex.find(text).map(|found| found.range()),
        };
        let Some(first) = first else { return Found::No };
        let found = match &self.middle {
            Middle::Rest => rest(text, first.end, slots),
            Middle::Search(search) => search.go_on(text, first.end, slots),
        };
        match found {
            Some((end, count)) => Found::Yes(first.start..end, Groups(&slots[..count])),
            None => Found::Unknown,
        }
    }
}

impl Part {
    fn new(hir: Hir, size_limit: usize) -> Part {
        Part { straight: Straight::new(&hir), automaton: OnceLock::new(), hir, size_limit }
    }

    /// The end of its first choice from `from` on; an error: it is not known.
    fn end(&self, text: &str, from: usize) -> Result<Option<usize>, TooBig> {
        match self.straight.as_ref().map(|straight| straight.end(text.as_bytes(), from)) {
            Some(End::At(end)) => return Ok(Some(end)),
            Some(End::Nowhere) => return Ok(None),
            Some(End::Unknown) | None => {}
        }
        let input = Input::new(text).range(from..).anchored(Anchored::Yes);
        let found = match self.automaton.get_or_init(|| Automaton::new(&self.hir, self.size_limit)) {
            Some(Automaton::Dense(dfa)) => dfa.try_search_fwd(&input).map_err(|_| TooBig)?,
            Some(Automaton::Other(regex)) => regex.search_half(&input),
            None => return Err(TooBig),
        };
        Ok(found.map(|end| end.offset()))
    }
}

impl Automaton {
    fn new(hir: &Hir, size_limit: usize) -> Option<Automaton> {
        match dense(hir) {
            Some(dfa) => Some(Automaton::Dense(Box::new(dfa))),
            None => build(hir, size_limit).map(Automaton::Other),
        }
    }
}

/// An automaton of which all states are built; `None`: they would be too many.
fn dense(hir: &Hir) -> Option<dense::DFA<Vec<u32>>> {
    let config = thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(BUILDING));
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).ok()?;
    let config = dense::Config::new()
        .match_kind(MatchKind::LeftmostFirst)
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(DENSE))
        .determinize_size_limit(Some(BUILDING));
    dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()
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
    fn go_on(&self, text: &str, from: usize, slots: &mut [Slot; FEW]) -> Option<(usize, usize)> {
        let address = self.address.and_then(|address| Some((address.groups(), address.ip4(text.as_bytes(), from)?)));
        let (end, count) = match address {
            Some((groups, (ip4, end))) => {
                let count = 2 * groups + 2;
                slots[..count].fill(None);
                (slots[2], slots[3]) = (NonMaxUsize::new(ip4.start), NonMaxUsize::new(ip4.end));
                (end, count)
            }
            None => {
                let groups = self.groups.get_or_init(|| build(&self.hir, self.size_limit)).as_ref()?;
                let count = groups.captures_len() * 2;
                groups.search_slots(&Input::new(text).range(from..).anchored(Anchored::Yes), &mut slots[..count])?;
                (slots[1]?.get(), count)
            }
        };
        Some((self.after.end(text, end).ok()??, count))
    }
}

/// Bytes of all states of a part, at most …
const DENSE: usize = 256 << 10;
/// … and while they are built.
const BUILDING: usize = 2 << 20;
