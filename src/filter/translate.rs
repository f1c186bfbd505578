//! From the text of a Python expression to what the linear engine takes: a text, or a tree.
//!
//! One pass over the expression that checks what Python checks (group names, escapes, repetitions) and hands on, part by
//! part, what means the same here: to a text or to a tree. The differences that would otherwise be silent: `$`, `\Z`,
//! `\<`, `[` and `&&` inside a class, `{` as itself, `(?(name)…)`, `\s`.

mod reader;
mod text;
mod tree;

use std::borrow::Cow;

use memchr::memmem;
use regex_syntax::hir::Hir;

use reader::read;
use text::Text;
use tree::Tree;

pub use tree::stand;

/// What a text in Rust's notation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Means exactly the same.
    Exact,
    /// Matches wherever the expression does, perhaps in more places, and needs no backtracking.
    Relaxed,
}

/// How the expression will be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Python's `MULTILINE`, as fail2ban sets it for failregexes with `maxlines` above 1.
    pub multiline: bool,
    /// Whether the text to search may hold several lines; otherwise its one `\n` is the last character.
    pub window: bool,
}

/// A translated expression.
#[derive(Debug)]
pub struct Translated<F> {
    /// The text for `regex`, only for a reader where it is [`Dialect::Exact`] and [`Translated::backtracks`]; or the tree.
    pub form: F,
    /// Named groups and their numbers.
    pub names: Vec<(usize, Box<str>)>,
    /// Whether it needs the backtracking engine.
    pub backtracks: bool,
    /// Whether it asks for edges of words of any script.
    pub edges: bool,
}

/// Translates `text`, or says what is wrong with it and where.
pub fn translate(text: &str, dialect: Dialect, options: Options) -> Result<Translated<String>, String> {
    read(text, Text::new(dialect, text.len() + 16), options)
}

/// The outline of an expression: the relaxed form as a tree, edges of words kept, with one character each, of [`stand`], in
/// the place of all words, digits and white space beyond ASCII, which are 140,000: it has the same shape and costs a
/// fraction. What is exact without backtracking is exact here for texts of ASCII; no other text is searched with it.
/// There is none where groups stand too deep inside of each other.
pub fn outline(text: &str, options: Options) -> Result<Translated<Option<Hir>>, String> {
    read(text, Tree::default(), options)
}

/// The expression without the look-behind of `<HOST>`: both branches before it end in a colon, so it asks for nothing.
pub fn without_idle_looks(text: &str) -> Cow<'_, str> {
    const IDLE: &str = "[0-9a-fA-F]{1,4}|(?<=:):)";
    match memmem::find(text.as_bytes(), IDLE.as_bytes()) {
        Some(_) => text.replace(IDLE, "[0-9a-fA-F]{1,4}|:)").into(),
        None => text.into(),
    }
}

/// What becomes of an expression, part by part in its order.
trait Output {
    type Form;

    /// From the start on letters stand for both cases.
    fn leading_case(&mut self);
    fn literal(&mut self, c: char, ignore_case: bool);
    fn set(&mut self, set: Set, ignore_case: bool);
    fn class(&mut self, negated: bool, items: &[Item], ignore_case: bool);
    fn dot(&mut self, all: bool);
    fn place(&mut self, place: Place);
    fn open(&mut self, group: Group<'_>);
    fn branch(&mut self);
    fn close(&mut self);
    /// The text of a group once more.
    fn reference(&mut self, number: usize);
    /// What stands last is repeated.
    fn repeat(&mut self, repeat: Repeat);
    fn end(self) -> Self::Form;
}

/// What is asked for between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `^`, `\A`
    Start,
    /// `\Z`
    TextEnd,
    /// `$` in a text of several lines: also before the last line feed.
    End,
    LineStart,
    LineEnd,
    /// `\b`, or `\B` if false …
    Edge(bool),
    /// … and with the flag `a`.
    AsciiEdge(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group<'n> {
    Plain,
    Capture(usize, Option<&'n str>),
    /// With what stands behind its `(?`.
    Look(&'static str),
    /// `(?>…)`
    Atomic,
    /// Asks for the group of this number.
    Conditional(usize),
    /// From here on letters stand for both cases, or no longer.
    Case(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Repeat {
    min: u32,
    max: Option<u32>,
    greed: Greed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// One item of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// From the first character to the last one.
    Range(char, char),
    Set(Set),
}

/// `\d`, `\s`, `\w` or the opposite of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    kind: Kind,
    /// Of ASCII alone.
    ascii: bool,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Digit,
    Space,
    Word,
}
