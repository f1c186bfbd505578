//! Python's `re` dialect on Rust's engines.
//!
//! A [`Pattern`] is compiled from an expression as fail2ban would hand it to Python. What the linear-time engine can do
//! runs there. Look-around, back-references, conditionals and atomic groups go to a backtracking engine with a limit; a
//! relaxed form of the expression, which matches at least the same lines, stands before it as a gate. Reaching the limit
//! is an error of its own ([`TooCostly`]), never a silent non-match.

use std::ops::Range;
use std::sync::OnceLock;

use regex_syntax::hir::{Hir, HirKind};

use super::ascii::{self, Ascii};
use super::translate::{self, Dialect, Options};

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    engine: Engine,
    /// See [`ascii::heads`].
    heads: Option<Vec<Box<[u8]>>>,
    names: Vec<(usize, Box<str>)>,
    relaxed: String,
}

/// Where an expression matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The whole match, in bytes.
    pub whole: Range<usize>,
    /// The named groups in the order of [`Pattern::names`]; `None` did not take part.
    pub groups: Vec<Option<Range<usize>>>,
}

/// The search was given up: it would have cost unbounded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

impl Pattern {
    /// Compiles `text`, whose tags are expanded; the error says what Python or the engine has against it.
    pub fn new(text: &str, options: Options) -> Result<Pattern, String> {
        let exact = translate::translate(text, Dialect::Exact, options)?;
        let relaxed = translate::translate(text, Dialect::Relaxed, options)?;
        let engine = if exact.backtracks {
            let gate = Linear::new(&relaxed.text).ok();
            let fancy = fancy_regex::RegexBuilder::new(&exact.text)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(SIZE_LIMIT)
                .build()
                .map_err(|e| e.to_string())?;
            Engine::Backtracking { gate, fancy: Box::new(fancy) }
        } else {
            Engine::Linear(Linear::new(&exact.text)?)
        };
        let heads = parse(&relaxed.text).ok().and_then(|hir| ascii::heads(&hir));
        Ok(Pattern { engine, heads, names: exact.names, relaxed: relaxed.text })
    }

    /// The named groups with their numbers, in the order of the expression.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| &**name)
    }

    /// Whether there is a group of that name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }

    /// An expression without look-around and back-references that matches wherever this one does, for
    /// [`super::prefilter`].
    pub fn relaxed(&self) -> &str {
        &self.relaxed
    }

    /// Whether a hostile text can make the search so long that it is given up: a backtracking expression that repeats
    /// a repetition.
    pub fn may_explode(&self) -> bool {
        matches!(self.engine, Engine::Backtracking { .. })
            && parse(&self.relaxed).is_ok_and(|hir| repeats_a_repetition(&hir, false))
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        if !self.may_begin(text) {
            return Ok(false);
        }
        match &self.engine {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking { gate, fancy } => {
                if let Some(gate) = gate
                    && !gate.is_match(text)?
                {
                    return Ok(false);
                }
                fancy.is_match(text).map_err(|_| TooCostly)
            }
        }
    }

    /// The leftmost match in `text` with its groups.
    pub fn captures(&self, text: &str) -> Result<Option<Match>, TooCostly> {
        if !self.may_begin(text) {
            return Ok(None);
        }
        match &self.engine {
            Engine::Linear(regex) => regex.captures(text, &self.names),
            Engine::Backtracking { gate, fancy } => {
                if let Some(gate) = gate
                    && !gate.is_match(text)?
                {
                    return Ok(None);
                }
                let found = fancy.captures(text).map_err(|_| TooCostly)?;
                Ok(found.map(|c| Match {
                    whole: c.get(0).map_or(0..0, |m| m.range()),
                    groups: self.names.iter().map(|(n, _)| c.get(*n).map(|m| m.range())).collect(),
                }))
            }
        }
    }

    fn may_begin(&self, text: &str) -> bool {
        self.heads.as_ref().is_none_or(|heads| heads.iter().any(|head| text.as_bytes().starts_with(head)))
    }
}

