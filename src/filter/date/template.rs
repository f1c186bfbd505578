//! Templates: what a `datepattern` line stands for, and the default ones.

use std::sync::{Arc, OnceLock};

use super::bounds::{DATE_END, Form, LINE_BEGIN, LINE_BEGIN_REGEX, bind, has_plain_group, is_anchored};
use super::pattern::{Decades, expand};
use crate::filter::backtrack::Program;

/// One way to write a date.
#[derive(Clone, Debug)]
pub struct Template {
    /// What fail2ban calls it.
    pub name: String,
    /// As it was written, or the default's text.
    pub pattern: String,
    /// How its text is read.
    pub kind: Kind,
    /// 100 for the default templates in their form for the start of a line, otherwise 1.
    pub weight: f64,
    /// Bound to the start or the end of the line, as far as its text shows: the place then says nothing about its fitness.
    pub anchored: bool,
    form: Form,
    /// Shared by the copies of a template.
    program: Arc<OnceLock<Program>>,
}

/// How the text of a date is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the groups of the directives.
    Civil,
    /// Seconds since 1970.
    Epoch,
    /// The same, or milliseconds, or microseconds, by its length.
    LongEpoch,
    /// `@` and 24 hexadecimal digits.
    Tai64n,
}

/// What is wrong with a `datepattern`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatePatternError {
    /// An unknown directive, or a percent sign that stands for itself.
    #[error(
        "`{pattern}` cannot be a datepattern: a `%` with an unknown letter behind it (write `%%` for a percent sign)"
    )]
    Directive {
        /// The pattern.
        pattern: String,
    },
    /// Its regular expression is bad.
    #[error("`{pattern}` cannot be a datepattern: {reason}")]
    Regex {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// The same template twice.
    #[error("`{pattern}` cannot be a datepattern: there is already a template `{name}`")]
    Twice {
        /// The pattern.
        pattern: String,
        /// The template's name.
        name: String,
    },
}

impl Template {
    /// The compiled pattern; compiled when it is first needed.
    pub fn program(&self, decades: Decades) -> &Program {
        self.program.get_or_init(|| {
            let regex = self.regex(decades);
            Program::new(&regex).expect("it has been compiled before, with other years at most")
        })
    }

    /// The regular expression, in Python's notation.
    pub fn regex(&self, decades: Decades) -> String {
        match self.kind {
            _ if self.form == Form::Ready => self.pattern.clone(),
            Kind::Civil => {
                let text = self.pattern.strip_prefix(self.form.prefix()).unwrap_or(&self.pattern).trim();
                let expanded = expand(text, decades).expect("it has been expanded before");
                bind(&expanded.regex, self.form, expanded.ignore_case, self.has_plain_group()).0
            }
            Kind::Tai64n => bind("@[0-9a-f]{24}", self.form, false, false).0,
            Kind::Epoch | Kind::LongEpoch => self.epoch_regex(),
        }
    }

    /// Forgets the compiled pattern, because the years have changed.
    pub fn forget(&mut self) {
        self.program = Arc::default();
    }

    fn civil(pattern: &str) -> Option<Template> {
        let form = Form::of(pattern);
        let text = pattern.strip_prefix(form.prefix()).unwrap_or(pattern);
        let name = expand(text, Decades::of_year(0))?.name;
        let expanded = expand(text.trim(), Decades::of_year(0))?;
        let (regex, anchored) = bind(&expanded.regex, form, expanded.ignore_case, has_plain_group(text));
        let shown = if regex.contains(LINE_BEGIN_REGEX) { form.prefix() } else { "" };
        Some(Template::new(format!("{shown}{name}"), pattern, Kind::Civil, form, anchored))
    }

    fn new(name: String, pattern: &str, kind: Kind, form: Form, anchored: bool) -> Template {
        let program = Arc::default();
        Template { name, pattern: pattern.to_owned(), kind, weight: 1.0, anchored, form, program }
    }

    fn has_plain_group(&self) -> bool {
        has_plain_group(&self.pattern)
    }

