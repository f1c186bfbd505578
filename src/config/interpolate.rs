//! `%(name)s`: looked up when an option is read, in the section that is being read.

use std::borrow::Cow;
use std::ops::Range;

use super::ini::Options;
use super::merge::Merged;
use super::value::Value;
use super::{Origin, Original, Problem, Severity};
use crate::text;

/// A section that is being read.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    merged: &'a Merged,
    section: &'a str,
    own: Option<&'a Options>,
    vars: Option<&'a Options>,
}

/// Why an option has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// What is wrong in fail2ban's words, where it says so to its server.
    pub original: String,
}

impl Fault {
    /// What is wrong at a place.
    pub fn new(origin: Origin, message: impl Into<String>) -> Fault {
        Fault { origin, message: message.into(), hint: None, original: String::new() }
    }

    /// As a problem; fail2ban refuses everything for it.
    pub fn problem(self, severity: Severity) -> Problem {
        let problem = Problem::new(severity, self.origin, self.message).fail2ban(Original::Stops);
        Problem { hint: self.hint, ..problem }
    }
}

impl<'a> Scope<'a> {
    /// Reads `section`.
    pub fn new(merged: &'a Merged, section: &'a str) -> Scope<'a> {
        Scope { merged, section, own: merged.options(section), vars: None }
    }

    /// The same with variables that come before the section's own; their names in lower case.
    pub fn with(self, vars: &'a Options) -> Scope<'a> {
        Scope { vars: Some(vars), ..self }
    }

    /// The value of an option, interpolated; `None`: neither the section nor `[DEFAULT]` nor a variable has it.
    pub fn get(&self, option: &str) -> Result<Option<Value>, Fault> {
        self.raw(option).map(|value| self.expand(option, value)).transpose()
    }

    /// The value of an option as it is written.
    fn raw(&self, option: &str) -> Option<&'a Value> {
        let here = self.vars.and_then(|vars| vars.get(option)).or_else(|| self.own?.get(option));
        here.or_else(|| self.merged.defaults.get(option))
    }

    /// A value as an option of this section.
    pub fn expand(&self, option: &str, value: &Value) -> Result<Value, Fault> {
        if percent(value.text()).is_none() {
            return Ok(value.clone());
        }
        let mut run = Run { scope: self, option, steps: 0, out: Value::with_capacity(2 * value.text().len()) };
        run.expand(value, 1)?;
        Ok(run.out)
    }

    fn lookup(&self, written: &str) -> Option<Cow<'a, Value>> {
        let name = &*lower(written);
        if let Some(value) = self.raw(name) {
            return Some(Cow::Borrowed(value));
        }
        if name == "__name__" {
            return Some(Cow::Owned(Value::bare(self.section)));
        }
        // A path is only found as it is written, and it is looked up in lower case: a capital letter in it never is.
        let (section, option) = name.split_once('/').filter(|_| name == written)?;
        let default = self.merged.defaults.get(option);
        let value = match section {
            "known" => self.merged.known.get(self.section).and_then(|known| known.get(option)).or(default),
            "default" => default,
            section => self.merged.sections.get(section)?.options.get(option).or(default),
        };
        value.map(Cow::Borrowed)
    }

    /// Names that could have been meant.
    fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.merged.sections.get(self.section).map(|section| section.options.keys());
        let vars = self.vars.map(|vars| vars.keys());
        own.into_iter()
            .flatten()
            .chain(vars.into_iter().flatten())
            .chain(self.merged.defaults.keys())
            .map(String::as_str)
    }
}

/// Nesting that is followed; Python's limit.
const MAX_DEPTH: usize = 10;

/// References followed for one option.
const MAX_STEPS: usize = 10_000;

/// The longest text that interpolation may build, in bytes.
pub const MAX_LENGTH: usize = 4 << 20;

struct Run<'a, 'b> {
    scope: &'b Scope<'a>,
    option: &'b str,
    steps: usize,
    out: Value,
}

impl Run<'_, '_> {
    fn expand(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        let option = self.option;
        if depth > MAX_DEPTH {
            let message =
                format!("`{option}` refers to itself or to more than {MAX_DEPTH} values, one inside the other");
            return Err(Fault::new(value.origin(), message));
        }
        let text = value.text();
        let (mut done, mut line) = (0, 0);
        while let Some(at) = percent(&text[done..]).map(|at| at + done) {
            self.append(value, done..at, &mut line)?;
            let rest = &text[at..];
            if rest.starts_with("%%") {
                self.append(value, at..at + 1, &mut line)?;
                done = at + 2;
                continue;
            }
            let Some((name, width)) = reference(rest) else {
                return Err(self.stray(value, at));
            };
            let Some(found) = self.scope.lookup(name) else {
                return Err(self.unknown(value, at, name));
            };
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(self.too_long(value));
            }
            if percent(found.text()).is_some() {
                self.expand(&found, depth + 1)?;
            } else {
                self.append(&found, 0..found.text().len(), &mut 0)?;
            }
            done = at + width;
        }
        self.append(value, done..text.len(), &mut line)
    }

    fn append(&mut self, value: &Value, range: Range<usize>, line: &mut usize) -> Result<(), Fault> {
        if self.out.text().len() + range.len() > MAX_LENGTH {
            return Err(self.too_long(value));
        }
        self.out.append_part(value, range, line);
        Ok(())
    }

    fn stray(&self, value: &Value, at: usize) -> Fault {
        let shown: String = value.text()[at..].chars().take(12).collect();
        let message = format!("`%` in `{}` is followed by neither `%` nor `(`: `{shown}`", self.option);
        let hint = Some("write `%%` for a percent sign; a value that is referred to needs it once more".to_owned());
        Fault { hint, ..Fault::new(value.origin_at(at), message) }
    }

    fn unknown(&self, value: &Value, at: usize, name: &str) -> Fault {
        let meant = text::likely(name, self.scope.names()).map(|word| format!("did you mean `%({word})s`?"));
        let hint = match name.split_once('/') {
            Some(_) if name.chars().any(char::is_uppercase) => {
                Some("a capital letter in `section/option` is never found; `[DEFAULT]` is `default/`".to_owned())
            }
            _ => meant,
        };
        let section = self.scope.section;
        let message = format!("`{}` refers to `%({name})s`, which `[{section}]` does not know", self.option);
        Fault { hint, ..Fault::new(value.origin_at(at), message) }
    }

    fn too_long(&self, value: &Value) -> Fault {
        let message = format!("`{}` grows beyond all bounds", self.option);
        Fault::new(value.origin(), message)
    }
}

