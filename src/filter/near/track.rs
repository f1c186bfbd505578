//! An expression as steps that can be taken through a text, each with its place in the expression.
//!
//! The tree of the relaxed expression becomes a graph: a step takes a character, asks for a place, or forks. Its rank
//! says how many pieces (characters spelt out, classes, anchors) lie before it; the longest of several branches counts,
//! a repetition once.

use std::ops::Range;

use regex_syntax::ast::{self, Ast, Flag, GroupKind, RepetitionKind, RepetitionRange};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};

use super::weight::{least, phrase, weight};
use crate::text::printable;

/// An expression's steps.
#[derive(Debug)]
pub struct Track {
    /// From the last one to the first, on the whole.
    pub steps: Vec<Step>,
    /// The first one.
    pub start: usize,
    /// All of its pieces.
    pub length: usize,
    /// Those of them that every match has.
    pub least: usize,
    /// Pieces up to the end of the first text of several words; `None`: it spells out none.
    pub phrase: Option<usize>,
    text: String,
    runs: Vec<Vec<char>>,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// What it takes.
    pub kind: Kind,
    /// Pieces before it.
    pub rank: usize,
    /// Those of them that every match has.
    pub sure: usize,
    /// What stands before it takes any text: it may be taken anywhere behind the first place.
    pub roams: bool,
    says: Says,
}

/// What a step takes.
#[derive(Debug)]
pub enum Kind {
    /// A character, and which step comes then.
    Char(Set, usize),
    /// Nothing, but the place must be right.
    Look(Look, usize),
    /// Nothing: any of these steps.
    Fork(Vec<usize>),
    /// The expression ends.
    End,
}

/// Characters.
#[derive(Debug)]
pub enum Set {
    /// This one.
    One(char),
    /// Any of a class.
    Of(ClassUnicode),
}

/// How a step is told to a person.
#[derive(Clone, Debug)]
enum Says {
    Nothing,
    /// The rest of a run of characters, from one of them on.
    Run(usize, usize),
    /// A piece of the expression.
    Piece(Range<usize>),
    Words(&'static str),
}

impl Set {
    /// Whether the character is one of them.
    pub fn contains(&self, c: char) -> bool {
        match self {
            Set::One(one) => *one == c,
            Set::Of(class) => {
                let ranges = class.ranges();
                let at = ranges.partition_point(|range| range.end() < c);
                ranges.get(at).is_some_and(|range| range.start() <= c)
            }
        }
    }
}

impl Track {
    /// The step that ends every expression.
    pub const END: usize = 0;

    /// Of a relaxed expression; `None` if it is no expression, or would have too many steps.
    pub fn new(text: &str) -> Option<Track> {
        let ast = ast::parse::Parser::new().parse(text).ok()?;
        let length = weight(&ast);
        let end = Step { kind: Kind::End, rank: length, sure: least(&ast), roams: false, says: Says::Nothing };
        let track = Track {
            steps: Vec::new(),
            start: 0,
            length,
            least: end.sure,
            phrase: None,
            text: text.to_owned(),
            runs: Vec::new(),
        };
        let mut build = Build { track, full: false };
        build.track.steps.push(end);
        let place = Place { rank: 0, sure: 0, flags: Flags::default(), roams: false, says: None };
        build.track.start = build.piece(&ast, &place, Track::END);
        build.track.phrase = phrase(&ast, 0);
        (!build.full).then_some(build.track)
    }