    fn epoch_regex(&self) -> String {
        let number = if self.kind == Kind::LongEpoch { LONG_EPOCH } else { EPOCH };
        if let Some((at, length)) = epoch_token(&self.pattern, self.kind) {
            let prefix = self.form.prefix();
            let number = format!("(?P<{EPOCH_GROUP}>{number})");
            let text = format!("{}{number}{}", &self.pattern[prefix.len()..at], &self.pattern[at + length..]);
            return bind(text.trim(), self.form, false, self.has_plain_group()).0;
        }
        match self.form {
            Form::LineBegin => format!(r"^(?:\W{{0,2}})?({number}){DATE_END}"),
            // Python's text for this also asks for what follows a bracket, in a way that is always fulfilled.
            _ => format!(r"((?:^|(?<=^\[)|(?<=\baudit\()){number}){DATE_END}"),
        }
    }

    /// Compiles once, so that a bad pattern is known at once. What comes of it is not kept: it would hold for no year.
    fn check(self) -> Result<Template, DatePatternError> {
        match Program::new(&self.regex(Decades::of_year(0))) {
            Ok(_) => Ok(self),
            Err(reason) => Err(DatePatternError::Regex { pattern: self.pattern, reason }),
        }
    }
}

/// The templates of a jail: those of its `datepattern` lines, or the default ones.
pub fn templates(patterns: &[&str]) -> Result<Vec<Template>, DatePatternError> {
    let mut all: Vec<Template> = Vec::new();
    for pattern in patterns {
        match of_line(pattern)? {
            Line::One(template) => {
                if all.iter().any(|known| known.name == template.name) {
                    return Err(DatePatternError::Twice { pattern: (*pattern).into(), name: template.name });
                }
                all.push(*template);
            }
            Line::Many(templates) => {
                for template in templates {
                    if !all.iter().any(|known| known.name == template.name) {
                        all.push(template);
                    }
                }
            }
        }
    }
    // fail2ban takes its default ones whenever there is none, so `{DEFAULT}` alone works there, by chance.
    if all.is_empty() {
        all.extend(DEFAULTS.iter().filter(|(_, starred)| *starred).map(|(pattern, _)| default(pattern, true)));
        all.extend(DEFAULTS.iter().map(|(pattern, _)| default(pattern, false)));
    }
    Ok(all)
}

enum Line {
    One(Box<Template>),
    Many(Vec<Template>),
}

fn of_line(pattern: &str) -> Result<Line, DatePatternError> {
    let upper = if pattern.contains('%') { pattern.to_owned() } else { pattern.to_ascii_uppercase() };
    let one = |template: Template| Ok(Line::One(Box::new(template)));
    match upper.as_str() {
        "{DEFAULT}" => return Ok(Line::Many(Vec::new())),
        "{^LN-BEG}" => return Ok(Line::Many(at_line_begin())),
        "{^LN-BEG}{DATE}" => {
            let all = DEFAULTS.iter().map(|(pattern, starred)| default(pattern, *starred));
            return Ok(Line::Many(all.collect()));
        }
        "{DATE}" => {
            let plain = |pattern: &str| match pattern.strip_prefix(LINE_BEGIN) {
                Some(text) => Template::civil(text).expect("a constant"),
                None => default(pattern, false),
            };
            return Ok(Line::Many(DEFAULTS.iter().map(|(pattern, _)| plain(pattern)).collect()));
        }
        "{NONE}" => return one(Template::new("^".into(), "^()", Kind::Civil, Form::Ready, true)),
        _ => {}
    }
    if let Some(template) = word(&upper) {
        return one(template);
    }
    for kind in [Kind::LongEpoch, Kind::Epoch] {
        if !pattern.contains('%') && epoch_token(pattern, kind).is_some() {
            let form = Form::of(pattern);
            let anchored = is_anchored(&pattern[form.prefix().len()..]) || form == Form::LineBegin;
            return one(Template::new(pattern.to_owned(), pattern, kind, form, anchored).check()?);
        }
    }
    if upper.contains(DATE) {
        let pieces = pieces(pattern, &upper);
        // What comes out may be a word again: `^{DATE}` has `^Epoch` among its own.
        let with = |text: &str| {
            let text = pieces.join(text.strip_prefix(LINE_BEGIN).unwrap_or(text));
            word(&text.to_ascii_uppercase()).map_or_else(|| civil(&text, pattern), Ok)
        };
        return Ok(Line::Many(DEFAULTS.iter().map(|(text, _)| with(text)).collect::<Result<_, _>>()?));
    }
    one(civil(pattern, pattern)?)
}

