//! Python's `re` dialect on two engines.
//!
//! A [`Pattern`] is compiled from an expression as fail2ban would hand it to Python. What the linear-time engine can do
//! runs there, where that is quick. Look-around, back-references, conditionals and atomic groups go to the machine that
//! backtracks; a relaxed form of the expression, which matches at least the same lines, stands before it as a gate.
//!
//! What is wrong with an expression is found out when it is read, what searches for it is built when there is a text: most
//! expressions of a quiet host never see one.
//!
//! Either way a search takes steps from the machine that it is given, which all searches on a line share. That none are
//! left is an error of its own ([`TooCostly`]), never a silent non-match.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_syntax::hir::{Hir, HirKind};
use smallvec::SmallVec;

use super::ascii;
use super::backtrack::{self, Machine, Program, Window};
use super::haystack::Text;
use super::linear::{Linear, Outcome};
use super::sieve::Sieve;
use super::translate::{self, Dialect, Options};

pub use super::backtrack::TooCostly;

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    source: Arc<Source>,
    engine: Engine,
    /// See [`ascii::heads`].
    heads: Option<Vec<Box<[u8]>>>,
    names: Vec<(usize, Box<str>)>,
    explodes: bool,
}

/// Where an expression matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The whole match, in bytes.
    pub whole: Range<usize>,
    /// The named groups in the order of [`Pattern::names`]; `None` did not take part.
    pub groups: Spans,
}

/// Where groups lie; a few without an allocation.
pub type Spans = SmallVec<[Option<Range<usize>>; 6]>;

impl Pattern {
    /// Reads `text`, whose tags are expanded; the error says what Python or the engine has against it.
    pub fn new(text: &str, options: Options) -> Result<Pattern, String> {
        let outline = translate::outline(text, options)?;
        let source = Arc::new(Source { text: text.into(), options });
        let tree = outline.form.as_ref();
        let explodes = || tree.is_some_and(|tree| repeats_a_repetition(tree, false));
        let (engine, explodes) = if outline.backtracks {
            source.check()?;
            (Engine::Backtracking(Box::default()), explodes())
        } else {
            let linear = |tree| Linear::new(&source, Dialect::Exact, tree, outline.edges);
            match tree.ok_or_else(|| "too many groups inside each other".to_owned()).and_then(linear) {
                Ok(regex) => {
                    // Where it is always asked it has to exist.
                    if regex.is_wide() {
                        source.check()?;
                    }
                    (Engine::Linear(Box::new(Half { regex, program: OnceLock::new() })), false)
                }
                // Large repetitions of large classes: instructions take less room than states.
                Err(e) => {
                    source.check().map_err(|_| e)?;
                    let alone = Whole { gate: OnceLock::from(None), program: OnceLock::new() };
                    (Engine::Backtracking(Box::new(alone)), explodes())
                }
            }
        };
        let heads = tree.and_then(ascii::heads);
        Ok(Pattern { source, engine, heads, names: outline.names, explodes })
    }