    /// What a step would have taken, for a person.
    pub fn says(&self, step: usize) -> String {
        match &self.steps[step].says {
            Says::Nothing => String::new(),
            Says::Words(words) => (*words).to_owned(),
            Says::Run(run, from) => {
                let rest: String = self.runs[*run][*from..].iter().collect();
                format!("`{}`", printable(&rest))
            }
            Says::Piece(piece) => {
                // As Python has it, and as it was written.
                let text = self.text[piece.clone()].replace(r"[^\s\x1c-\x1f]", r"\S").replace(r"[\s\x1c-\x1f]", r"\s");
                format!("`{}`", printable(&text))
            }
        }
    }
}

/// Whether the place fits.
pub fn holds(look: Look, text: &str, at: usize) -> bool {
    let (before, after) = (text[..at].chars().next_back(), text[at..].chars().next());
    let word = |c: Option<char>| c.is_some_and(regex_syntax::is_word_character);
    let ascii = |c: Option<char>| word(c.filter(char::is_ascii));
    match look {
        Look::Start => before.is_none(),
        Look::End => after.is_none(),
        Look::StartLF => before.is_none_or(|c| c == '\n'),
        Look::EndLF => after.is_none_or(|c| c == '\n'),
        Look::WordUnicode => word(before) != word(after),
        Look::WordUnicodeNegate => word(before) == word(after),
        Look::WordAscii => ascii(before) != ascii(after),
        Look::WordAsciiNegate => ascii(before) == ascii(after),
        // The translation writes no other, and to follow too far is no harm.
        _ => true,
    }
}

/// Flags of the engine that hold at a place.
#[derive(Clone, Copy, Default)]
struct Flags {
    insensitive: bool,
    multi_line: bool,
    dot_all: bool,
    bytes: bool,
}

impl Flags {
    fn with(mut self, flags: &ast::Flags) -> Flags {
        let set = |flag, value: &mut bool| *value = flags.flag_state(flag).unwrap_or(*value);
        set(Flag::CaseInsensitive, &mut self.insensitive);
        set(Flag::MultiLine, &mut self.multi_line);
        set(Flag::DotMatchesNewLine, &mut self.dot_all);
        let mut unicode = !self.bytes;
        set(Flag::Unicode, &mut unicode);
        Flags { bytes: !unicode, ..self }
    }
}

/// Where a piece stands.
#[derive(Clone)]
struct Place {
    rank: usize,
    sure: usize,
    flags: Flags,
    roams: bool,
    says: Option<Says>,
}

struct Build {
    track: Track,
    full: bool,
}

impl Build {
    /// Adds the steps of a piece, behind which comes `then`, and gives the first one.
    fn piece(&mut self, ast: &Ast, place: &Place, then: usize) -> usize {
        match ast {
            Ast::Empty(_) | Ast::Flags(_) => then,
            Ast::Concat(concat) => self.concat(&concat.asts, place, then),
            Ast::Alternation(any) => {
                let ways = any.asts.iter().rev().map(|ast| self.piece(ast, place, then)).collect();
                self.add(Kind::Fork(ways), place, Says::Nothing)
            }
            Ast::Group(group) => {
                let mut inner = place.clone();
                match &group.kind {
                    GroupKind::NonCapturing(flags) => inner.flags = inner.flags.with(flags),
                    GroupKind::CaptureName { name, .. } if matches!(&*name.name, "ip4" | "ip6") => {
                        inner.says = Some(Says::Words("an address"));
                    }
                    GroupKind::CaptureName { name, .. } if name.name == "dns" => {
                        inner.says = Some(Says::Words("an address or a host name"));
                    }
                    GroupKind::CaptureName { .. } | GroupKind::CaptureIndex(_) => {}
                }
                self.piece(&group.ast, &inner, then)
            }
            Ast::Repetition(repetition) => self.repetition(repetition, place, then),
            Ast::Literal(literal) => {
                let says = place.says.clone().unwrap_or_else(|| {
                    self.track.runs.push(vec![literal.c]);
                    Says::Run(self.track.runs.len() - 1, 0)
                });
                self.leaf(ast, place, says, then)
            }
            Ast::Assertion(_) => self.leaf(ast, place, Says::Piece(span(ast)), then),
            Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => {
                let says = place.says.clone().unwrap_or_else(|| Says::Piece(span(ast)));
                self.leaf(ast, place, says, then)
            }
        }
    }

    /// From the last piece to the first, since each has to know what comes then.
    fn concat(&mut self, asts: &[Ast], place: &Place, mut then: usize) -> usize {
        let mut places = Vec::new();
        let mut here = place.clone();
        for (i, ast) in asts.iter().enumerate() {
            let mut says = here.says.clone();
            if let (Ast::Literal(literal), None) = (ast, &says) {
                says = Some(match (i.checked_sub(1).map(|i| &asts[i]), self.track.runs.last_mut()) {
                    (Some(Ast::Literal(_)), Some(run)) => {
                        run.push(literal.c);
                        let from = run.len() - 1;
                        Says::Run(self.track.runs.len() - 1, from)
                    }
                    _ => {
                        self.track.runs.push(vec![literal.c]);
                        Says::Run(self.track.runs.len() - 1, 0)
                    }
                });
            }
            places.push(Place { says, ..here.clone() });
            if let Ast::Flags(set) = ast {
                here.flags = here.flags.with(&set.flags);
            }
            here.rank += weight(ast);
            here.sure += least(ast);
            here.roams = roams(ast, here.flags, &self.track.text);
        }
        for (ast, place) in asts.iter().zip(&places).rev() {
            then = self.piece(ast, place, then);
        }
        then
    }

