//! From the text of a Python expression to the text of a Rust one.
//!
//! One pass over the expression that checks what Python checks (group names, escapes, repetitions) and writes what
//! means the same here. The differences that would otherwise be silent: `$`, `\Z`, `\<`, `[` and `&&` inside a class,
//! `{` as itself, `(?(name)…)`, `\s`. See [`Dialect`] for the two outputs.

/// What the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Means exactly the same.
    Exact,
    /// Matches wherever the expression does, perhaps in more places, and needs no backtracking.
    Relaxed,
}

/// How the expression will be used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Python's `MULTILINE`, as fail2ban sets it for failregexes with `maxlines` above 1.
    pub multiline: bool,
    /// Whether the text to search may hold several lines; otherwise its one `\n` is the last character.
    pub window: bool,
}

/// A translated expression.
#[derive(Debug)]
pub struct Translated {
    /// The text for `regex`, or with [`Translated::backtracks`] for `fancy-regex`.
    pub text: String,
    /// Named groups and their numbers.
    pub names: Vec<(usize, Box<str>)>,
    /// Whether it needs the backtracking engine.
    pub backtracks: bool,
}

/// Translates `text`, or says what is wrong with it and where.
pub fn translate(text: &str, dialect: Dialect, options: Options) -> Result<Translated, String> {
    // Both branches before the look-behind end in a colon, so it asks for nothing.
    let text = text.replace("[0-9a-fA-F]{1,4}|(?<=:):)", "[0-9a-fA-F]{1,4}|:)");
    let flags = Flags { multiline: options.multiline, ..Flags::default() };
    let mut t = Translator {
        input: text.chars().collect(),
        at: 0,
        out: String::with_capacity(text.len() + 16),
        relaxed: dialect == Dialect::Relaxed,
        window: options.window,
        names: Vec::new(),
        closed: Vec::new(),
        backtracks: false,
        flags,
        open: Vec::new(),
    };
    t.run().map_err(|what| format!("{what} at position {}", t.at.min(t.input.len())))?;
    Ok(Translated { text: t.out, names: t.names, backtracks: t.backtracks })
}

struct Translator {
    input: Vec<char>,
    at: usize,
    out: String,
    relaxed: bool,
    window: bool,
    names: Vec<(usize, Box<str>)>,
    /// Whether the group of that number (from 1) is closed, so that it can be referred to.
    closed: Vec<bool>,
    backtracks: bool,
    flags: Flags,
    open: Vec<Open>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    verbose: bool,
    ascii: bool,
    multiline: bool,
    dotall: bool,
}

/// A group that is not closed yet.
struct Open {
    kind: Group,
    /// The flags outside.
    flags: Flags,
    /// Where its output begins.
    start: usize,
    branches: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Plain,
    Capture(usize),
    Look,
    Conditional,
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Item,
    Repeat,
}

type Fallible<T = ()> = Result<T, String>;

impl Translator {
    fn run(&mut self) -> Fallible {
        self.leading_flags()?;
        let mut last = Last::Nothing;
        while let Some(c) = self.next() {
            if self.flags.verbose && (c.is_ascii_whitespace() || c == '\x0b') {
                continue;
            }
            if self.flags.verbose && c == '#' {
                while self.next().is_some_and(|c| c != '\n') {}
                continue;
            }
            if c == '(' && self.eat("?#") {
                while self.next().ok_or("missing `)`, unterminated comment")? != ')' {}
                continue;
            }
            last = match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' => self.close()?,
                '|' => self.branch()?,
                '*' | '+' | '?' => self.repeat(last, c.encode_utf8(&mut [0; 4]))?,
                '{' => match self.braces()? {
                    Some(repeat) => self.repeat(last, &repeat)?,
                    None => self.literal('{'),
                },
                '^' => {
                    self.out.push_str(if self.flags.multiline { "(?m:^)" } else { "^" });
                    Last::Nothing
                }
                '$' => {
                    self.dollar();
                    Last::Nothing
                }
                '.' => {
                    self.out.push_str(if self.flags.dotall { "(?s:.)" } else { "." });
                    Last::Item
                }
                c => self.literal(c),
            };
        }
        match self.open.is_empty() {
            true => Ok(()),
            false => Err("missing `)`, unterminated subpattern".into()),
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.input.get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let end = self.at + text.chars().count();
        let found = self.input.get(self.at..end).is_some_and(|s| s.iter().copied().eq(text.chars()));
        if found {
            self.at = end;
        }
        found
    }

    fn literal(&mut self, c: char) -> Last {
        push_literal(&mut self.out, c);
        Last::Item
    }