    /// The named groups with their numbers, in the order of the expression.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| &**name)
    }

    /// Whether there is a group of that name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }

    /// Texts of which one stands at the start of every text that matches; `None` if nothing is known.
    pub fn heads(&self) -> Option<&[Box<[u8]>]> {
        self.heads.as_deref()
    }

    /// Tells whether a line matches, from its parts; `None` where that cannot be told.
    pub fn sieve(&self) -> Option<Sieve> {
        match &self.engine {
            Engine::Linear(half) => half.regex.sieve(),
            Engine::Backtracking(_) => None,
        }
    }

    /// An expression without look-around and back-references that matches wherever this one does.
    pub fn relaxed(&self) -> String {
        self.source.form(Dialect::Relaxed)
    }

    /// The same as a tree for [`super::prefilter`], see [`translate::outline`].
    pub fn outline(&self) -> Option<Hir> {
        self.source.outline()
    }

    /// The expression, as it was read.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Whether a hostile text can make the search so long that it is given up: a backtracking expression that repeats
    /// a repetition.
    pub fn may_explode(&self) -> bool {
        self.explodes
    }

    /// Whether it matches anywhere in `text`, with all the steps that a line has.
    pub fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        self.is_match_within(text.into(), &mut machine_for(text))
    }

    /// The leftmost match in `text` with its groups, with all the steps that a line has.
    pub fn captures(&self, text: &str) -> Result<Option<Match>, TooCostly> {
        self.captures_within(text.into(), &mut machine_for(text))
    }

    /// Whether it matches anywhere in `text`, with the steps that are left.
    pub fn is_match_within(&self, text: Text<'_>, machine: &mut Machine) -> Result<bool, TooCostly> {
        if !self.may_begin(text, machine)? {
            return Ok(false);
        }
        match self.engine.is_match(&self.source, text, machine)? {
            Outcome::No => Ok(false),
            Outcome::Yes(()) => Ok(true),
            Outcome::Unknown => {
                let window = Window { text: &text, from: 0, to: text.len() };
                machine.search(self.engine.program(&self.source)?, window)
            }
        }
    }

    /// The leftmost match in `text` with its groups, with the steps that are left.
    pub fn captures_within(&self, text: Text<'_>, machine: &mut Machine) -> Result<Option<Match>, TooCostly> {
        if !self.may_begin(text, machine)? {
            return Ok(None);
        }
        let outcome = match &self.engine {
            Engine::Linear(half) => half.regex.captures(text, &self.names, machine)?,
            Engine::Backtracking(_) => match self.engine.is_match(&self.source, text, machine)? {
                Outcome::No => Outcome::No,
                Outcome::Yes(()) | Outcome::Unknown => Outcome::Unknown,
            },
        };
        match outcome {
            Outcome::No => return Ok(None),
            Outcome::Yes(found) => return Ok(Some(found)),
            Outcome::Unknown => {}
        }
        let window = Window { text: &text, from: 0, to: text.len() };
        let found = machine.search(self.engine.program(&self.source)?, window)?;
        let group = |number: usize| machine.group(number).map(|(start, end)| start..end);
        Ok(found.then(|| Match {
            whole: group(0).unwrap_or(0..0),
            groups: self.names.iter().map(|(number, _)| group(*number)).collect(),
        }))
    }

    fn may_begin(&self, text: Text<'_>, machine: &mut Machine) -> Result<bool, TooCostly> {
        machine.charge(1)?;
        Ok(self.heads().is_none_or(|heads| heads.iter().any(|head| text.as_bytes().starts_with(head))))
    }
}

/// Gives `machine` the steps that all expressions of a filter may take on `text`.
pub fn refill(machine: &mut Machine, text: &str) {
    machine.refill(STEPS + STEPS_PER_BYTE * text.len().min(LONG));
}

fn machine_for(text: &str) -> Machine {
    let mut machine = Machine::default();
    refill(&mut machine, text);
    machine
}

/// An expression as it was written, and how it is meant.
#[derive(Debug)]
pub struct Source {
    text: Box<str>,
    options: Options,
}

impl Source {
    /// Whether the machine can run it.
    fn check(&self) -> Result<(), String> {
        self.program().map(drop)
    }

    fn program(&self) -> Result<Program, String> {
        let options = backtrack::Options { multi_line: self.options.multiline };
        Program::with(&translate::without_idle_looks(&self.text), options)
    }

    /// What could be read can be translated too; nothing at all would match everywhere.
    pub fn form(&self, dialect: Dialect) -> String {
        translate::translate(&self.text, dialect, self.options).map(|t| t.form).unwrap_or_default()
    }

    /// See [`translate::outline`].
    pub fn outline(&self) -> Option<Hir> {
        translate::outline(&self.text, self.options).ok()?.form
    }
}

/// Everything in it is made when it is first needed.
#[derive(Debug)]
enum Engine {
    Linear(Box<Half>),
    Backtracking(Box<Whole>),
}

/// A linear engine, and what stands in for it where it leaves something open.
#[derive(Debug)]
struct Half {
    regex: Linear,
    /// `None`: it would be too long.
    program: OnceLock<Option<Program>>,
}

/// What the linear engine cannot do.
#[derive(Debug, Default)]
struct Whole {
    /// For the relaxed form; `None`: that would be too big.
    gate: OnceLock<Option<Linear>>,
    program: OnceLock<Option<Program>>,
}