fn percent(text: &str) -> Option<usize> {
    memchr::memchr(b'%', text.as_bytes())
}

/// A name in lower case, as `%(…)s` knows it.
pub fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.to_lowercase()),
    }
}

/// `%(name)s…` → the name and the width of the whole.
fn reference(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("%(")?;
    let end = memchr::memchr(b')', inner.as_bytes()).filter(|end| *end > 0)?;
    inner[end..].starts_with(")s").then_some((&inner[..end], end + 4))
}

/// Names that are referred to anywhere in `text`, in lower case.
pub fn references(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let places = memchr::memchr_iter(b'%', text.as_bytes());
    places.filter_map(|at| reference(&text[at..])).map(|(name, _)| lower(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::config::ini::parse;

    proptest! {
        #[test]
        fn a_name_in_lower_case_is_what_the_standard_library_makes_of_it(name in ".*|[a-z_/-]*|[A-Za-z]*") {
            prop_assert_eq!(&*lower(&name), name.to_lowercase());
        }
    }

    fn read(files: &[&str], section: &str, option: &str) -> Result<String, String> {
        let mut merged = Merged::default();
        for text in files {
            merged.add(&parse(&Path::new("x").into(), text).0);
        }
        let value = Scope::new(&merged, section).get(option);
        value.map(|v| v.expect("the option is there").text().to_owned()).map_err(|fault| fault.message)
    }

    #[test]
    fn names_are_looked_up_late_and_in_the_section_that_is_read() {
        let file = "[DEFAULT]\nact = %(port)s\nport = 0\n[j]\nPort = 5060\naction = %(ACT)s 100%% %(__name__)s";
        assert_eq!(read(&[file], "j", "action").as_deref(), Ok("5060 100% j"));
        assert_eq!(read(&[file], "j", "act").as_deref(), Ok("5060"));
    }

    #[test]
    fn known_goes_back_one_file() {
        let files = ["[j]\nfindtime=1", "[j]\nfindtime=%(known/findtime)s2"];
        assert_eq!(read(&files, "j", "findtime").as_deref(), Ok("12"));
        let files = [files[0], files[1], "[j]\nfindtime=%(known/findtime)s3"];
        assert!(read(&files, "j", "findtime").is_err_and(|m| m.contains("refers to itself")));
        let file = "[DEFAULT]\nbantime=%(known/bantime)s\n[j]";
        assert!(read(&[file], "j", "bantime").is_err_and(|m| m.contains("refers to itself")));
    }

    #[test]
    fn another_section_is_reached_by_its_lower_case_name() {
        let file = "[DEFAULT]\nfoo=d%(x)s\nx=1\n[sec]\nfoo=s%(x)s\n[Sec]\nfoo=S\n[j]\nx=2
            \na=%(sec/foo)s\nb=%(default/foo)s\nc=%(Sec/foo)s\nd=%(DEFAULT/foo)s\ne=%(nosuch/foo)s\nf=%(sec/x)s";
        for (option, expected) in [("a", Some("s2")), ("b", Some("d2")), ("c", None), ("d", None), ("f", Some("1"))] {
            assert_eq!(read(&[file], "j", option).ok().as_deref(), expected, "{option}");
        }
        assert!(read(&[file], "j", "e").is_err_and(|m| m.contains("%(nosuch/foo)s")));
    }

    #[test]
    fn what_cannot_be_resolved_says_where() {
        for (text, expected) in [
            ("a=%d", "`%` in `a` is followed by neither `%` nor `(`: `%d`"),
            ("a=100%", "`%` in `a` is followed by neither `%` nor `(`: `%`"),
            ("a=%(x", "`%` in `a` is followed by neither `%` nor `(`: `%(x`"),
            ("a=%(none)s", "`a` refers to `%(none)s`, which `[j]` does not know"),
            ("a=%(a)s", "`a` refers to itself or to more than 10 values, one inside the other"),
        ] {
            let file = format!("[j]\n{text}");
            assert_eq!(read(&[&file], "j", "a"), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn ten_levels_are_followed_and_not_eleven() {
        let chain = |n: usize| {
            let links: String = (0..n).map(|i| format!("a{i}=%(a{})s\n", i + 1)).collect();
            format!("[j]\n{links}a{n}=end")
        };
        assert_eq!(read(&[&chain(10)], "j", "a0").as_deref(), Ok("end"));
        assert!(read(&[&chain(11)], "j", "a0").is_err());
    }

    #[test]
    fn no_text_grows_without_bound() {
        let wide = |inner: &str| inner.repeat(100);
        let levels: String = (0..8).map(|i| format!("a{i}={}\n", wide(&format!("%(a{})s", i + 1)))).collect();
        for leaf in ["", "x%%", "lol"] {
            assert!(read(&[&format!("[j]\n{levels}a8={leaf}")], "j", "a0").is_err(), "{leaf}");
        }
    }
}