    fn dollar(&mut self) {
        // A text of one line ends in its only `\n`, so the end of a line is what Python's `$` is.
        if self.flags.multiline || !self.window || self.relaxed {
            self.out.push_str("(?m:$)");
        } else {
            self.backtracks = true;
            self.out.push_str(r"(?:(?=\n\z)|\z)");
        }
    }

    /// `(?i)` and its kind, which Python takes at the very start only.
    fn leading_flags(&mut self) -> Fallible {
        loop {
            let start = self.at;
            if !self.eat("(?") {
                return Ok(());
            }
            let letters: String = self.input[self.at..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
            self.at += letters.len();
            if letters.is_empty() || letters.starts_with('P') || !self.eat(")") {
                self.at = start;
                return Ok(());
            }
            let mut on = String::new();
            self.set_flags(&letters, true, &mut on)?;
            if !on.is_empty() {
                self.out.push_str(&format!("(?{on})"));
            }
        }
    }

    /// Applies flag letters; those that the engine must know are added to `engine`.
    fn set_flags(&mut self, letters: &str, value: bool, engine: &mut String) -> Fallible {
        for c in letters.chars() {
            match c {
                'i' => engine.push('i'),
                'm' => self.flags.multiline = value,
                's' => self.flags.dotall = value,
                'x' => self.flags.verbose = value,
                'a' if value => self.flags.ascii = true,
                'u' if value => self.flags.ascii = false,
                c => return Err(format!("unsupported flag `{c}`")),
            }
        }
        Ok(())
    }

    fn branch(&mut self) -> Fallible<Last> {
        if let Some(open) = self.open.last_mut() {
            open.branches += 1;
            if open.kind == Group::Conditional && open.branches > 2 {
                return Err("conditional backref with more than two branches".into());
            }
        }
        self.out.push('|');
        Ok(Last::Nothing)
    }

    fn group(&mut self) -> Fallible<Last> {
        let mut open = Open { kind: Group::Plain, flags: self.flags, start: self.out.len(), branches: 1 };
        if !self.eat("?") {
            open.kind = self.capture("(", None)?;
        } else if self.eat("P<") {
            let name = self.name('>')?;
            open.kind = self.capture(&format!("(?P<{name}>"), Some(&name))?;
        } else if self.eat("P=") {
            let name = self.name(')')?;
            return self.reference_by_name(&name);
        } else if self.eat("(") {
            self.conditional()?;
            open.kind = Group::Conditional;
        } else if self.eat(":") {
            self.out.push_str("(?:");
        } else if self.eat(">") {
            self.backtracks = true;
            self.out.push_str(if self.relaxed { "(?:" } else { "(?>" });
        } else if let Some(look) = ["=", "!", "<=", "<!"].into_iter().find(|look| self.eat(look)) {
            self.backtracks = true;
            self.out.push_str("(?");
            self.out.push_str(look);
            open.kind = Group::Look;
        } else {
            self.scoped_flags()?;
        }
        self.open.push(open);
        Ok(Last::Nothing)
    }

    fn capture(&mut self, opening: &str, name: Option<&str>) -> Fallible<Group> {
        self.closed.push(false);
        let number = self.closed.len();
        if let Some(name) = name {
            if self.names.iter().any(|(_, n)| **n == *name) {
                return Err(format!("redefinition of group name `{name}`"));
            }
            self.names.push((number, name.into()));
        }
        self.out.push_str(opening);
        Ok(Group::Capture(number))
    }

    fn scoped_flags(&mut self) -> Fallible {
        let letters = |t: &Self| -> String { t.input[t.at..].iter().take_while(|c| c.is_ascii_alphabetic()).collect() };
        let on = letters(self);
        self.at += on.len();
        let off = if self.eat("-") { letters(self) } else { String::new() };
        self.at += off.len();
        if !self.eat(":") {
            return Err(match self.peek() {
                Some(')') if !on.is_empty() => "global flags not at the start of the expression".into(),
                _ => "unknown extension".into(),
            });
        }
        let (mut engine_on, mut engine_off) = (String::new(), String::new());
        self.set_flags(&on, true, &mut engine_on)?;
        self.set_flags(&off, false, &mut engine_off)?;
        let dash = if engine_off.is_empty() { "" } else { "-" };
        self.out.push_str(&format!("(?{engine_on}{dash}{engine_off}:"));
        Ok(())
    }

    fn close(&mut self) -> Fallible<Last> {
        let open = self.open.pop().ok_or("unbalanced parenthesis")?;
        self.flags = open.flags;
        if open.kind == Group::Conditional && self.relaxed && open.branches == 1 {
            self.out.push('|');
        }
        self.out.push(')');
        match open.kind {
            Group::Capture(number) => self.closed[number - 1] = true,
            Group::Look if self.relaxed => {
                self.out.truncate(open.start);
                self.out.push_str("(?:)");
            }
            _ => {}
        }
        Ok(Last::Item)
    }

    /// Reads a group's name up to `end`.
    fn name(&mut self, end: char) -> Fallible<String> {
        let mut name = String::new();
        loop {
            match self.next().ok_or("missing end of group name")? {
                c if c == end => break,
                c => name.push(c),
            }
        }
        let mut chars = name.chars();
        let good = chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
            && chars.all(|c| c == '_' || c.is_alphanumeric());
        if good { Ok(name) } else { Err(format!("bad character in group name `{name}`")) }
    }

    fn number_of(&self, name: &str) -> Fallible<usize> {
        match self.names.iter().find(|(_, n)| **n == *name) {
            Some((number, _)) => Ok(*number),
            None => Err(format!("unknown group name `{name}`")),
        }
    }

    fn reference_by_name(&mut self, name: &str) -> Fallible<Last> {
        let number = self.number_of(name)?;
        self.reference(number)
    }

    fn reference(&mut self, number: usize) -> Fallible<Last> {
        match self.closed.get(number.wrapping_sub(1)) {
            None => return Err(format!("invalid group reference {number}")),
            Some(false) => return Err("cannot refer to an open group".into()),
            Some(true) => {}
        }
        self.backtracks = true;
        match self.relaxed {
            true => self.out.push_str("(?s:.*)"),
            false => self.out.push_str(&format!(r"(?:\{number})")),
        }
        Ok(Last::Item)
    }

    fn conditional(&mut self) -> Fallible {
        let start = self.at;
        let digits = self.input[start..].iter().take_while(|c| c.is_ascii_digit()).count();
        let number = if digits > 0 && self.input.get(start + digits) == Some(&')') {
            self.at += digits + 1;
            let text: String = self.input[start..start + digits].iter().collect();
            text.parse().ok().filter(|n| (1..=self.closed.len()).contains(n)).ok_or("invalid group reference")?
        } else {
            let name = self.name(')')?;
            self.number_of(&name)?
        };
        self.backtracks = true;
        match self.relaxed {
            true => self.out.push_str("(?:"),
            false => self.out.push_str(&format!("(?({number})")),
        }
        Ok(())
    }

    /// Reads a repetition after `{`; `None` if the brace stands for itself.
    fn braces(&mut self) -> Fallible<Option<String>> {
        let start = self.at;
        let digits = |t: &mut Self| -> String {
            let digits: String = t.input[t.at..].iter().take_while(|c| c.is_ascii_digit()).collect();
            t.at += digits.len();
            digits
        };
        if self.peek() == Some('}') {
            return Ok(None);
        }
        let low = digits(self);
        let high = if self.eat(",") { digits(self) } else { low.clone() };
        let comma = self.input[start..self.at].contains(&',');
        if !self.eat("}") || (low.is_empty() && !comma) {
            self.at = start;
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| "the repetition number is too large".to_owned());
        let low = if low.is_empty() { 0 } else { number(&low)? };
        if high.is_empty() {
            return Ok(Some(format!("{{{low},}}")));
        }
        let high = number(&high)?;
        if high < low {
            return Err("min repeat greater than max repeat".into());
        }
        Ok(Some(format!("{{{low},{high}}}")))
    }

    fn repeat(&mut self, last: Last, repeat: &str) -> Fallible<Last> {
        match last {
            Last::Nothing => return Err("nothing to repeat".into()),
            Last::Repeat => return Err("multiple repeat".into()),
            Last::Item => {}
        }
        self.out.push_str(repeat);
        if self.eat("?") {
            self.out.push('?');
        } else if self.eat("+") {
            self.backtracks = true;
            if !self.relaxed {
                self.out.push('+');
            }
        }
        Ok(Last::Repeat)
    }

    fn escape(&mut self) -> Fallible<Last> {
        let c = self.next().ok_or(r"bad escape (end of pattern)")?;
        let text = match c {
            'A' => r"\A",
            'Z' => r"\z",
            'b' if self.flags.ascii => r"(?-u:\b)",
            'b' => r"\b",
            'B' if self.flags.ascii => return Err(r"`\B` under the flag `a` is not supported".into()),
            'B' => r"\B",
            '1'..='9' => return self.digits(c),
            c => {
                if let Some(set) = self.set(c) {
                    self.out.push_str(set);
                } else {
                    let c = self.escaped_char(c)?;
                    self.literal(c);
                }
                return Ok(Last::Item);
            }
        };
        self.out.push_str(text);
        Ok(if matches!(c, 'A' | 'Z' | 'b' | 'B') { Last::Nothing } else { Last::Item })
    }

    /// `\1` … `\99` is a group, three octal digits are a character.
    fn digits(&mut self, first: char) -> Fallible<Last> {
        let octal = |c: Option<&char>| c.is_some_and(|c| matches!(c, '0'..='7'));
        if matches!(first, '1'..='7') && octal(self.input.get(self.at)) && octal(self.input.get(self.at + 1)) {
            let text: String = self.input[self.at - 1..self.at + 2].iter().collect();
            self.at += 2;
            let c = u32::from_str_radix(&text, 8).ok().filter(|n| *n <= 0o377).and_then(char::from_u32);
            return Ok(self.literal(c.ok_or("octal escape value outside of range 0-0o377")?));
        }
        let mut number = first.to_digit(10).unwrap_or(0) as usize;
        if let Some(second) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            number = number * 10 + second as usize;
        }
        self.reference(number)
    }