impl Engine {
    fn is_match(&self, source: &Arc<Source>, text: Text<'_>, machine: &mut Machine) -> Result<Outcome<()>, TooCostly> {
        // What passes more than the expression does, without looking around.
        let gate = || Linear::new(source, Dialect::Relaxed, &source.outline()?, false).ok();
        match self {
            Engine::Linear(half) => half.regex.is_match(text, machine),
            Engine::Backtracking(whole) => match whole.gate.get_or_init(gate) {
                Some(gate) => Ok(match gate.is_match(text, machine)? {
                    Outcome::No => Outcome::No,
                    Outcome::Yes(()) | Outcome::Unknown => Outcome::Unknown,
                }),
                None => Ok(Outcome::Unknown),
            },
        }
    }

    fn program(&self, source: &Source) -> Result<&Program, TooCostly> {
        let program = match self {
            Engine::Linear(half) => &half.program,
            Engine::Backtracking(whole) => &whole.program,
        };
        program.get_or_init(|| source.program().ok()).as_ref().ok_or(TooCostly)
    }
}

fn repeats_a_repetition(hir: &Hir, inside: bool) -> bool {
    match hir.kind() {
        HirKind::Repetition(r) => {
            let endless = r.max.is_none();
            (inside && endless) || repeats_a_repetition(&r.sub, inside || endless)
        }
        HirKind::Capture(c) => repeats_a_repetition(&c.sub, inside),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|p| repeats_a_repetition(p, inside)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// Steps that all expressions of a filter may take on a line …
const STEPS: usize = 150_000;
/// … and on a long one, so that none is given up for its length alone.
const STEPS_PER_BYTE: usize = 5;
/// The longest line that a source hands on; a window of several may be longer, and gets no more for that.
const LONG: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        let pattern = Pattern::new(pattern, Options::default()).unwrap();
        let found = pattern.captures(text).unwrap()?;
        Some(found.groups.into_iter().map(|r| r.map(|r| text[r].to_owned())).collect())
    }

    fn matches(pattern: &str, text: &str) -> bool {
        groups(pattern, text).is_some()
    }

    #[test]
    fn an_expression_that_a_hostile_text_can_make_costly_is_known() {
        for (text, explodes) in [
            (r"^(?:(?!zz)\w+\s?)+: x$", true),
            (r"^(?:[^']+)+'$", false),
            (r"^(?!a)\w+ \S+ .*x$", false),
            (r"^(?:(?!a)\w{1,4})+x$", false),
        ] {
            assert_eq!(Pattern::new(text, Options::default()).unwrap().may_explode(), explodes, "{text}");
        }
    }

    #[test]
    fn a_dollar_also_stands_before_the_last_newline_and_capital_z_does_not() {
        assert!(matches(r"bad$", "bad\n"));
        assert!(matches(r"bad\s$", "bad\n"));
        assert!(matches(r"bad[^x]$", "bad\n"));
        assert!(!matches(r"bad\Z", "bad\n"));
        assert!(matches(r"(?!x)bad$", "bad\n"));
        let window = Options { window: true, ..Options::default() };
        assert!(!Pattern::new(r"bad$", window).unwrap().is_match("bad\nx\n").unwrap());
        assert!(Pattern::new(r"x$", window).unwrap().is_match("bad\nx\n").unwrap());
        let multiline = Options { multiline: true, window: true };
        assert!(Pattern::new(r"bad$", multiline).unwrap().is_match("bad\nx\n").unwrap());
    }

    #[test]
    fn a_conditional_asks_for_the_group_and_not_for_a_pattern() {
        assert!(matches(r"^(?P<x>a)?(?(x)b|c)", "ab\n"));
        assert!(matches(r"^(?P<x>a)?(?(x)b|c)", "c\n"));
        assert!(!matches(r"^(?P<x>a)?(?(x)b|c)$", "ac\n"));
        assert_eq!(groups(r"^(?P<q>')?(?P<v>\w+)(?(q)')$", "'v'\n").unwrap()[1].as_deref(), Some("v"));
        assert!(!matches(r"^(?P<q>')?(?P<v>\w+)(?(q)')$", "'v\n"));
    }

    #[test]
    fn brackets_and_braces_mean_what_python_takes_them_for() {
        assert!(matches(r"^[^[]*$", "abc\n"));
        assert!(matches(r"^[]a]+$", "]a\n"));
        assert!(matches(r"^[a&&b]+$", "a&b\n"));
        assert!(matches(r"^[--z]$", "a\n"));
        assert!(matches(r"^\<x\>[\<\>]$", "<x><\n"));
        assert!(matches(r"^{}x{$", "{}x{\n"));
        assert!(matches(r"^a{,2}$", "aa\n"));
        assert!(!matches(r"^a{,2}$", "aaa\n"));
        assert!(matches(r"^\({{$", "({{\n"));
        assert!(matches(r"^[\w.-]+$", "a-b.c\n"));
        assert!(matches(r"^\101\x42\u0043$", "ABC\n"));
    }

    #[test]
    fn words_are_pythons() {
        assert!(matches(r"^\w+$", "aé²ⅷ٣中_\n"));
        assert!(!matches(r"\w", "\u{301}\u{200d}\n"));
        assert!(matches(r"^[^\w]$", "\u{301}\n"));
    }

    #[test]
    fn back_references_and_atomic_groups_work() {
        assert!(matches(r"^(?P<a>\w)x(?P=a)$", "bxb\n"));
        assert!(!matches(r"^(?P<a>\w)x(?P=a)$", "bxc\n"));
        assert!(matches(r"^(\w)x\1$", "bxb\n"));
        assert!(!matches(r"^(?>a+)a$", "aaa\n"));
        assert!(!matches(r"^a++a$", "aaa\n"));
        assert!(matches(r"(?<=x)y", "xy\n"));
    }

    #[test]
    fn marks_are_no_part_of_a_word() {
        assert!(matches(r"\B\Wz", "\u{607}\u{5a3}z\n"));
        assert!(matches(r"^a\b\W$", "a\u{301}\n"));
        assert!(matches(r"^a\W(?!b)", "a\u{301}\n"));
        let relaxed = Pattern::new(r"\B\Wz", Options::default()).unwrap().relaxed();
        assert!(regex::Regex::new(&relaxed).unwrap().is_match("\u{607}\u{5a3}z\n"));
    }

    #[test]
    fn verbose_and_scoped_flags_work() {
        assert!(matches("(?x)^ a b [ ] c # comment\n $", "ab c\n"));
        assert!(matches(r"^(?i:AB)c$", "abc\n"));
        assert!(!matches(r"^(?i:AB)c$", "abC\n"));
        assert!(matches(r"(?i)^AB$", "ab\n"));
        assert!(matches(r"^a(?#no matter)b$", "ab\n"));
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for bad in [
            r"(?P<a>x)(?P<a>y)",
            r"\y",
            r"\K",
            r"\h",
            r"a**",
            r"*a",
            r"(a",
            r"a)",
            r"[a",
            r"[z-a]",
            r"a(?i)b",
            r"(?P<a-b>x)",
            r"(?P=nope)",
            r"(?(nope)a|b)",
            r"(?P<x>a(?(x)b))",
            r"(?P<x>a)(?(x)a|b|c)",
            r"\2(a)",
            r"a{3,2}",
            r"(?<name>x)",
            r"(?i-i:x)",
            r"(?i-:x)",
            "a\\",
            r"\x1",
        ] {
            assert!(Pattern::new(bad, Options::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn nested_repetitions_that_would_not_fit_are_an_error() {
        let error = Pattern::new(r"(?:(?:\w{200}){200}){200}", Options::default()).unwrap_err();
        assert!(error.contains("more than"), "{error}");
    }

    #[test]
    fn unbounded_backtracking_is_reported() {
        let pattern = Pattern::new(r"^(?:(?!zz)\w+\s?)+:$", Options::default()).unwrap();
        assert_eq!(pattern.captures("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:x\n"), Ok(None));
        let pattern = Pattern::new(r"^(?:(?!zz)\w+\s?)+(?<!b):$", Options::default()).unwrap();
        assert_eq!(pattern.captures(&format!("{}b:\n", "a".repeat(40))), Ok(None));
        let pattern = Pattern::new(r"^(?:(\w+)\s?)*\1?(?<!a):$", Options::default()).unwrap();
        assert_eq!(pattern.captures(&format!("{}:\n", "a".repeat(60))), Err(TooCostly));
    }

    /// The automaton for ASCII finds what the other one finds.
    fn same_with_and_without_ascii(pattern: &Pattern, text: &str) {
        let Engine::Linear(half) = &pattern.engine else { return };
        let regex = &half.regex;
        let Ok(any) = regex::Regex::new(&regex.text()) else { return };
        let expected = any.captures(text).map(|c| Match {
            whole: c.get_match().range(),
            groups: pattern.names.iter().map(|(n, _)| c.get(*n).map(|m| m.range())).collect(),
        });
        assert_eq!(pattern.captures(text), Ok(expected.clone()), "{} {text:?}", regex.text());
        assert_eq!(pattern.is_match(text), Ok(expected.is_some()), "{} {text:?}", regex.text());
    }

    #[test]
    fn ascii_texts_have_an_automaton_of_their_own_with_the_same_outcome() {
        for pattern in [
            r"^(?:a|ab|abc)?(?P<content>.+)$",
            r"(?:a|ab)(?P<content>.+)$",
            r"^a*(?P<content>.+)$",
            r"^a\S*? (?P<content>.+)$",
            r"(?P<u>\w+) \bfrom\b (?P<a>\d+)|é(?P<b>.)",
            r"(?i)^k(?P<x>[^b-d]+)\s$",
            r"^[^x]+(?P<x>\W)$",
            r"^(?P<content>.+)$",
        ] {
            let pattern = Pattern::new(pattern, Options::default()).unwrap();
            for text in
                ["", "a", "ab", "abc", "aaa", "a b c", "ab from 12", "k e\u{1c}", "K\u{212a}é ", "é1", "a\rb", "éa é"]
            {
                same_with_and_without_ascii(&pattern, &format!("{text}\n"));
                same_with_and_without_ascii(&pattern, text);
            }
        }
    }

    const PIECES: &[&str] = &[
        "a",
        "b",
        "c",
        "abc",
        "bca",
        "é",
        "(",
        "(",
        ")",
        ")",
        ")",
        "(?:",
        "(?=",
        "(?!",
        "(?<=",
        "(?P<x>",
        "(?P=x)",
        "(?(x)",
        "(?>",
        "(?i:",
        "|",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{,2}",
        "++",
        "[ab]",
        "[^c]",
        "[",
        "]",
        "{",
        "}",
        ".",
        ".*",
        "$",
        "^",
        r"\w",
        r"\b",
        r"\S",
        r"\s",
        r"\1",
        r"\n",
        r"\Z",
        r"\",
        "(?P<y>.+)$",
        r"\W",
        r"\d",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1500))]

        /// Whatever is written there: no panic, and the relaxed form and the literals only ever let more through.
        #[test]
        fn relaxed_forms_and_literals_lose_no_match(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..12),
            texts in proptest::collection::vec("[abcé ]{0,12}", 8),
        ) {
            let Ok(pattern) = Pattern::new(&pieces.concat(), Options::default()) else { return Ok(()) };
            let relaxed = regex::Regex::new(&pattern.relaxed());
            // It says nothing of what cannot be read.
            proptest::prop_assert!(pattern.outline().is_none() || relaxed.is_ok());
            let literals = crate::filter::prefilter::gather(
                [&pattern], crate::filter::prefilter::Cut::Start, false);
            for text in texts {
                let text = text + "\n";
                same_with_and_without_ascii(&pattern, &text);
                if pattern.is_match(&text) != Ok(true) {
                    continue;
                }
                if let Ok(relaxed) = &relaxed {
                    proptest::prop_assert!(relaxed.is_match(&text), "{} {text}", pattern.relaxed());
                }
                let holds = |l: &Vec<u8>| memchr::memmem::find(text.as_bytes(), l).is_some();
                proptest::prop_assert!(literals.iter().flatten().all(|set| set.iter().any(holds)), "{literals:?} {text}");
            }
        }
    }
}