/// The text between the `{DATE}`s.
fn pieces<'a>(pattern: &'a str, upper: &str) -> Vec<&'a str> {
    let mut from = 0;
    let mut all = Vec::new();
    for (at, _) in upper.match_indices(DATE) {
        all.push(&pattern[from..at]);
        from = at + DATE.len();
    }
    all.push(&pattern[from..]);
    all
}

fn civil(text: &str, pattern: &str) -> Result<Template, DatePatternError> {
    let template = Template::civil(text).ok_or_else(|| DatePatternError::Directive { pattern: pattern.into() })?;
    template.check().map_err(|error| match error {
        DatePatternError::Regex { reason, .. } => DatePatternError::Regex { pattern: pattern.into(), reason },
        other => other,
    })
}

fn default(pattern: &str, at_line_begin: bool) -> Template {
    let template = special(&pattern.to_uppercase(), at_line_begin).unwrap_or_else(|| {
        let text = if at_line_begin { format!("{LINE_BEGIN}{pattern}") } else { pattern.to_owned() };
        Template::civil(&text).expect("a constant")
    });
    Template { weight: if at_line_begin { 100.0 } else { 1.0 }, ..template }
}

fn at_line_begin() -> Vec<Template> {
    let starred = DEFAULTS.iter().filter(|(_, starred)| *starred).map(|(pattern, _)| default(pattern, true));
    starred.chain(DEFAULTS.iter().filter(|(_, starred)| !starred).map(|(pattern, _)| default(pattern, false))).collect()
}

/// One of the special words, bound to the start of the line or not.
fn word(pattern: &str) -> Option<Template> {
    if let Some(word) = pattern.strip_prefix(LINE_BEGIN) {
        let weight = if word == "LEPOCH" { 1.0 } else { 100.0 };
        return special(word, true).map(|template| Template { weight, ..template });
    }
    pattern.strip_prefix('^').map_or_else(|| special(pattern, false), |word| special(word, true))
}

/// `EPOCH`, `LEPOCH` and `TAI64N`, which are words and not regular expressions.
fn special(word: &str, at_line_begin: bool) -> Option<Template> {
    let (name, kind) = match word {
        "EPOCH" => ("Epoch", Kind::Epoch),
        "LEPOCH" => ("LongEpoch", Kind::LongEpoch),
        "TAI64N" => ("TAI64N", Kind::Tai64n),
        _ => return None,
    };
    let (form, shown) = if at_line_begin { (Form::LineBegin, LINE_BEGIN) } else { (Form::Bound, "") };
    Some(Template::new(format!("{shown}{name}"), "", kind, form, at_line_begin))
}

/// Where `{EPOCH}` or `{LEPOCH}` stands in a pattern.
fn epoch_token(pattern: &str, kind: Kind) -> Option<(usize, usize)> {
    let token = if kind == Kind::LongEpoch { "{LEPOCH}" } else { "{EPOCH}" };
    pattern.to_ascii_uppercase().find(token).map(|at| (at, token.len()))
}

/// The group that holds the number of a pattern with `{EPOCH}` inside.
pub const EPOCH_GROUP: &str = "epoch";

const DATE: &str = "{DATE}";

const EPOCH: &str = r"\d{10,11}\b(?:\.\d{3,6})?";
const LONG_EPOCH: &str = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?";

