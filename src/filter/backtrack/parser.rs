//! Reads Python's regular expressions.
//!
//! Left out: `\N{…}`, locale rules. Whatever else Python refuses is refused here too.

use super::charset::{CharSet, Item};
use super::syntax::{Assert, Look, Node, Tree};

/// How an expression is meant, beside the flags that it sets itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Python's `MULTILINE`.
    pub multi_line: bool,
}

/// Reads a pattern; global flags may stand at its start only. The error says what is wrong, in Python's words where short.
pub fn parse(pattern: &str, options: Options) -> Result<Tree, String> {
    let flags = Flags { multi_line: options.multi_line, ..Flags::default() };
    let mut parser = Parser { rest: pattern, flags, names: Vec::new(), groups: 1, open: Vec::new(), depth: 0 };
    while let Some((flags, rest)) = global_flags(parser.rest) {
        parser.flags.set(flags, true)?;
        parser.rest = rest;
    }
    let root = parser.alternatives()?;
    if !parser.rest.is_empty() {
        return Err("unbalanced parenthesis".into());
    }
    Ok(Tree { root, names: parser.names, groups: parser.groups })
}

/// `(?iu)` at the start of `pattern`: its letters and what follows.
pub fn global_flags(pattern: &str) -> Option<(&str, &str)> {
    let inner = pattern.strip_prefix("(?")?;
    let (flags, rest) = inner.split_once(')')?;
    let valid = !flags.is_empty() && flags.bytes().all(|b| b"aiLmsux".contains(&b));
    valid.then_some((flags, rest))
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
}

impl Flags {
    fn set(&mut self, letters: &str, on: bool) -> Result<(), String> {
        for letter in letters.chars() {
            match letter {
                'i' => self.ignore_case = on,
                'm' => self.multi_line = on,
                's' => self.dot_all = on,
                'x' => self.verbose = on,
                'a' if on => self.ascii = true,
                'u' if on => self.ascii = false,
                other => return Err(format!("the flag `{other}` is not known here")),
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    rest: &'a str,
    flags: Flags,
    names: Vec<(String, usize)>,
    groups: usize,
    open: Vec<usize>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let (text, rest) = self.rest.split_once(end).ok_or("missing ), unterminated name")?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut all = vec![self.sequence()?];
        while self.eat("|") {
            all.push(self.sequence()?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Node::Alt(all) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut parts = Vec::new();
        self.skip()?;
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let atom = self.atom()?;
            self.skip()?;
            parts.push(self.repeated(atom)?);
            self.skip()?;
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.swap_remove(0),
            _ => Node::Cat(parts),
        })
    }

    /// Passes over what says nothing: comments, and in verbose mode white space.
    fn skip(&mut self) -> Result<(), String> {
        loop {
            if self.eat("(?#") {
                self.until(')')?;
            } else if self.flags.verbose && self.eat("#") {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if self.flags.verbose && self.rest.starts_with([' ', '\t', '\n', '\r', '\x0b', '\x0c']) {
                self.rest = &self.rest[1..];
            } else {
                return Ok(());
            }
        }
    }

    fn repeated(&mut self, atom: Node) -> Result<Node, String> {
        let Some((min, max)) = self.quantifier()? else { return Ok(atom) };
        if matches!(atom, Node::Assert(_)) {
            return Err("nothing to repeat".into());
        }
        if max.is_some_and(|max| max < min) {
            return Err("min repeat greater than max repeat".into());
        }
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT) {
            return Err(format!("more than {MAX_REPEAT} repetitions"));
        }
        let node = if self.eat("?") {
            Node::Repeat(Box::new(atom), min, max, false)
        } else if self.eat("+") {
            Node::Look(Look::Atomic, Box::new(Node::Repeat(Box::new(atom), min, max, true)))
        } else {
            Node::Repeat(Box::new(atom), min, max, true)
        };
        self.skip()?;
        if self.quantifier()?.is_some() { Err("multiple repeat".into()) } else { Ok(node) }
    }

    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let simple = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => return Ok(self.counted()),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(simple))
    }

