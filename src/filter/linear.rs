//! The linear-time engine, where it is as quick as it says.
//!
//! An automaton that is made while it runs passes over a text at memory speed, unless the text makes it build a new state
//! at nearly every character; what would stand in for it then, and what finds groups, is hundreds of times slower. So a
//! search has a third outcome beside yes and no: [`Outcome::Unknown`], for somebody else to find out who counts his steps.
//! That may be the case for expressions with large counted repetitions, for edges of words in a text that is not ASCII, and for
//! a long text that drives the automaton from state to state, or of which groups are wanted.

use std::sync::{Arc, OnceLock};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind};

use super::ascii::{self, Ascii, NoEngine};
use super::backtrack::{Machine, TooCostly};
use super::haystack::Text;
use super::pyregex::{Match, Source, Spans};
use super::sieve::Sieve;
use super::translate::Dialect;

/// An expression for the linear-time engine: automata for texts of ASCII alone, and for any text. They are built when
/// such a text comes, unless one might become too big: that has to be known at once.
#[derive(Debug)]
pub struct Linear {
    source: Arc<Source>,
    /// What is searched for: the expression itself, or more.
    dialect: Dialect,
    /// A text may stand in so many places of it at once that an automaton is never asked.
    wide: bool,
    /// It asks for edges of words.
    edges: bool,
    ascii: OnceLock<Ascii>,
    any: OnceLock<Option<regex::Regex>>,
    long_ascii: OnceLock<Option<DFA>>,
    long: OnceLock<Option<DFA>>,
}

/// What a search found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// There is no match.
    No,
    /// There is one.
    Yes(T),
    /// To find out here might cost too much.
    Unknown,
}

impl Linear {
    /// From an expression and its outline; `edges`: it asks for edges of words of any script.
    pub fn new(source: &Arc<Source>, dialect: Dialect, outline: &Hir, edges: bool) -> Result<Linear, String> {
        let any = match ascii::states(outline).saturating_mul(STATE) > SIZE_LIMIT {
            true => OnceLock::from(Some(plain(&source.form(dialect))?)),
            false => OnceLock::new(),
        };
        Ok(Linear {
            source: source.clone(),
            dialect,
            wide: width(outline) > WIDE,
            edges,
            ascii: OnceLock::new(),
            any,
            long_ascii: OnceLock::new(),
            long: OnceLock::new(),
        })
    }

    /// The expression in Rust's notation.
    pub fn text(&self) -> String {
        self.source.form(self.dialect)
    }

    /// Whether it may leave any text open, because that may stand in too many places of it at once.
    pub fn is_wide(&self) -> bool {
        self.wide
    }

    /// For whoever has only parts of a text at hand; `None` where it would not find out.
    pub fn sieve(&self) -> Option<Sieve> {
        if self.wide { None } else { Sieve::new(&self.source.outline()?) }
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: Text<'_>, machine: &mut Machine) -> Result<Outcome<()>, TooCostly> {
        let is_ascii = text.is_ascii();
        if self.wide && (!is_ascii || text.len() > LONG) || self.edges && !is_ascii {
            return Ok(Outcome::Unknown);
        }
        machine.charge(text.len() / FAST)?;
        if text.len() > LONG {
            return self.passes(text, machine);
        }
        let found = match is_ascii {
            true => match self.ascii().is_match(&text) {
                Ok(found) => found,
                Err(NoEngine) => return Ok(Outcome::Unknown),
            },
            false => self.any()?.is_match(&text),
        };
        Ok(if found { Outcome::Yes(()) } else { Outcome::No })
    }

