//! Reads a Python expression: checks what Python checks and hands each part on, in its order.

mod chars;

use super::{Greed, Group, Options, Output, Place, Repeat, Translated, without_idle_looks};

/// Reads an expression, or says what is wrong with it and where.
pub fn read<O: Output>(text: &str, out: O, options: Options) -> Result<Translated<O::Form>, String> {
    let text = without_idle_looks(text);
    let flags = Flags { multiline: options.multiline, ..Flags::default() };
    let mut t = Translator {
        input: text.chars().collect(),
        at: 0,
        out,
        window: options.window,
        names: Vec::new(),
        closed: Vec::new(),
        backtracks: false,
        edges: false,
        flags,
        open: Vec::new(),
    };
    t.run().map_err(|what| format!("{what} at position {}", t.at.min(t.input.len())))?;
    Ok(Translated { form: t.out.end(), names: t.names, backtracks: t.backtracks, edges: t.edges })
}

/// Where in an expression it is.
struct Translator<O> {
    input: Vec<char>,
    at: usize,
    out: O,
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
    ignore_case: bool,
}

/// A group that is not closed yet.
struct Open {
    /// The flags outside.
    flags: Flags,
    /// The group that is remembered.
    capture: Option<usize>,
    /// Branches that it may still get, where that is limited.
    branches: Option<usize>,
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Item,
    Repeat,
}

type Fallible<T = ()> = Result<T, String>;

impl<O: Output> Translator<O> {
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
                '*' => self.repeat(last, 0, None)?,
                '+' => self.repeat(last, 1, None)?,
                '?' => self.repeat(last, 0, Some(1))?,
                '{' => match self.braces()? {
                    Some((min, max)) => self.repeat(last, min, max)?,
                    None => self.literal('{'),
                },
                '^' => self.place(if self.flags.multiline { Place::LineStart } else { Place::Start }),
                '$' => self.dollar(),
                '.' => {
                    self.out.dot(self.flags.dotall);
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
        self.out.literal(c, self.flags.ignore_case);
        Last::Item
    }

    fn place(&mut self, place: Place) -> Last {
        self.out.place(place);
        Last::Nothing
    }

    fn dollar(&mut self) -> Last {
        // A text of one line ends in its only `\n`, so the end of a line is what Python's `$` is.
        if self.flags.multiline || !self.window {
            return self.place(Place::LineEnd);
        }
        self.backtracks = true;
        self.place(Place::End)
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
            let before = self.flags.ignore_case;
            self.set_flags(&letters, true)?;
            if self.flags.ignore_case && !before {
                self.out.leading_case();
            }
        }
    }

    fn set_flags(&mut self, letters: &str, value: bool) -> Fallible {
        for c in letters.chars() {
            match c {
                'i' => self.flags.ignore_case = value,
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
        if let Some(left) = self.open.last_mut().and_then(|open| open.branches.as_mut()) {
            *left = left.checked_sub(1).ok_or("conditional backref with more than two branches")?;
        }
        self.out.branch();
        Ok(Last::Nothing)
    }

    fn group(&mut self) -> Fallible<Last> {
        let mut open = Open { flags: self.flags, capture: None, branches: None };
        if !self.eat("?") {
            open.capture = Some(self.capture(None)?);
        } else if self.eat("P<") {
            let name = self.name('>')?;
            open.capture = Some(self.capture(Some(&name))?);
        } else if self.eat("P=") {
            let name = self.name(')')?;
            return self.reference_by_name(&name);
        } else if self.eat("(") {
            self.conditional()?;
            open.branches = Some(1);
        } else if self.eat(":") {
            self.out.open(Group::Plain);
        } else if self.eat(">") {
            self.backtracks = true;
            self.out.open(Group::Atomic);
        } else if let Some(look) = ["=", "!", "<=", "<!"].into_iter().find(|look| self.eat(look)) {
            self.backtracks = true;
            self.out.open(Group::Look(look));
        } else {
            self.scoped_flags()?;
        }
        self.open.push(open);
        Ok(Last::Nothing)
    }

    /// The number of a group that begins here.
    fn capture(&mut self, name: Option<&str>) -> Fallible<usize> {
        self.closed.push(false);
        let number = self.closed.len();
        if let Some(name) = name {
            if self.names.iter().any(|(_, n)| **n == *name) {
                return Err(format!("redefinition of group name `{name}`"));
            }
            self.names.push((number, name.into()));
        }
        self.out.open(Group::Capture(number, name));
        Ok(number)
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
        let before = self.flags.ignore_case;
        self.set_flags(&on, true)?;
        self.set_flags(&off, false)?;
        let now = self.flags.ignore_case;
        self.out.open(if now == before { Group::Plain } else { Group::Case(now) });
        Ok(())
    }

    fn close(&mut self) -> Fallible<Last> {
        let open = self.open.pop().ok_or("unbalanced parenthesis")?;
        self.flags = open.flags;
        self.out.close();
        if let Some(number) = open.capture {
            self.closed[number - 1] = true;
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
        self.out.reference(number);
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
        self.out.open(Group::Conditional(number));
        Ok(())
    }

    /// Reads a repetition after `{`; `None` if the brace stands for itself.
    fn braces(&mut self) -> Fallible<Option<(u32, Option<u32>)>> {
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
            return Ok(Some((low, None)));
        }
        let high = number(&high)?;
        if high < low {
            return Err("min repeat greater than max repeat".into());
        }
        Ok(Some((low, Some(high))))
    }

    fn repeat(&mut self, last: Last, min: u32, max: Option<u32>) -> Fallible<Last> {
        match last {
            Last::Nothing => return Err("nothing to repeat".into()),
            Last::Repeat => return Err("multiple repeat".into()),
            Last::Item => {}
        }
        let greed = match (self.eat("?"), self.eat("+")) {
            (true, _) => Greed::Lazy,
            (false, true) => Greed::Possessive,
            (false, false) => Greed::Greedy,
        };
        self.backtracks |= greed == Greed::Possessive;
        self.out.repeat(Repeat { min, max, greed });
        Ok(Last::Repeat)
    }
}