    fn repetition(&mut self, repetition: &ast::Repetition, place: &Place, mut then: usize) -> usize {
        let (min, max) = match &repetition.op.kind {
            RepetitionKind::ZeroOrOne => (0, Some(1)),
            RepetitionKind::ZeroOrMore => (0, None),
            RepetitionKind::OneOrMore => (1, None),
            RepetitionKind::Range(RepetitionRange::Exactly(n)) => (*n, Some(*n)),
            RepetitionKind::Range(RepetitionRange::AtLeast(n)) => (*n, None),
            RepetitionKind::Range(RepetitionRange::Bounded(min, max)) => (*min, Some(*max)),
        };
        let mut inner = place.clone();
        if inner.says.is_none() && !matches!(&*repetition.ast, Ast::Group(_)) {
            let Range { start, end } = repetition.span.start.offset..repetition.span.end.offset;
            inner.says = Some(Says::Piece(start..end));
        }
        match max {
            None => {
                let fork = self.add(Kind::Fork(vec![then]), place, Says::Nothing);
                let body = self.piece(&repetition.ast, &inner, fork);
                if let Kind::Fork(ways) = &mut self.track.steps[fork].kind {
                    ways.push(body);
                }
                then = fork;
            }
            Some(max) => {
                let out = then;
                for _ in min..max {
                    let body = self.piece(&repetition.ast, &inner, then);
                    then = self.add(Kind::Fork(vec![out, body]), place, Says::Nothing);
                    if self.full {
                        return then;
                    }
                }
            }
        }
        for _ in 0..min {
            then = self.piece(&repetition.ast, &inner, then);
            if self.full {
                break;
            }
        }
        then
    }

    fn leaf(&mut self, ast: &Ast, place: &Place, says: Says, then: usize) -> usize {
        match class(ast, place.flags, &self.track.text) {
            Some(Leaf::Set(set)) => self.add(Kind::Char(set, then), place, says),
            Some(Leaf::Look(look)) => {
                let says = match look {
                    Look::End | Look::EndLF => Says::Words("the end of the line"),
                    Look::Start | Look::StartLF => Says::Words("the start of the line"),
                    _ => says,
                };
                self.add(Kind::Look(look, then), place, says)
            }
            None => {
                self.full = true;
                then
            }
        }
    }

    fn add(&mut self, kind: Kind, place: &Place, says: Says) -> usize {
        self.full |= self.track.steps.len() >= MOST;
        if !self.full {
            self.track.steps.push(Step { kind, rank: place.rank, sure: place.sure, roams: place.roams, says });
        }
        self.track.steps.len() - 1
    }
}

enum Leaf {
    Set(Set),
    Look(Look),
}

/// What a piece without pieces takes.
fn class(ast: &Ast, flags: Flags, text: &str) -> Option<Leaf> {
    let mut builder = TranslatorBuilder::new();
    builder.utf8(false).unicode(!flags.bytes).case_insensitive(flags.insensitive);
    builder.multi_line(flags.multi_line).dot_matches_new_line(flags.dot_all);
    let hir: Hir = builder.build().translate(text, ast).ok()?;
    match hir.into_kind() {
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).ok()?.chars().next().map(|c| Leaf::Set(Set::One(c)))
        }
        HirKind::Class(Class::Unicode(class)) => Some(Leaf::Set(Set::Of(class))),
        HirKind::Class(Class::Bytes(class)) => Some(Leaf::Set(Set::Of(class.to_unicode_class()?))),
        HirKind::Look(look) => Some(Leaf::Look(look)),
        _ => None,
    }
}

/// Whether a piece ends in one that takes any text of any length.
fn roams(ast: &Ast, flags: Flags, text: &str) -> bool {
    match ast {
        Ast::Group(group) => roams(&group.ast, flags, text),
        Ast::Concat(concat) => concat.asts.last().is_some_and(|last| roams(last, flags, text)),
        Ast::Repetition(repetition) => {
            let endless = match &repetition.op.kind {
                RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => true,
                RepetitionKind::Range(range) => matches!(range, RepetitionRange::AtLeast(_)),
                RepetitionKind::ZeroOrOne => false,
            };
            endless
                && match &*repetition.ast {
                    Ast::Group(_) => roams(&repetition.ast, flags, text),
                    leaf @ (Ast::Dot(_) | Ast::ClassBracketed(_) | Ast::ClassPerl(_)) => {
                        let any = |set: &Set| [' ', 'a', '0'].into_iter().all(|c| set.contains(c));
                        matches!(class(leaf, flags, text), Some(Leaf::Set(set)) if any(&set))
                    }
                    _ => false,
                }
        }
        _ => false,
    }
}

fn span(ast: &Ast) -> Range<usize> {
    ast.span().start.offset..ast.span().end.offset
}

/// Steps of one expression, at most.
const MOST: usize = 10_000;
