//! A command of the stream for reading: Python's `pprint` with an indent of two, for lines of a thousand characters.

use crate::word::Word;

/// The command, on more than one line where it is long.
pub fn pretty(word: &Word) -> String {
    let mut out = String::new();
    put(word, 0, 0, &mut out);
    out
}

/// How long a line may be.
const WIDTH: usize = 1000;
const INDENT: usize = 2;

/// Puts a value at a column; so many brackets will be closed behind it.
fn put(word: &Word, column: usize, behind: usize, out: &mut String) {
    let whole = word.to_string();
    if whole.chars().count() + column + behind <= WIDTH {
        return out.push_str(&whole);
    }
    match word {
        Word::List(words) if !words.is_empty() => {
            out.push('[');
            out.push_str(&" ".repeat(INDENT - 1));
            let column = column + INDENT;
            for (at, word) in words.iter().enumerate() {
                let last = at + 1 == words.len();
                put(word, column, if last { behind + 1 } else { 1 }, out);
                out.push_str(&if last { "]".to_owned() } else { format!(",\n{}", " ".repeat(column)) });
            }
        }
        Word::Text(text) => out.push_str(&pieces(text, column, behind).join(&format!("\n{}", " ".repeat(column)))),
        _ => out.push_str(&whole),
    }
}

/// A text as several that Python would put together: one a line, and lines that are too long in pieces of whole words.
fn pieces(text: &str, column: usize, behind: usize) -> Vec<String> {
    let width = WIDTH.saturating_sub(column);
    let repr = |text: &str| Word::text(text).to_string();
    let fits =
        |text: &str, last: bool| repr(text).chars().count() <= width.saturating_sub(if last { behind } else { 0 });
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut pieces = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let last_line = at + 1 == lines.len();
        if fits(line, last_line) {
            pieces.push(repr(line));
            continue;
        }
        let words = words(line);
        let mut piece = String::new();
        for (at, word) in words.iter().enumerate() {
            let longer = format!("{piece}{word}");
            if fits(&longer, last_line && at + 1 == words.len()) {
                piece = longer;
            } else {
                if !piece.is_empty() {
                    pieces.push(repr(&piece));
                }
                piece = (*word).to_owned();
            }
        }
        if !piece.is_empty() {
            pieces.push(repr(&piece));
        }
    }
    pieces
}

/// Each word with the blanks behind it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let next = rest[blank..].find(|c: char| !c.is_whitespace()).map_or(rest.len(), |found| blank + found);
        let (word, tail) = rest.split_at(next);
        words.push(word);
        rest = tail;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_broken() {
        let long = |c: &str| Word::text(c.repeat(600));
        let short = Word::List(vec![Word::text("a"), Word::List(vec![Word::Int(1)])]);
        assert_eq!(pretty(&short), "['a', [1]]");
        let word = Word::List(vec![Word::text("x"), Word::List(vec![long("a"), long("b")])]);
        let expected = format!("[ 'x',\n  [ '{}',\n    '{}']]", "a".repeat(600), "b".repeat(600));
        assert_eq!(pretty(&word), expected);
        let lines = Word::List(vec![Word::text(format!("{}\n{} c", "a".repeat(600), "b ".repeat(600)))]);
        assert_eq!(pretty(&lines).lines().count(), 3);
    }
}
