//! `backend = systemd[…]` and `journalmatch`: what a jail asks systemd's journal for.
//!
//! Both become arguments of `journalctl`. What fail2ban's reader of the journal can do and `journalctl` cannot is reported.

use std::fmt;

use super::brackets::Bracketed;
use super::value::Value;
use super::{Original, Problem, Severity, Spanned};
use crate::text::did_you_mean;

/// What a jail reads of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Which journal: options of `journalctl`.
    pub options: Vec<String>,
    /// Which entries: all matches of one group hold; `NAME=VALUE` each. No group: every entry.
    pub matches: Vec<Vec<String>>,
}

impl Journal {
    /// From the backend's parameters, which stand in `backend`, and `journalmatch`; problems have no jail yet.
    pub fn read(backend: &Value, read: &Bracketed<'_>, journalmatch: &[Spanned]) -> (Journal, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut options = Vec::new();
        let mut place = None;
        for (name, range) in &read.parameters {
            let text = &backend.text()[range.clone()];
            let origin = backend.slice(range.clone()).origin();
            let mut say = |severity, message: String| {
                let stops = if severity == Severity::Error { Original::StopsServer } else { Original::Ignores };
                problems.push(Problem::new(severity, origin.clone(), message).fail2ban(stops));
            };
            let places = match *name {
                "journalpath" => vec![format!("--directory={text}")],
                "journalfiles" => {
                    let blank = |c: char| c == ',' || c.is_ascii_whitespace();
                    text.split(blank).filter(|file| !file.is_empty()).map(|file| format!("--file={file}")).collect()
                }
                "namespace" => vec![format!("--namespace={text}")],
                "journalflags" => {
                    match super::number::int(text) {
                        Some(flags) => options.extend(kinds(flags, &mut |message| say(Severity::Warning, message))),
                        None => {
                            say(Severity::Error, format!("`journalflags` has to be a whole number, not `{text}`"));
                        }
                    }
                    continue;
                }
                "rotated" => {
                    say(Severity::Note, "`rotated` is known, but without effect here: rotated files are read".into());
                    continue;
                }
                other => {
                    let hint = did_you_mean(other, PARAMETERS).map(|word| format!("did you mean `{word}`?"));
                    let message = format!("the backend `systemd` has no parameter `{other}`");
                    problems.push(Problem { hint, ..Problem::new(Severity::Warning, origin.clone(), message) });
                    continue;
                }
            };
            match place {
                Some(first) => say(
                    Severity::Error,
                    format!("`{name}` cannot be used together with `{first}`: each says which journal to read"),
                ),
                None if text.is_empty() || places.is_empty() => say(Severity::Error, format!("`{name}` is empty")),
                None => {
                    place = Some(*name);
                    options.extend(places);
                }
            }
        }
        if options.is_empty() {
            options.push("--system".to_owned());
        }
        let mut matches = Vec::new();
        for line in journalmatch {
            match groups(&line.text) {
                Ok(groups) => matches.extend(groups),
                Err(message) => {
                    let problem = Problem::new(Severity::Error, line.origin.clone(), message);
                    let original = if words(&line.text).is_err() { Original::Stops } else { Original::StopsServer };
                    let problem = problem.fail2ban(original);
                    problems.push(problem.hint("write `_SYSTEMD_UNIT=asterisk.service`; `+` between matches means or"));
                }
            }
        }
        if journalmatch.is_empty() {
            let problem = Problem::new(
                Severity::Warning,
                backend.origin(),
                "the jail has no `journalmatch`: it reads everything",
            );
            problems.push(problem.hint("write `journalmatch = _SYSTEMD_UNIT=asterisk.service`"));
        }
        (Journal { options, matches }, problems)
    }

    /// The matches as arguments of `journalctl`.
    pub fn arguments(&self) -> Vec<String> {
        self.matches.join(&"+".to_owned())
    }

    /// Each group as it is shown: `A=1 B=2`.
    pub fn groups(&self) -> Vec<String> {
        self.matches.iter().map(|group| group.join(" ")).collect()
    }
}

impl fmt::Display for Journal {
    /// `A=1 B=2 + C=3`; nothing where every entry is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" + "))
    }
}

/// `journalflags`, the bits of `sd_journal_open(3)`; without 1 (only this host) also the journals of other hosts.
fn kinds(flags: i64, say: &mut dyn FnMut(String)) -> Vec<String> {
    for (flag, what) in [(2, "only what is kept in memory"), (16, "the files of another system's root")] {
        if flags & flag != 0 {
            say(format!(
                "`journalflags = {flags}`: {flag} ({what}) has no effect: `journalctl` cannot be asked for it"
            ));
        }
    }
    let kinds = [(1, 0, "--merge"), (4, 4, "--system"), (8, 8, "--user")];
    kinds.iter().filter(|(flag, set, _)| flags & flag == *set).map(|(.., option)| (*option).to_owned()).collect()
}