    /// The classes `\d`, `\s`, `\w` and their opposites, as text that also stands inside `[…]`.
    fn set(&self, c: char) -> Option<&'static str> {
        Some(match (c, self.flags.ascii) {
            ('d', false) => r"\d",
            ('D', false) => r"\D",
            ('w', false) => r"\w",
            ('W', false) => r"\W",
            // Python counts the four separators as white space.
            ('s', false) => r"[\s\x1c-\x1f]",
            ('S', false) => r"[^\s\x1c-\x1f]",
            ('d', true) => "[0-9]",
            ('D', true) => "[^0-9]",
            ('w', true) => "[0-9A-Za-z_]",
            ('W', true) => "[^0-9A-Za-z_]",
            ('s', true) => r"[ \t\n\r\f\v]",
            ('S', true) => r"[^ \t\n\r\f\v]",
            _ => return None,
        })
    }

    /// The character that `\` and `c` stand for, inside a class or outside.
    fn escaped_char(&mut self, c: char) -> Fallible<char> {
        let hex = |t: &mut Self, n: usize| -> Fallible<char> {
            let text: String = t.input[t.at..].iter().take(n).take_while(|c| c.is_ascii_hexdigit()).collect();
            if text.len() < n {
                return Err(format!(r"incomplete escape `\{c}{text}`"));
            }
            t.at += n;
            let code = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32);
            code.ok_or_else(|| format!(r"bad escape `\{c}{text}`"))
        };
        match c {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            'x' => hex(self, 2),
            'u' => hex(self, 4),
            'U' => hex(self, 8),
            '0'..='7' => {
                let more: String =
                    self.input[self.at..].iter().take(2).take_while(|c| matches!(c, '0'..='7')).collect();
                self.at += more.len();
                let code = u32::from_str_radix(&format!("{c}{more}"), 8).ok().filter(|n| *n <= 0o377);
                code.and_then(char::from_u32).ok_or("octal escape value outside of range 0-0o377".into())
            }
            c if c.is_ascii_alphanumeric() => Err(format!(r"bad escape `\{c}`")),
            c => Ok(c),
        }
    }

    fn class(&mut self) -> Fallible<Last> {
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        let start = self.at;
        loop {
            let c = self.next().ok_or("unterminated character set")?;
            if c == ']' && self.at > start + 1 {
                break;
            }
            let low = self.class_item(c)?;
            let range = self.peek() == Some('-') && self.input.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                self.push_item(low);
                continue;
            }
            self.at += 1;
            let high = self.next().ok_or("unterminated character set")?;
            let (Item::Char(low), Item::Char(high)) = (low, self.class_item(high)?) else {
                return Err("bad character range".into());
            };
            if high < low {
                return Err(format!("bad character range `{low}-{high}`"));
            }
            push_literal(&mut self.out, low);
            self.out.push('-');
            push_literal(&mut self.out, high);
        }
        self.out.push(']');
        Ok(Last::Item)
    }

    fn class_item(&mut self, c: char) -> Fallible<Item> {
        if c != '\\' {
            return Ok(Item::Char(c));
        }
        let c = self.next().ok_or("unterminated character set")?;
        if c == 'b' {
            return Ok(Item::Char('\x08'));
        }
        match self.set(c) {
            Some(set) => Ok(Item::Set(set)),
            None => Ok(Item::Char(self.escaped_char(c)?)),
        }
    }

    fn push_item(&mut self, item: Item) {
        match item {
            Item::Char(c) => push_literal(&mut self.out, c),
            Item::Set(set) => self.out.push_str(set),
        }
    }
}

/// One item of a class.
#[derive(Clone, Copy)]
enum Item {
    Char(char),
    Set(&'static str),
}

/// A character that stands for itself, outside of a class and inside.
fn push_literal(out: &mut String, c: char) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#' | '&' | '-' | '~' => {
            out.push('\\');
            out.push(c);
        }
        c if c.is_control() => out.push_str(&format!(r"\x{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}
