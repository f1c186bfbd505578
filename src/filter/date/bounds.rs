//! What fail2ban puts around a date pattern: boundaries, so that no date is found inside a number or a word, and the group
//! whose text is cut out of the line.

use crate::filter::backtrack::global_flags;

/// How a pattern is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Boundaries on both sides.
    Bound,
    /// At the start of a line, after up to two characters that are no part of a word.
    LineBegin,
    /// Nothing.
    Unbound,
    /// The pattern is a regular expression already.
    Ready,
}

impl Form {
    /// By the token at the start of a pattern.
    pub fn of(pattern: &str) -> Form {
        match pattern {
            p if p.starts_with(LINE_BEGIN) => Form::LineBegin,
            p if p.starts_with(UNBOUND) => Form::Unbound,
            _ => Form::Bound,
        }
    }

    /// That token.
    pub fn prefix(self) -> &'static str {
        match self {
            Form::LineBegin => LINE_BEGIN,
            Form::Unbound => UNBOUND,
            Form::Bound | Form::Ready => "",
        }
    }
}

/// Adds boundaries and a group to cut, as fail2ban does; also says whether the outcome is anchored.
pub fn bind(text: &str, form: Form, ignore_case: bool, has_group: bool) -> (String, bool) {
    let (mut flags, text) = take_flags(text);
    if ignore_case {
        flags.insert_str(0, "(?iu)");
    }
    let free_start = starts_free(&text);
    let free_end = ends_free(&text);
    let mut text = without_stars(&text);
    if !has_group {
        let (head, inner) = text.strip_prefix('^').map_or(("", text.as_str()), |inner| ("^", inner));
        let (inner, tail) = match inner.strip_suffix('$') {
            Some(shorter) if !escaped(shorter) => (shorter, "$"),
            _ => (inner, ""),
        };
        text = format!("{head}({inner}){tail}");
    }
    let start = match form {
        _ if free_start => "",
        Form::Bound => DATE_START,
        Form::LineBegin => LINE_BEGIN_REGEX,
        Form::Unbound | Form::Ready => "",
    };
    let end = if free_end || form == Form::Unbound { "" } else { DATE_END };
    let anchored = is_anchored(&format!("{start}{text}{end}"));
    (format!("{flags}{start}{text}{end}"), anchored)
}

/// Whether an expression shows at its first or last character that it is bound to the start or the end of the line.
pub fn is_anchored(regex: &str) -> bool {
    let begins =
        ["^", "(^", "(?:^"].iter().any(|start| regex.strip_prefix(start).is_some_and(|rest| !rest.starts_with('|')));
    let ends = ["$", "$)"].iter().any(|end| regex.strip_suffix(end).is_some_and(|rest| !escaped(rest)));
    begins || ends && !regex.ends_with(DATE_END)
}

/// Global flags, which Python wants to have at the front, wherever they stand.
fn take_flags(text: &str) -> (String, String) {
    let (mut flags, mut rest) = (String::new(), String::with_capacity(text.len()));
    let (mut at, mut in_class) = (0, false);
    while let Some(c) = text[at..].chars().next() {
        if !in_class && let Some((letters, after)) = global_flags(&text[at..]) {
            flags.push_str(&format!("(?{letters})"));
            at = text.len() - after.len();
            continue;
        }
        in_class = match c {
            '[' => true,
            ']' => false,
            _ => in_class,
        };
        let length = c.len_utf8() + if c == '\\' { text[at + 1..].chars().next().map_or(0, char::len_utf8) } else { 0 };
        rest.push_str(&text[at..at + length]);
        at += length;
    }
    (flags, rest)
}

/// A group without a name; neither an escaped parenthesis nor the question of `(?(name)yes|no)`.
pub fn has_plain_group(text: &str) -> bool {
    text.match_indices('(').any(|(at, _)| {
        let before = &text[..at];
        !text[at + 1..].starts_with('?') && !before.ends_with('\\') && !before.ends_with("(?")
    })
}

fn starts_free(text: &str) -> bool {
    let text = text.trim_start_matches('(');
    // The parenthesis of `(?:` went with the others.
    text.starts_with('^') || text.starts_with("**") || text.starts_with("?:^")
}

fn ends_free(text: &str) -> bool {
    let unescaped = |end: &str| text.strip_suffix(end).is_some_and(|rest| !escaped(rest));
    ["$", "$)", r"\b", r"\s"].iter().any(|end| unescaped(end)) || text.trim_end_matches(')').ends_with("**")
}

/// Whether a character behind this text has a backslash before it that is no escaped one itself.
fn escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

/// `**` at the start or the end only says that there is no boundary.
fn without_stars(text: &str) -> String {
    let inner = text.trim_start_matches('(');
    let parens = &text[..text.len() - inner.len()];
    let text = inner.strip_prefix("**").map_or_else(|| text.to_owned(), |rest| format!("{parens}{rest}"));
    let inner = text.trim_end_matches(')');
    let parens = &text[inner.len()..];
    inner.strip_suffix("**").map(|rest| format!("{rest}{parens}")).unwrap_or(text.clone())
}

/// Bound to the start of the line.
pub const LINE_BEGIN: &str = "{^LN-BEG}";
const UNBOUND: &str = "{UNB}";

/// The date does not go on to the left …
pub const DATE_START: &str = r"(?=^|\b|\W)";
/// … nor to the right.
pub const DATE_END: &str = r"(?=\b|\W|$)";
/// What [`LINE_BEGIN`] becomes.
pub const LINE_BEGIN_REGEX: &str = r"^(?:\W{0,2})?";