/// The default templates in their order; true: there is also a form for the start of the line.
const DEFAULTS: &[(&str, bool)] = &[
    (r"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?", true),
    (r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", true),
    (r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?", true),
    (r"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S", true),
    (r"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?", true),
    (r"%m/%d/%ExY:%H:%M:%S", true),
    (r"%m-%d-%ExY %k:%M:%S(?:\.%f)?", true),
    ("Epoch", true),
    (r"{^LN-BEG}%H:%M:%S", false),
    (r"^<%m/%d/%Exy@%H:%M:%S>", false),
    (r"%Exy%Exm%Exd  ?%H:%M:%S", true),
    (r"%b %d, %ExY %I:%M:%S %p", true),
    (r"^%b-%d-%Exy %k:%M:%S", false),
    // Newer fail2ban takes colons and a hyphen here too; Debian's does not.
    (r"%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?", true),
    (r"(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", true),
    (r"(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?", true),
    ("TAI64N", true),
];

#[cfg(test)]
mod tests {
    use super::super::bounds::DATE_START;
    use super::*;

    fn regex(pattern: &str) -> (String, bool) {
        let template = &templates(&[pattern]).unwrap()[0];
        (template.regex(Decades::of_year(2026)), template.anchored)
    }

    #[test]
    fn boundaries_and_the_cut_are_as_in_fail2ban() {
        let y = r"(?P<Y>\d{4})";
        let (s, e) = (DATE_START, DATE_END);
        for (pattern, expected, anchored) in [
            ("^%Y", format!("^({y}){e}"), true),
            ("(^%Y)", format!("(^{y}){e}"), true),
            ("(?:^%Y)", format!("((?:^{y})){e}"), false),
            ("((^%Y))", format!("((^{y})){e}"), false),
            ("(?:(?:^%Y))", format!("{s}((?:(?:^{y}))){e}"), false),
            ("(?i)^%Y", format!("(?i)^({y}){e}"), true),
            ("(?:(?i)^%Y)", format!("(?i)((?:^{y})){e}"), false),
            ("^|%Y", format!("^(|{y}){e}"), true),
            ("(^|%Y)", format!("(^|{y}){e}"), false),
            ("%Y$", format!("{s}({y})$"), true),
            ("(%Y$)", format!("{s}({y}$)"), true),
            ("((%Y$))", format!("{s}(({y}$)){e}"), false),
            (r"\^%Y", format!(r"{s}(\^{y}){e}"), false),
            (r"%Y\b", format!(r"{s}({y}\b)"), false),
            (r"%Y\s", format!(r"{s}({y}\s)"), false),
            (r"(%Y\b)", format!(r"{s}({y}\b){e}"), false),
            (r"%Y\\b", format!(r"{s}({y}\\b){e}"), false),
            ("**%Y", format!("({y}){e}"), false),
            ("((**%Y))", format!("(({y})){e}"), false),
            ("((%Y**))", format!("{s}(({y}))"), false),
            ("{UNB}**%Y**", format!("({y})"), false),
            ("{UNB}(?i)^%Y", format!("(?i)^({y})"), true),
            ("{^LN-BEG}(?i)%Y", format!(r"(?i)^(?:\W{{0,2}})?({y}){e}"), true),
            ("{^LN-BEG}**%Y**", format!("({y})"), false),
            ("{^LN-BEG}%Y$", format!(r"^(?:\W{{0,2}})?({y})$"), true),
            ("{^LN-BEG}^%Y", format!("^({y}){e}"), true),
            (" %Y ", format!("{s}({y}){e}"), false),
            ("{NONE}", "^()".to_owned(), true),
        ] {
            assert_eq!(regex(pattern), (expected, anchored), "{pattern}");
        }
    }

    #[test]
    fn the_tokens_stand_for_the_right_number_of_templates() {
        for (patterns, count) in [
            (&[][..], 31),
            (&["{DEFAULT}"], 31),
            (&["EPOCH", "{DEFAULT}"], 1),
            (&["{^LN-BEG}"], 17),
            (&["{DATE}"], 17),
            (&["^x {DATE}"], 17),
            (&["EPOCH", "{^LN-BEG}"], 18),
            (&["{^LN-BEG}", "{DATE}"], 32),
            (&["{date}"], 17),
        ] {
            assert_eq!(templates(patterns).unwrap().len(), count, "{patterns:?}");
        }
    }

    #[test]
    fn every_default_template_compiles() {
        for template in templates(&["{^LN-BEG}", "{DATE}", "x {DATE}"]).unwrap() {
            assert!(Program::new(&template.regex(Decades::of_year(2026))).is_ok(), "{}", template.name);
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for pattern in ["%q", "10%", "(%Y", "%Y %Y", "{DATE} {DATE}", "%Y%H%k", "***%Y"] {
            let error = templates(&[pattern]).map(drop).unwrap_err();
            assert!(error.to_string().contains(&format!("`{pattern}`")), "{error}");
        }
        assert!(templates(&["%Y", "%Y"]).unwrap_err().to_string().contains("already a template `Year`"));
        assert!(templates(&["^EPOCH", "{^LN-BEG}EPOCH"]).is_err());
    }
}
