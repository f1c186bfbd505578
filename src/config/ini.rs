//! One file of fail2ban's INI dialect, which is that of Python's `ConfigParser`, with the place of every option and
//! continuation line.
//!
//! Reading never stops: what cannot be understood becomes a [`Problem`] and the rest of the file is kept. Nothing is
//! interpolated here.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::value::Value;
use super::{Origin, Original, Problem, Severity};

/// How names are hashed that stand in the operator's files: quickly, since nobody else chooses them.
pub type Quick = hashbrown::DefaultHashBuilder;

/// Options of a section by lower-case name, in the order written.
pub type Options = IndexMap<String, Value, Quick>;

/// The section whose options stand in for what another section lacks.
pub const DEFAULT: &str = "DEFAULT";

/// The sections of one file.
#[derive(Clone, Debug, Default)]
pub struct Ini {
    /// By name, in the order written; [`DEFAULT`] is one of them where it was written.
    pub sections: IndexMap<String, Section, Quick>,
}

/// One section.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Where its header stands.
    pub origin: Origin,
    /// What stands in it; each value knows where the name of its option stands.
    pub options: Options,
}

/// Reads a file. The problems are errors where a line was left out, warnings where fail2ban would refuse the file
/// although its meaning is clear.
pub fn parse(path: &Arc<Path>, text: &str) -> (Ini, Vec<Problem>) {
    let mut reader =
        Reader { path, ini: Ini::default(), problems: Vec::new(), dropped: 0, open: None, headless: false };
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            let origin = reader.place(1, 0, 0);
            let problem = Problem::new(Severity::Warning, origin, "the file begins with a byte order mark");
            reader.report(problem.fail2ban(Original::Stops));
            rest
        }
        None => text,
    };
    for (index, line) in universal_lines(text).enumerate() {
        reader.line(index + 1, line);
    }
    reader.finish()
}

/// Takes Python's white space off both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Takes Python's white space off the end.
pub fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// What Python's `str.isspace` calls white space.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Problems reported for one file; a binary that was taken for a configuration has thousands.
const MAX_PROBLEMS: usize = 20;

struct Reader<'a> {
    path: &'a Arc<Path>,
    ini: Ini,
    problems: Vec<Problem>,
    dropped: usize,
    open: Option<Open>,
    headless: bool,
}

