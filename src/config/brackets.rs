//! `name[option=value, …]`: how filters, actions and backends are given parameters, and how a list of actions is split.

use std::fmt;
use std::ops::Range;

/// A name and where its parameters stand in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bracketed<'a> {
    /// What stands before the bracket, blanks included.
    pub name: &'a str,
    /// Its parameters.
    pub parameters: Parameters<'a>,
}

/// Each parameter's name with the bytes of its value, trimmed; in the order written.
pub type Parameters<'a> = Vec<(&'a str, Range<usize>)>;

/// The byte where reading stopped, and why.
pub type Unread = (usize, Wrong);

/// What is wrong with a text in brackets; shown for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    message: String,
    /// The same in fail2ban's words.
    pub original: String,
}

impl Wrong {
    fn whole(message: String) -> Wrong {
        Wrong { message, original: "unexpected option syntax".to_owned() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Takes `name[a=1, b="2,3"][c=4]` apart.
pub fn parse(text: &str) -> Result<Bracketed<'_>, Unread> {
    let name = &text[..text.find('[').unwrap_or(text.len())];
    if name.is_empty() {
        return Err((0, Wrong::whole("a name is missing".to_owned())));
    }
    let rest = super::ini::trim_end(&text[name.len()..]);
    if rest.is_empty() {
        return Ok(Bracketed { name, parameters: Vec::new() });
    }
    if !rest.ends_with(']') || rest.len() < 2 {
        return Err((name.len(), Wrong::whole(format!("the bracket behind `{name}` is not closed by a last `]`"))));
    }
    let parameters = list(text, name.len() + 1..name.len() + rest.len() - 1)?;
    Ok(Bracketed { name, parameters })
}

/// The parameters inside the brackets, `a=1, b=2`, as `ignorecache` writes them without any bracket.
pub fn list(text: &str, inside: Range<usize>) -> Result<Parameters<'_>, Unread> {
    let (mut at, end) = (inside.start, inside.end);
    let first = |at: usize, count| text[at..end].chars().take(count).collect::<String>();
    let place = |at: usize| text[inside.start..at].chars().count();
    let mut parameters = Vec::new();
    loop {
        let before = at;
        at += blanks(&text[at..end]);
        if at >= end {
            return Ok(parameters);
        }
        if text[before..end].starts_with(',') && at + 1 + blanks(&text[at + 1..end]) == end {
            return Ok(parameters);
        }
        let name = option_name(&text[at..end]).ok_or_else(|| {
            let message = format!("`option=value` is expected at `{}`, without blanks around the `=`", first(at, 20));
            let original = format!("expected option, wrong syntax at {}: {}", place(before), first(before, 25));
            (at, Wrong { message, original })
        })?;
        at += name.len() + 1;
        let (value, width) = value(&text[at..end]);
        parameters.push((name, at + value.start..at + value.end));
        at += width;
        let rest = &text[at..end];
        if let Some(width) = separator(rest) {
            at += width;
        } else if !rest.is_empty() && rest != "\n" {
            let message = format!("`,` or `]` is expected behind the value of `{name}`, not `{}`", first(at, 20));
            let original = format!("unexpected syntax at {} after option '{name}': {}", place(at), first(at, 25));
            return Err((at, Wrong { message, original }));
        }
    }
}

/// Splits a list of actions at white space outside brackets; `a [x=1]` stays one.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut at = blanks(text);
    while at < text.len() {
        let start = at;
        loop {
            let rest = &text[at..];
            at += match group(rest) {
                Some(width) => width,
                None => rest.chars().next().map_or(0, char::len_utf8),
            };
            let gap = blanks(&text[at..]);
            if at >= text.len() || gap > 0 && group(&text[at + gap..]).is_none() {
                items.push(start..at);
                at += gap;
                break;
            }
            at += gap;
        }
    }
    items
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(super::ini::is_space).len()
}

/// `NAME` of `NAME=…`.
fn option_name(text: &str) -> Option<&str> {
    let word = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).filter(|end| *end > 0);
    let end = word(text)?;
    if text[end..].starts_with('=') {
        return Some(&text[..end]);
    }
    let condition = text[end..].strip_prefix('?')?;
    let left = word(condition).filter(|at| condition[*at..].starts_with('='))?;
    let right = word(&condition[left + 1..])?;
    let end = end + 1 + left + 1 + right;
    text[end..].starts_with('=').then_some(&text[..end])
}

/// The trimmed value at the begin of `text`, and how much of the text it takes, quotes included.
fn value(text: &str) -> (Range<usize>, usize) {
    let quoted = text.chars().next().filter(|c| "\"'".contains(*c)).and_then(|quote| text[1..].find(quote));
    let (start, end, width) = match quoted {
        Some(len) => (1, 1 + len, len + 2),
        None => {
            let end = text.find([',', ']']).unwrap_or(text.len());
            (0, end, end)
        }
    };
    let trimmed = super::ini::trim(&text[start..end]);
    let start = if trimmed.is_empty() { start } else { start + blanks(&text[start..end]) };
    (start..start + trimmed.len(), width)
}

/// `,` or `] [` between two parameters.
fn separator(text: &str) -> Option<usize> {
    if text.starts_with(',') {
        return Some(1);
    }
    let rest = text.strip_prefix(']')?;
    let gap = blanks(rest);
    rest[gap..].starts_with('[').then_some(gap + 2)
}

