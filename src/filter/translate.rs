//! From the text of a Python expression to the text of a Rust one.
//!
//! One pass over the expression that checks what Python checks (group names, escapes, repetitions) and writes what
//! means the same here. The differences that would otherwise be silent: `$`, `\Z`, `\<`, `[` and `&&` inside a class,
//! `{` as itself, `(?(name)…)`, `\s`. See [`Dialect`] for the outputs.

mod chars;

use chars::push_literal;

/// What the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Means exactly the same.
    Exact,
    /// Matches wherever the expression does, perhaps in more places, and needs no backtracking.
    Relaxed,
    /// The relaxed form, edges of words kept, with one character each, of [`stand`], in the place of all words and all
    /// white space beyond ASCII, which are 140,000: as a tree it has the same shape and costs a fraction. What is exact
    /// without backtracking is exact here for texts of ASCII; no other text is searched with it.
    Outline,
}

/// What stands for others in [`Dialect::Outline`].
pub mod stand {
    /// For the words of other scripts.
    pub const WORD: char = '\u{e000}';
    /// For their white space.
    pub const SPACE: char = '\u{e001}';
    /// For nothing: a class that holds this one is the opposite of some other.
    pub const NOTHING: char = '\u{e002}';
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
pub struct Translated {
    /// The text for `regex`; with [`Translated::backtracks`], in [`Dialect::Exact`], only for a reader.
    pub text: String,
    /// Named groups and their numbers.
    pub names: Vec<(usize, Box<str>)>,
    /// Whether it needs the backtracking engine.
    pub backtracks: bool,
    /// Whether it asks for edges of words of any script.
    pub edges: bool,
}

/// Translates `text`, or says what is wrong with it and where.
pub fn translate(text: &str, dialect: Dialect, options: Options) -> Result<Translated, String> {
    let text = without_idle_looks(text);
    let flags = Flags { multiline: options.multiline, ..Flags::default() };
    let mut t = Translator {
        input: text.chars().collect(),
        at: 0,
        out: String::with_capacity(text.len() + 16),
        relaxed: dialect != Dialect::Exact,
        outline: dialect == Dialect::Outline,
        window: options.window,
        names: Vec::new(),
        closed: Vec::new(),
        backtracks: false,
        edges: false,
        flags,
        open: Vec::new(),
    };
    t.run().map_err(|what| format!("{what} at position {}", t.at.min(t.input.len())))?;
    Ok(Translated { text: t.out, names: t.names, backtracks: t.backtracks, edges: t.edges })
}

/// The expression without the look-behind of `<HOST>`: both branches before it end in a colon, so it asks for nothing.
pub fn without_idle_looks(text: &str) -> String {
    text.replace("[0-9a-fA-F]{1,4}|(?<=:):)", "[0-9a-fA-F]{1,4}|:)")
}

struct Translator {
    input: Vec<char>,
    at: usize,
    out: String,
    relaxed: bool,
    outline: bool,
    window: bool,
    names: Vec<(usize, Box<str>)>,
    /// Whether the group of that number (from 1) is closed, so that it can be referred to.
    closed: Vec<bool>,
    backtracks: bool,
    edges: bool,
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
        let minus = self.eat("-");
        let off = if minus { letters(self) } else { String::new() };
        self.at += off.len();
        if minus && off.is_empty() {
            return Err("missing flag".into());
        }
        if off.contains(|c| on.contains(c)) {
            return Err("flag turned on and off".into());
        }
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
        if !self.closed[number - 1] {
            return Err("a conditional cannot ask for the group that it stands in".into());
        }
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
}