/// The groups of a line between its `+`; empty ones are left out.
fn groups(line: &str) -> Result<Vec<Vec<String>>, String> {
    let mut groups = vec![Vec::new()];
    for word in words(line)? {
        if word == "+" {
            groups.push(Vec::new());
        } else if is_match(&word) {
            groups.last_mut().expect("one is always there").push(word);
        } else {
            return Err(format!("`{word}` in `journalmatch` is no `NAME=VALUE`"));
        }
    }
    groups.retain(|group| !group.is_empty());
    Ok(groups)
}

/// What the journal takes for a field's name (`sd_journal_add_match(3)`), and something behind `=`.
fn is_match(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    let known = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    !name.is_empty() && !name.starts_with("__") && name.len() <= 64 && name.bytes().all(known) && !word.contains('\0')
}

/// Splits as a POSIX shell does, without expansions: blanks, `'…'`, `"…"`, `\`.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err(format!("a quote is not closed in `{line}`")),
                        },
                        Some(inside) => word.push(inside),
                        None => return Err(format!("a quote is not closed in `{line}`")),
                    }
                }
            }
            '\\' => {
                let escaped = chars.next().ok_or_else(|| format!("nothing stands behind the last `\\` of `{line}`"))?;
                word.get_or_insert_default().push(escaped);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

const PARAMETERS: [&str; 5] = ["journalpath", "journalfiles", "journalflags", "namespace", "rotated"];

#[cfg(test)]
mod tests {
    use super::super::brackets;
    use super::*;

    fn read(backend: &str, lines: &[&str]) -> (Journal, Vec<String>) {
        let value = Value::bare(backend);
        let lines: Vec<Spanned> = lines.iter().map(|line| Spanned::bare(*line)).collect();
        let (journal, problems) = Journal::read(&value, &brackets::parse(backend).expect("it reads"), &lines);
        (journal, problems.into_iter().map(|p| p.message).collect())
    }

    #[test]
    fn matches_are_split_like_a_shell_and_lines_are_alternatives() {
        let (journal, problems) =
            read("systemd", &["_X=1 + _Y=\"a b\" Z='c\"d'", r#"A=a\ b B="\a\"\\" C= "#, "+ D=1 + + E=2 +"]);
        assert_eq!(problems, [""; 0]);
        let arguments = ["_X=1", "+", "_Y=a b", "Z=c\"d", "+", "A=a b", "B=\\a\"\\", "C=", "+", "D=1", "+", "E=2"]
            .map(str::to_owned);
        assert_eq!(journal.arguments(), arguments);
        assert_eq!(journal.options, ["--system"]);
        assert_eq!(read("systemd", &["A=1 B=2", "C=3"]).0.to_string(), "A=1 B=2 + C=3");
    }

    #[test]
    fn what_is_no_match_leaves_the_jail_out() {
        for line in ["--flush", "/usr/bin/x", "a=1", "=1", "X", "\"\"", "__CURSOR=x", "A=\"x", "A=1 \\", "X='"] {
            assert_eq!(read("systemd", &[line]).1.len(), 1, "{line}");
        }
        assert_eq!(read("systemd", &[]).1, ["the jail has no `journalmatch`: it reads everything"]);
    }

    #[test]
    fn parameters_become_options_or_are_reported() {
        let options = |backend: &str| read(backend, &["A=1"]);
        assert_eq!(options("systemd[journalpath=/j]").0.options, ["--directory=/j"]);
        assert_eq!(options("systemd[journalfiles=\"/a*,/b  /c\"]").0.options, ["--file=/a*", "--file=/b", "--file=/c"]);
        assert_eq!(
            options("systemd[namespace=pbx, journalflags=13]").0.options,
            ["--namespace=pbx", "--system", "--user"]
        );
        assert_eq!(options("systemd[journalflags=4]").0.options, ["--merge", "--system"]);
        assert_eq!(
            options("systemd[journalflags=1]"),
            (Journal { options: vec!["--system".into()], ..options("systemd").0 }, vec![])
        );
        for (backend, said) in [
            ("systemd[journalflag=1]", "the backend `systemd` has no parameter `journalflag`"),
            ("systemd[journalflags=x]", "`journalflags` has to be a whole number, not `x`"),
            (
                "systemd[journalpath=/a, namespace=b]",
                "`namespace` cannot be used together with `journalpath`: each says which journal to read",
            ),
            ("systemd[journalfiles=\" \"]", "`journalfiles` is empty"),
            ("systemd[rotated=on]", "`rotated` is known, but without effect here: rotated files are read"),
            (
                "systemd[journalflags=2]",
                "`journalflags = 2`: 2 (only what is kept in memory) has no effect: `journalctl` cannot be asked for it",
            ),
        ] {
            assert_eq!(options(backend).1, [said], "{backend}");
        }
    }
}