/// A bracketed group at the begin of `text`: up to the first `]` outside the quotes that follow a `=`.
fn group(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix('[')?;
    loop {
        let at = rest.find(['=', ']'])?;
        let stop = rest[at..].starts_with(']');
        rest = &rest[at + 1..];
        if stop {
            return Some(text.len() - rest.len());
        }
        if let Some(quote) = rest.chars().next().filter(|c| "\"'".contains(*c))
            && let Some(end) = rest[1..].find(quote)
        {
            rest = &rest[end + 2..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
        let bracketed = parse(text).ok()?;
        let values = bracketed.parameters.into_iter().map(|(name, range)| (name, &text[range])).collect();
        Some((bracketed.name, values))
    }

    #[test]
    fn parameters_are_read_as_fail2ban_reads_them() {
        for (text, name, expected) in [
            ("a", "a", &[][..]),
            ("a ", "a ", &[]),
            ("a b[x=1]", "a b", &[("x", "1")]),
            ("a[]", "a", &[]),
            ("a[ ]", "a", &[]),
            ("a[x=\"1,2\", y='3]4']", "a", &[("x", "1,2"), ("y", "3]4")]),
            ("a[x=1][y=2]", "a", &[("x", "1"), ("y", "2")]),
            ("a[x=1] [y=2]", "a", &[("x", "1"), ("y", "2")]),
            ("a[x=1]\n[y=2]", "a", &[("x", "1"), ("y", "2")]),
            ("a[x=1][]", "a", &[("x", "1")]),
            ("a[x=a b c]", "a", &[("x", "a b c")]),
            ("a[x=\" 1 \"]", "a", &[("x", "1")]),
            ("a[x= 1 ]", "a", &[("x", "1")]),
            ("a[x=1,\n   y=2]", "a", &[("x", "1"), ("y", "2")]),
            ("a[x=1 , y=2]", "a", &[("x", "1"), ("y", "2")]),
            ("a[x=1,]", "a", &[("x", "1")]),
            ("a[x=1,,]", "a", &[("x", "1")]),
            ("a[, ]", "a", &[]),
            ("a[x=\"1\"\n]", "a", &[("x", "1")]),
            ("a[x=\"1\",\n ]", "a", &[("x", "1")]),
            ("a[x=,y=2]", "a", &[("x", ""), ("y", "2")]),
            ("a[x=\"a\nb\"]", "a", &[("x", "a\nb")]),
            ("a[x=\"1]", "a", &[("x", "\"1")]),
            ("a[x=a[b]", "a", &[("x", "a[b")]),
            ("a[x=1\"2\"]", "a", &[("x", "1\"2\"")]),
            ("a[x='\"']  \n", "a", &[("x", "\"")]),
            ("a[é=1]", "a", &[("é", "1")]),
            ("a[x?family=inet6=1]", "a", &[("x?family=inet6", "1")]),
        ] {
            assert_eq!(read(text), Some((name, expected.to_vec())), "{text:?}");
        }
    }

    #[test]
    fn what_fail2ban_refuses_is_refused() {
        for text in [
            "",
            "[x=1]",
            "a[x=1",
            "a[",
            "a[ x = 1 ]",
            "a[x]",
            "a[x=a]b]",
            "a[x=a]]",
            "a[x=\"1\"y=\"2\"]",
            "a[x=\"1\"\"2\"]",
            "a[known/x=5]",
            "a[x=1,,y=2]",
            "a[ ,]",
            "a[x=1, y]",
            "a[x=\"1\" , y=2]",
            "a[x=\"1\" ]",
            "a[x=\"1,2]",
            "a[x=\"1\"]b",
            "a[?x=1]",
        ] {
            assert!(parse(text).is_err(), "{text:?}: {:?}", parse(text));
        }
    }

    #[test]
    fn actions_are_split_outside_brackets() {
        for (text, expected) in [
            ("a b", &["a", "b"][..]),
            ("", &[]),
            (" \n ", &[]),
            ("a[x=1] b[y=2]", &["a[x=1]", "b[y=2]"]),
            ("a[x=1] [y=2] b", &["a[x=1] [y=2]", "b"]),
            ("a[x=\"]\"] b", &["a[x=\"]\"]", "b"]),
            ("a[x=\"] b[y=\"]", &["a[x=\"] b[y=\"]"]),
            ("a[foo=1] a[actname=c]", &["a[foo=1]", "a[actname=c]"]),
            ("a[x=1]b", &["a[x=1]b"]),
            ("a[x=1\n y=2]\n b", &["a[x=1\n y=2]", "b"]),
            ("a[x=1 b", &["a[x=1", "b"]),
            ("a [x=1]", &["a [x=1]"]),
            ("a[x=[1]] c", &["a[x=[1]]", "c"]),
            ("a[x=it's] b[y=it's]", &["a[x=it's]", "b[y=it's]"]),
            ("a[x=1\"]\"] d", &["a[x=1\"]\"]", "d"]),
            ("a[x='\"] b'] c[\"]", &["a[x='\"] b']", "c[\"]"]),
        ] {
            let items: Vec<&str> = split(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(items, expected, "{text:?}");
        }
    }
}