    /// `{2}`, `{2,}`, `{,3}`, `{2,3}`; any other brace is a character.
    fn counted(&mut self) -> Option<(u32, Option<u32>)> {
        let (inner, rest) = self.rest.strip_prefix('{')?.split_once('}')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(u32::MAX));
        let bounds = match inner.split_once(',') {
            None if inner.is_empty() => return None,
            None => (number(inner)?, Some(number(inner)?)),
            Some((min, max)) => {
                (if min.is_empty() { 0 } else { number(min)? }, if max.is_empty() { None } else { Some(number(max)?) })
            }
        };
        self.rest = rest;
        Some(bounds)
    }

    fn atom(&mut self) -> Result<Node, String> {
        let flags = self.flags;
        for (text, assert) in [(r"(?=^|\b|\W)", Assert::DateStart), (r"(?=\b|\W|$)", Assert::DateEnd)] {
            if !flags.multi_line && self.eat(text) {
                return Ok(Node::Assert(assert));
            }
        }
        Ok(match self.next().expect("the caller saw a character") {
            '(' => self.group()?,
            '[' => Node::Set(self.class()?),
            '.' => Node::Any(flags.dot_all),
            '^' => Node::Assert(if flags.multi_line { Assert::LineStart } else { Assert::Start }),
            '$' => Node::Assert(if flags.multi_line { Assert::LineEnd } else { Assert::End }),
            '?' | '*' | '+' => return Err("nothing to repeat".into()),
            '\\' => self.escape()?,
            c => Node::Char(c, flags.ignore_case),
        })
    }

    fn escape(&mut self) -> Result<Node, String> {
        let ignore_case = self.flags.ignore_case;
        Ok(match self.peek().ok_or("bad escape (end of pattern)")? {
            'A' => self.taken(Node::Assert(Assert::Start)),
            'Z' => self.taken(Node::Assert(Assert::TextEnd)),
            'b' if self.flags.ascii => self.taken(Node::Assert(Assert::AsciiWordEdge(true))),
            'B' if self.flags.ascii => self.taken(Node::Assert(Assert::AsciiWordEdge(false))),
            'b' => self.taken(Node::Assert(Assert::WordEdge)),
            'B' => self.taken(Node::Assert(Assert::NoWordEdge)),
            '1'..='7' if self.octal_digits() == 3 => Node::Char(self.octal()?, ignore_case),
            '1'..='9' => {
                let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                let number = self.rest[..digits].parse().unwrap_or(0);
                self.rest = &self.rest[digits..];
                Node::Backref(self.known(number)?, ignore_case)
            }
            _ => match self.char_escape()? {
                Item::Range(first, _) => Node::Char(first, ignore_case),
                item => Node::Set(CharSet::new(vec![item], false, false)),
            },
        })
    }

    fn taken(&mut self, node: Node) -> Node {
        self.next();
        node
    }

    /// What a backslash means inside a class.
    fn class_escape(&mut self) -> Result<Item, String> {
        let single = match self.peek() {
            Some('b') => '\x08',
            Some('0'..='7') => return self.octal().map(|c| Item::Range(c, c)),
            _ => return self.char_escape(),
        };
        self.next();
        Ok(Item::Range(single, single))
    }

    /// What it means inside a class and outside.
    fn char_escape(&mut self) -> Result<Item, String> {
        if self.peek() == Some('0') {
            return self.octal().map(|c| Item::Range(c, c));
        }
        let c = self.next().ok_or("bad escape (end of pattern)")?;
        let ascii = self.flags.ascii;
        let single = match c {
            'd' | 'D' if ascii => return Ok(Item::AsciiDigit(c == 'd')),
            'w' | 'W' if ascii => return Ok(Item::AsciiWord(c == 'w')),
            's' | 'S' if ascii => return Ok(Item::AsciiSpace(c == 's')),
            'd' | 'D' => return Ok(Item::Digit(c == 'd')),
            'w' | 'W' => return Ok(Item::Word(c == 'w')),
            's' | 'S' => return Ok(Item::Space(c == 's')),
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'f' => '\x0c',
            'v' => '\x0b',
            'a' => '\x07',
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            c if c.is_ascii_alphanumeric() => return Err(format!("bad escape \\{c}")),
            c => c,
        };
        Ok(Item::Range(single, single))
    }

    fn octal_digits(&self) -> usize {
        self.rest.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count()
    }

    fn octal(&mut self) -> Result<char, String> {
        let (digits, rest) = self.rest.split_at(self.octal_digits());
        self.rest = rest;
        let value = u8::from_str_radix(digits, 8).map_err(|_| "octal escape value outside of range 0-0o377")?;
        Ok(char::from(value))
    }

    fn hex(&mut self, digits: usize) -> Result<char, String> {
        let bad = || "incomplete escape".to_owned();
        let text =
            self.rest.get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(bad)?;
        let value = u32::from_str_radix(text, 16).map_err(|_| bad())?;
        self.rest = &self.rest[digits..];
        char::from_u32(value).ok_or_else(bad)
    }

    fn class(&mut self) -> Result<CharSet, String> {
        let negated = self.eat("^");
        let mut items = Vec::new();
        loop {
            let mut item = match self.member()? {
                None if !items.is_empty() => break,
                first => first.unwrap_or(BRACKET),
            };
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.next();
                item = match (item, self.member()?.unwrap_or(BRACKET)) {
                    (Item::Range(from, _), Item::Range(to, _)) if from <= to => Item::Range(from, to),
                    _ => return Err("bad character range".into()),
                };
            }
            items.push(item);
        }
        Ok(CharSet::new(items, negated, self.flags.ignore_case))
    }

    /// One member of a class; `None` is a bracket, which closes it where it can.
    fn member(&mut self) -> Result<Option<Item>, String> {
        Ok(match self.next().ok_or("unterminated character set")? {
            ']' => None,
            '\\' => Some(self.class_escape()?),
            c => Some(Item::Range(c, c)),
        })
    }

    fn group(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("too many groups inside each other".into());
        }
        let flags = self.flags;
        let node = self.group_inner()?;
        self.flags = flags;
        self.depth -= 1;
        Ok(node)
    }

    fn group_inner(&mut self) -> Result<Node, String> {
        if !self.eat("?") {
            return self.capture(None);
        }
        if self.eat("P<") {
            let name = self.until('>')?;
            return self.capture(Some(name));
        }
        if self.eat("P=") {
            let name = self.until(')')?;
            let group = self.named(&name)?;
            return Ok(Node::Backref(group, self.flags.ignore_case));
        }
        if self.eat("(") {
            return self.conditional();
        }
        if self.eat("<=") || self.rest.starts_with("<!") {
            let wanted = !self.eat("<!");
            let inner = self.closed()?;
            let width = inner.width().ok_or("look-behind requires fixed-width pattern")?;
            return Ok(Node::Look(Look::Behind(wanted, width as u32), Box::new(inner)));
        }
        for (sign, look) in [("=", Look::Ahead(true)), ("!", Look::Ahead(false)), (">", Look::Atomic)] {
            if self.eat(sign) {
                return Ok(Node::Look(look, Box::new(self.closed()?)));
            }
        }
        let (letters, rest) = self.rest.split_once(':').ok_or("unknown extension of a group")?;
        let (on, off) = letters.split_once('-').unwrap_or((letters, ""));
        if !letters.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
            return Err("unknown extension of a group".into());
        }
        self.rest = rest;
        self.flags.set(on, true)?;
        self.flags.set(off, false)?;
        self.closed()
    }

    fn capture(&mut self, name: Option<String>) -> Result<Node, String> {
        let group = self.groups;
        self.groups += 1;
        if let Some(name) = name {
            if !name.chars().all(|c| c == '_' || c.is_alphanumeric()) || name.is_empty() {
                return Err(format!("bad character in group name '{name}'"));
            }
            if self.names.iter().any(|(known, _)| *known == name) {
                return Err(format!("redefinition of group name '{name}'"));
            }
            self.names.push((name, group));
        }
        self.open.push(group);
        let inner = self.closed()?;
        self.open.pop();
        Ok(Node::Capture(group, Box::new(inner)))
    }

    fn conditional(&mut self) -> Result<Node, String> {
        let name = self.until(')')?;
        let group = match name.parse() {
            Ok(number) => self.known(number)?,
            Err(_) => self.named(&name)?,
        };
        let yes = self.sequence()?;
        let no = if self.eat("|") { self.sequence()? } else { Node::Empty };
        if !self.eat(")") {
            return Err("conditional backref with more than two branches".into());
        }
        Ok(Node::If(group, Box::new(yes), Box::new(no)))
    }

    fn closed(&mut self) -> Result<Node, String> {
        let inner = self.alternatives()?;
        if self.eat(")") { Ok(inner) } else { Err("missing ), unterminated subpattern".into()) }
    }

    fn named(&self, name: &str) -> Result<usize, String> {
        let known = self.names.iter().find(|(known, _)| known == name);
        self.known(known.ok_or_else(|| format!("unknown group name '{name}'"))?.1)
    }

    fn known(&self, group: usize) -> Result<usize, String> {
        if group == 0 || group >= self.groups {
            return Err(format!("invalid group reference {group}"));
        }
        if self.open.contains(&group) { Err("cannot refer to an open group".into()) } else { Ok(group) }
    }
}

/// `]` where no class can end yet.
const BRACKET: Item = Item::Range(']', ']');
const MAX_DEPTH: usize = 200;
const MAX_REPEAT: u32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str) -> Result<Tree, String> {
        parse(pattern, Options::default())
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for bad in [
            "(",
            ")",
            "[",
            "a**",
            "*",
            "(?P<a>x)(?P<a>y)",
            r"\y",
            "(?P=nope)",
            "(?<=a*)x",
            "(a",
            "[z-a]",
            "^*",
            "(?P<>x)",
            r"\2(a)",
            "a{3,2}",
            "(?(1)a|b|c)",
            "(?z:a)",
            "\\",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"(".repeat(10_000)).is_err());
    }

    #[test]
    fn what_python_takes_is_taken() {
        for good in
            ["", "{", "a{", "a{x}", "[]]", "[^]-]", "[a-]", "(?P<x>a)?(?(x)b|c)", "(?i:a)b", "(?#n)", r"\x41", "a{,2}"]
        {
            assert!(read(good).is_ok(), "{good}: {:?}", read(good).err());
        }
    }
}