#[derive(Debug)]
enum Engine {
    Linear(Linear),
    Backtracking { gate: Option<Linear>, fancy: Box<fancy_regex::Regex> },
}

/// An expression for the linear-time engine: automata for texts of ASCII alone, and one for any text. They are built when
/// such a text comes, unless one might become too big: that has to be known at once.
#[derive(Debug)]
struct Linear {
    text: String,
    ascii: OnceLock<Ascii>,
    any: OnceLock<Option<regex::Regex>>,
}

impl Linear {
    fn new(text: &str) -> Result<Linear, String> {
        let hir = parse(text)?;
        let any = match ascii::states(&hir).saturating_mul(STATE) > SIZE_LIMIT {
            true => OnceLock::from(Some(plain(text)?)),
            false => OnceLock::new(),
        };
        Ok(Linear { text: text.to_owned(), ascii: OnceLock::new(), any })
    }

    fn ascii(&self) -> &Ascii {
        let tree = || parse(&self.text).unwrap_or_else(|_| Hir::fail());
        self.ascii.get_or_init(|| Ascii::new(&tree(), SIZE_LIMIT))
    }

    fn any(&self) -> Result<&regex::Regex, TooCostly> {
        self.any.get_or_init(|| plain(&self.text).ok()).as_ref().ok_or(TooCostly)
    }

    fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        if text.is_ascii() {
            return self.ascii().is_match(text).map_err(|_| TooCostly);
        }
        Ok(self.any()?.is_match(text))
    }

    fn captures(&self, text: &str, names: &[(usize, Box<str>)]) -> Result<Option<Match>, TooCostly> {
        if text.is_ascii() {
            let take = |whole, groups: &ascii::Groups<'_>| Match {
                whole,
                groups: names.iter().map(|(n, _)| groups.get(*n)).collect(),
            };
            return self.ascii().captures(text, take).map_err(|_| TooCostly);
        }
        let regex = self.any()?;
        // Most texts do not match, and to know that costs a quarter of finding groups.
        if !regex.is_match(text) {
            return Ok(None);
        }
        Ok(regex.captures(text).map(|c| Match {
            whole: c.get_match().range(),
            groups: names.iter().map(|(n, _)| c.get(*n).map(|m| m.range())).collect(),
        }))
    }
}

fn parse(text: &str) -> Result<Hir, String> {
    regex_syntax::parse(text).map_err(|e| e.to_string())
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

fn plain(text: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(text).size_limit(SIZE_LIMIT).build().map_err(|e| match e {
        regex::Error::CompiledTooBig(limit) => format!("it would take more than {limit} bytes"),
        other => other.to_string(),
    })
}

/// Steps of the backtracking engine on one line; about 2 ms.
const BACKTRACK_LIMIT: usize = 100_000;
/// Bytes of one compiled expression.
const SIZE_LIMIT: usize = 10 << 20;
/// Bytes of one state of a compiled expression, at most.
const STATE: usize = 64;

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
        assert_eq!(pattern.captures(&format!("{}b:\n", "a".repeat(40))), Err(TooCostly));
    }

    /// The automaton for ASCII finds what the other one finds.
    fn same_with_and_without_ascii(pattern: &Pattern, text: &str) {
        let Engine::Linear(regex) = &pattern.engine else { return };
        let Ok(any) = plain(&regex.text) else { return };
        let expected = any.captures(text).map(|c| Match {
            whole: c.get_match().range(),
            groups: pattern.names.iter().map(|(n, _)| c.get(*n).map(|m| m.range())).collect(),
        });
        assert_eq!(pattern.captures(text), Ok(expected.clone()), "{} {text:?}", regex.text);
        assert_eq!(pattern.is_match(text), Ok(expected.is_some()), "{} {text:?}", regex.text);
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
            let relaxed = plain(pattern.relaxed());
            let literals = crate::filter::prefilter::Prefilter::new(
                [pattern.relaxed()], None, crate::filter::prefilter::Cut::Start).plain;
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