    /// The leftmost match in `text` with its groups, those of `names`.
    pub fn captures(
        &self,
        text: Text<'_>,
        names: &[(usize, Box<str>)],
        machine: &mut Machine,
    ) -> Result<Outcome<Match>, TooCostly> {
        let is_ascii = text.is_ascii();
        if text.len() > SHORT || (self.wide || self.edges) && !is_ascii {
            return Ok(match self.is_match(text, machine)? {
                Outcome::No => Outcome::No,
                Outcome::Yes(()) | Outcome::Unknown => Outcome::Unknown,
            });
        }
        machine.charge(text.len() / FAST)?;
        let found = if is_ascii {
            let take = |whole, found: &ascii::Groups<'_>| {
                let mut groups = Spans::new();
                names.iter().for_each(|(n, _)| groups.push(found.get(*n)));
                Match { whole, groups }
            };
            match self.ascii().captures(&text, take) {
                Ok(found) => found,
                Err(NoEngine) => return Ok(Outcome::Unknown),
            }
        } else {
            let regex = self.any()?;
            // Most texts do not match, and to know that costs a quarter of finding groups.
            let found = if regex.is_match(&text) { regex.captures(&text) } else { None };
            found.map(|c| Match {
                whole: c.get_match().range(),
                groups: names.iter().map(|(n, _)| c.get(*n).map(|m| m.range())).collect(),
            })
        };
        let Some(found) = found else { return Ok(Outcome::No) };
        machine.charge(text.len() * GROUPS)?;
        Ok(Outcome::Yes(found))
    }

    /// The same as [`Linear::is_match`] for a long text, by an automaton that gives up when it is driven.
    fn passes(&self, text: Text<'_>, machine: &mut Machine) -> Result<Outcome<()>, TooCostly> {
        let dfa = match text.is_ascii() {
            true => self.long_ascii.get_or_init(|| automaton(&ascii::narrow(&self.source.outline()?))),
            false => self.long.get_or_init(|| automaton(&regex_syntax::parse(&self.text()).ok()?)),
        };
        let Some(dfa) = dfa else { return Ok(Outcome::Unknown) };
        let mut cache = Cache::new(dfa);
        let found = dfa.try_search_fwd(&mut cache, &Input::new(&*text).earliest(true));
        machine.charge(cache.memory_usage() * (1 + cache.clear_count()) / BUILT)?;
        Ok(match found {
            Ok(Some(_)) => Outcome::Yes(()),
            Ok(None) => Outcome::No,
            Err(_) => Outcome::Unknown,
        })
    }

    fn ascii(&self) -> &Ascii {
        let tree = || self.source.outline().unwrap_or_else(Hir::fail);
        self.ascii.get_or_init(|| Ascii::new(&tree(), (!self.wide).then_some(SIZE_LIMIT)))
    }

    fn any(&self) -> Result<&regex::Regex, TooCostly> {
        self.any.get_or_init(|| plain(&self.text()).ok()).as_ref().ok_or(TooCostly)
    }
}

fn plain(text: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(text).size_limit(SIZE_LIMIT).build().map_err(|e| match e {
        regex::Error::CompiledTooBig(limit) => format!("it would take more than {limit} bytes"),
        other => other.to_string(),
    })
}

/// An automaton that gives up when it is driven from state to state.
pub fn automaton(hir: &Hir) -> Option<DFA> {
    let config = thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(SIZE_LIMIT));
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).ok()?;
    let config = DFA::config()
        .match_kind(MatchKind::LeftmostFirst)
        .unicode_word_boundary(true)
        .cache_capacity(CACHE)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(1))
        .minimum_bytes_per_state(Some(DRIVEN));
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

/// In how many places inside of counted repetitions a text may stand at once.
fn width(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Repetition(r) if r.max.is_some_and(|max| max > 1) => ascii::places(hir),
        HirKind::Repetition(r) => (r.min as usize).saturating_mul(width(&r.sub)).max(width(&r.sub)),
        HirKind::Capture(c) => width(&c.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(width).fold(0, usize::saturating_add),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => 0,
    }
}

/// Bytes of one compiled expression.
const SIZE_LIMIT: usize = 10 << 20;
/// Bytes of one state of a compiled expression, at most.
const STATE: usize = 64;
/// Twice the places of `<HOST>`.
const WIDE: usize = 160;
/// The longest text that groups are looked for in here.
const SHORT: usize = 1000;
/// Above this an automaton of its own is worth while.
const LONG: usize = 4000;
/// Bytes that its states may take …
const CACHE: usize = 256 << 10;
/// … and how many of the text it has to pass over with each, after it has built them anew once.
const DRIVEN: usize = 32;
/// Bytes of the text that are passed over in the time of a step, …
const FAST: usize = 4;
/// … steps in which one is passed over for groups, …
const GROUPS: usize = 16;
/// … and bytes of states that are built in one.
const BUILT: usize = 32;
