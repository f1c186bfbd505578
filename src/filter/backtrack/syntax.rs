//! A pattern as a tree: what Python's regular expressions are made of.

use super::charset::CharSet;

/// A part of a pattern.
#[derive(Clone, Debug)]
pub enum Node {
    /// Matches nothing of the text.
    Empty,
    /// One character, case to be ignored or not.
    Char(char, bool),
    /// One character of a set.
    Set(CharSet),
    /// Any character; also a line feed, or not.
    Any(bool),
    /// A place, not a character.
    Assert(Assert),
    /// A group that is remembered under its number.
    Capture(usize, Box<Node>),
    /// One after the other.
    Cat(Vec<Node>),
    /// The first that leads to a match.
    Alt(Vec<Node>),
    /// `?`, `*`, `+`, `{2,3}`; as many as possible, or as few.
    Repeat(Box<Node>, u32, Option<u32>, bool),
    /// `(?P=name)`: the text of a group once more.
    Backref(usize, bool),
    /// Something that is matched on its own.
    Look(Look, Box<Node>),
    /// `(?(group)yes|no)`.
    If(usize, Box<Node>, Box<Node>),
}

/// A place that a pattern may demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assert {
    /// `^`, `\A`
    Start,
    /// `$`: also before a last line feed.
    End,
    /// `\Z`
    TextEnd,
    /// `^` of a multi-line pattern: a line feed stands before.
    LineStart,
    /// `$` of a multi-line pattern.
    LineEnd,
    /// `\b`
    WordEdge,
    /// `\B`
    NoWordEdge,
    /// `\b` under the flag `a`, or `\B` if false.
    AsciiWordEdge(bool),
    /// `(?=^|\b|\W)`: what stands before does not belong to the date.
    DateStart,
    /// `(?=\b|\W|$)`: what follows does not belong to the date.
    DateEnd,
}

/// How a part that is matched on its own counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `(?=…)`, or `(?!…)` if false.
    Ahead(bool),
    /// `(?<=…)`, or `(?<!…)` if false; so many characters back.
    Behind(bool, u32),
    /// `(?>…)`: once matched, never tried again.
    Atomic,
}

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct Tree {
    /// All of it.
    pub root: Node,
    /// Names of groups with their numbers, in the order in which they begin.
    pub names: Vec<(String, usize)>,
    /// How many groups there are, the whole match being group 0.
    pub groups: usize,
}

impl Node {
    /// How many characters it takes, if that is always the same number.
    pub fn width(&self) -> Option<usize> {
        match self {
            Node::Empty | Node::Assert(_) | Node::Look(Look::Ahead(_) | Look::Behind(..), _) => Some(0),
            Node::Char(..) | Node::Set(_) | Node::Any(_) => Some(1),
            Node::Capture(_, inner) | Node::Look(Look::Atomic, inner) => inner.width(),
            Node::Cat(parts) => parts.iter().map(Node::width).sum(),
            Node::Alt(parts) => same_width(parts.iter()),
            Node::Repeat(inner, min, Some(max), _) if min == max => inner.width()?.checked_mul(*min as usize),
            Node::Repeat(..) | Node::Backref(..) => None,
            Node::If(_, yes, no) => same_width([&**yes, &**no].into_iter()),
        }
    }
}

fn same_width<'a>(mut parts: impl Iterator<Item = &'a Node>) -> Option<usize> {
    let first = parts.next()?.width()?;
    parts.all(|part| part.width() == Some(first)).then_some(first)
}