/// What the reader stands in.
struct Open {
    section: usize,
    option: Option<usize>,
    indent: usize,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, line: &str) {
        let comment = if trim(line).starts_with(['#', ';']) { Some(0) } else { inline_comment(line) };
        let body = trim_end(&line[..comment.unwrap_or(line.len())]);
        let value = body.trim_start_matches(is_space);
        if value.is_empty() {
            if comment.is_none() {
                self.go_on("", Origin::default());
            }
            return;
        }
        let indent = body[..body.len() - value.len()].chars().count();
        let origin = self.place(number, indent + 1, value.chars().count());
        if self.open.as_ref().is_some_and(|open| open.option.is_some() && indent > open.indent) {
            self.go_on(value, origin);
        } else if let Some(name) = header(value) {
            self.begin_section(name, indent, origin);
        } else if self.open.is_none() {
            if !self.headless {
                let problem = Problem::new(Severity::Error, origin, "there is no section before this line");
                let problem = problem.fail2ban(Original::Stops);
                self.report(problem.hint("a line such as `[Definition]` or `[asterisk]` has to come first"));
            }
            self.headless = true;
        } else {
            self.option(value, number, indent);
        }
    }

    fn go_on(&mut self, text: &str, origin: Origin) {
        let Some(Open { section, option: Some(option), .. }) = self.open else { return };
        let (_, section) = self.ini.sections.get_index_mut(section).expect("the open section is there");
        let (_, value) = section.options.get_index_mut(option).expect("the open option is there");
        value.push_line(text, origin);
    }

    fn begin_section(&mut self, name: &str, indent: usize, origin: Origin) {
        let section = match self.ini.sections.get_index_of(name) {
            Some(index) => {
                if name != DEFAULT {
                    let message = format!("section `{name}` stands twice in this file");
                    self.report(Problem::new(Severity::Warning, origin, message).fail2ban(Original::Stops));
                }
                index
            }
            None => {
                let section = Section { origin, ..Section::default() };
                self.ini.sections.insert_full(name.to_owned(), section).0
            }
        };
        self.open = Some(Open { section, option: None, indent });
    }

    fn option(&mut self, value: &str, number: usize, indent: usize) {
        let open = self.open.as_mut().expect("an option stands in a section");
        open.indent = indent;
        let index = open.section;
        let found = memchr::memchr2(b'=', b':', value.as_bytes()).map(|at| (trim_end(&value[..at]), &value[at + 1..]));
        let Some((name, rest)) = found.filter(|(name, _)| !name.is_empty()) else {
            let origin = self.place(number, indent + 1, value.chars().count());
            let message = "this line is neither `option = value` nor a continuation";
            let mut problem = Problem::new(Severity::Error, origin, message)
                .fail2ban(Original::Stops)
                .hint("a line that goes on with the one before has to be indented deeper than it");
            let section = self.ini.sections.get_index(index).expect("the open section is there").0;
            if section != DEFAULT {
                problem = problem.of_jail(section);
            }
            self.report(problem);
            return;
        };
        let text = rest.trim_start_matches(is_space);
        let place = self.place(number, indent + 1, name.chars().count());
        let column = indent + 1 + value[..value.len() - text.len()].chars().count();
        let origin = match text {
            "" => place.clone(),
            text => self.place(number, column, text.chars().count()),
        };
        let (_, section) = self.ini.sections.get_index_mut(index).expect("the open section is there");
        let value = Value::new(text, origin).named(place.clone());
        let (option, before) = section.options.insert_full(name.to_lowercase(), value);
        self.open = Some(Open { section: index, option: Some(option), indent });
        if before.is_some() {
            let message = format!("option `{name}` stands twice in this section; the last one holds");
            self.report(Problem::new(Severity::Warning, place, message).fail2ban(Original::Stops));
        }
    }

    fn place(&self, line: usize, column: usize, width: usize) -> Origin {
        Origin { path: self.path.clone(), line, column, width }
    }

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    fn finish(mut self) -> (Ini, Vec<Problem>) {
        for section in self.ini.sections.values_mut() {
            section.options.values_mut().for_each(Value::trim_end);
        }
        if self.dropped > 0 {
            let message = format!("{} more problems in this file", self.dropped);
            let problem = Problem::new(Severity::Error, self.place(0, 0, 0), message);
            self.problems.push(problem.fail2ban(Original::Stops));
        }
        (self.ini, self.problems)
    }
}

