//! How much of an expression lies before a place in it, in pieces: characters spelt out, classes, anchors.

use regex_syntax::ast::{Ast, RepetitionKind, RepetitionRange};

/// Pieces of an expression: the longest of several branches counts, a repetition once.
pub fn weight(ast: &Ast) -> usize {
    match ast {
        Ast::Empty(_) | Ast::Flags(_) => 0,
        Ast::Group(group) => weight(&group.ast),
        Ast::Repetition(repetition) => weight(&repetition.ast),
        Ast::Concat(concat) => concat.asts.iter().map(weight).sum(),
        Ast::Alternation(any) => any.asts.iter().map(weight).max().unwrap_or(0),
        _ => 1,
    }
}

/// Pieces that every match of an expression has: nothing for what may be left out, and the shortest of several branches.
pub fn least(ast: &Ast) -> usize {
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => 0,
        Ast::Group(group) => least(&group.ast),
        Ast::Repetition(repetition) => match &repetition.op.kind {
            RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => 0,
            RepetitionKind::Range(
                RepetitionRange::Exactly(0) | RepetitionRange::AtLeast(0) | RepetitionRange::Bounded(0, _),
            ) => 0,
            RepetitionKind::OneOrMore | RepetitionKind::Range(_) => least(&repetition.ast),
        },
        Ast::Concat(concat) => concat.asts.iter().map(least).sum(),
        Ast::Alternation(any) => any.asts.iter().map(least).min().unwrap_or(0),
        _ => 1,
    }
}

/// Pieces up to the end of the first text of several words that every match holds.
pub fn phrase(ast: &Ast, before: usize) -> Option<usize> {
    match ast {
        Ast::Group(group) => phrase(&group.ast, before),
        Ast::Concat(concat) => {
            let (mut rank, mut run) = (before, String::new());
            for ast in &concat.asts {
                match ast {
                    Ast::Literal(literal) => run.push(literal.c),
                    _ if is_phrase(&run) => return Some(rank),
                    ast => {
                        run.clear();
                        if let Some(end) = phrase(ast, rank) {
                            return Some(end);
                        }
                    }
                }
                rank += weight(ast);
            }
            is_phrase(&run).then_some(rank)
        }
        _ => None,
    }
}

fn is_phrase(text: &str) -> bool {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).nth(1).is_some()
}