/// The name in `[name]`: up to the last bracket, what follows does not matter.
fn header(value: &str) -> Option<&str> {
    let name = &value.strip_prefix('[')?;
    let name = &name[..name.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

/// Where a comment begins: at a `;` in the first column or behind white space.
fn inline_comment(line: &str) -> Option<usize> {
    memchr::memchr_iter(b';', line.as_bytes()).find(|at| line[..*at].chars().next_back().is_none_or(is_space))
}

/// Lines as Python's text files give them: `\n`, `\r\n` and `\r` end one.
pub fn universal_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.filter(|text| !text.is_empty())?;
        let Some(end) = memchr::memchr2(b'\n', b'\r', text.as_bytes()) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_comment_begins_at_the_first_semicolon_behind_a_blank(line in "[a; \t\u{1c}\u{a0}é]*") {
            let before = line.chars().scan(' ', |last, c| Some(std::mem::replace(last, c)));
            let slowly = line.char_indices().zip(before).find(|((_, c), before)| *c == ';' && is_space(*before));
            prop_assert_eq!(inline_comment(&line), slowly.map(|((at, _), _)| at));
        }
    }

    fn read(text: &str) -> (Ini, Vec<Problem>) {
        parse(&Arc::from(Path::new("x.conf")), text)
    }

    fn value(text: &str, option: &str) -> String {
        let (ini, problems) = read(&format!("[a]\n{text}"));
        assert_eq!(problems, [], "{text}");
        ini.sections["a"].options[option].text().to_owned()
    }

    #[test]
    fn comments_begin_where_python_lets_them_begin() {
        for (text, option, expected) in [
            ("bantime = 9;notcomment", "bantime", "9;notcomment"),
            ("maxretry = 5 ; note", "maxretry", "5"),
            ("findtime = 7 # not comment", "findtime", "7 # not comment"),
            ("key == 3", "key", "= 3"),
            ("ignorecommand: /bin/true = 1", "ignorecommand", "/bin/true = 1"),
            ("MaxRetry=5", "maxretry", "5"),
            ("a b  :c", "a b", "c"),
            ("x = 1\r\ny = 2\r", "x", "1"),
            ("x = a\0b", "x", "a\0b"),
            ("x =", "x", ""),
            ("x = 1\n ; two\n  # three\n 4\n\n\n 5 ; six\n\n", "x", "1\n4\n\n\n5"),
            ("  x = 1\n  y = 2\n   3\n", "y", "2\n3"),
            ("x = 1\n\t2\n [z]\n", "x", "1\n2\n[z]"),
        ] {
            assert_eq!(value(text, option), expected, "{text:?}");
        }
    }

    #[test]
    fn a_value_goes_on_over_blank_and_comment_lines() {
        let text = "failregex = ^a <HOST>\n\n  # dropped line\n  ^b <HOST> # x\n  ^c <HOST> ; x\n";
        assert_eq!(value(text, "failregex"), "^a <HOST>\n\n^b <HOST> # x\n^c <HOST>");
    }

    #[test]
    fn every_line_of_a_value_knows_its_place() {
        let (ini, _) = read("[a]\n x : é 1\n\n     two\n\t  3\n");
        let value = &ini.sections["a"].options["x"];
        let places: Vec<_> = value.lines().map(|s| (s.text, s.origin.line, s.origin.column, s.origin.width)).collect();
        assert_eq!(places, [("é 1".into(), 2, 6, 3), ("two".into(), 4, 6, 3), ("3".into(), 5, 4, 1)]);
        let name = value.name().expect("it was written");
        assert_eq!((name.line, name.column, name.width), (2, 2, 1));
    }

    #[test]
    fn a_section_name_goes_to_the_last_bracket() {
        let (ini, problems) = read("[a]b] x\nk=1\n[DEFAULT]\nk=1\n[DEFAULT]\nj=1\n");
        assert_eq!(ini.sections.keys().collect::<Vec<_>>(), ["a]b", "DEFAULT"]);
        assert_eq!(problems, []);
    }

    #[test]
    fn what_fail2ban_refuses_is_a_problem_and_the_rest_is_kept() {
        let (ini, problems) = read("x=1\ny=1\n[a]\nk=1\nnonsense\n =2\nj=2\n[a]\nk=3\n");
        let said: Vec<_> = problems.iter().map(|p| (p.severity, p.origin.line, p.jail.as_deref())).collect();
        use Severity::{Error, Warning};
        assert_eq!(
            said,
            [(Error, 1, None), (Error, 5, Some("a")), (Warning, 8, None), (Warning, 9, None)],
            "{problems:?}"
        );
        assert_eq!(ini.sections["a"].options["k"].text(), "3");
        assert_eq!(ini.sections["a"].options["j"].text(), "2");
    }

    #[test]
    fn hostile_files_are_read_in_bounded_time() {
        for text in ["", "\u{feff}[a]\nx=1", "[", "[]", "=", "\0", "[a]\n=\n:", ";", "\r\r\r", "[a]\n  x\n y=1"] {
            read(text);
        }
        let (_, problems) = read(&"garbage\n".repeat(100_000));
        assert_eq!(problems.len(), 1);
        let (_, problems) = read(&format!("[a]\n{}", "garbage\n".repeat(10_000)));
        assert_eq!(problems.len(), MAX_PROBLEMS + 1);
        assert_eq!(value(&format!("x = {}", "y".repeat(10_000_000)), "x").len(), 10_000_000);
    }
}
