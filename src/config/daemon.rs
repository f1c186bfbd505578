//! The daemon's own settings: `fail2ban.conf`, then `sipjail.conf` over it.

use std::path::PathBuf;

use indexmap::IndexMap;

use super::events::{self, Servers};
use super::include::{self, Layers};
use super::interpolate::Scope;
use super::number::{int, truth};
use super::options::{self, Effect, Place};
use super::tree::Tree;
use super::value::Value;
use super::written::word;
use super::{Main, Original, Problem, Severity};
use crate::record::Level;
use crate::text::did_you_mean;
use crate::time::Span;
use crate::word::Word;

/// What the files say of the daemon.
pub struct Daemon {
    /// Ready for use.
    pub main: Main,
    /// Who tells events.
    pub servers: Servers,
    /// In plain words, with what fail2ban puts in where nothing is written.
    pub words: IndexMap<&'static str, Word>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whether there is any file.
    pub found: bool,
    /// Options that no file says; `None`: not even their section is there.
    pub silent: Option<Vec<&'static str>>,
}

/// Reads them; what no file says stays as in `defaults`.
pub fn main(tree: &Tree, defaults: Main) -> Daemon {
    let mut files = include::layers(tree, &tree.dir().join("fail2ban"));
    files.extend(include::layers(tree, &tree.dir().join("sipjail")));
    let layers = include::read(tree, &files);
    let mut words = unwritten(&defaults);
    let mut main = defaults;
    let mut problems: Vec<Problem> =
        layers.problems.iter().map(|p| events::discreet(Problem { jail: None, ..p.clone() }, tree)).collect();
    let section = layers.merged.has("Definition");
    if layers.found && !section {
        words.insert("dbmaxmatches", Word::None);
    }
    let mut silent = Vec::new();
    for option in options::OPTIONS.iter().filter(|option| section && option.place == Place::Main) {
        match Scope::new(&layers.merged, "Definition").get(option.name) {
            Ok(None) => silent.push(option.name),
            Ok(Some(value)) => {
                words.insert(option.name, word(option.name, &value));
                if let Err(message) = set(&mut main, option.name, &value) {
                    let problem = Problem::new(Severity::Error, value.origin(), message);
                    problems.push(problem.fail2ban(verdict(option.name)));
                }
            }
            Err(fault) => problems.push(fault.problem(Severity::Error)),
        }
    }
    if layers.merged.has("Thread") {
        match Scope::new(&layers.merged, "Thread").get("stacksize") {
            Ok(Some(value)) => {
                let stacksize = ("stacksize".to_owned(), word("stacksize", &value));
                words.insert("thread", Word::Dict([stacksize].into()));
            }
            Ok(None) => {}
            Err(fault) => problems.push(fault.problem(Severity::Warning)),
        }
    }
    problems.extend(unknown(&layers));
    let (servers, said) = Servers::read(&layers.merged);
    problems.extend(said);
    Daemon { main, servers, words, problems, found: layers.found, silent: section.then_some(silent) }
}

/// What fail2ban says where nothing is written; `dbmaxmatches` is its server's affair.
fn unwritten(main: &Main) -> IndexMap<&'static str, Word> {
    let dbfile = main.dbfile.as_ref().map_or("None".to_owned(), |path| path.display().to_string());
    let words = [
        ("loglevel", "INFO"),
        ("logtarget", &main.logtarget),
        ("syslogsocket", &main.syslogsocket),
        ("allowipv6", &main.allowipv6),
        ("dbfile", &dbfile),
        ("dbpurgeage", "1d"),
    ];
    words.map(|(name, text)| (name, Word::text(text))).into()
}

/// What fail2ban does about a bad value.
fn verdict(option: &str) -> Original {
    match option {
        "loglevel" => Original::Stops,
        "dbmaxmatches" | "dbpurgeage" => Original::StopsServer,
        _ => Original::Ignores,
    }
}

fn set(main: &mut Main, option: &str, value: &Value) -> Result<(), String> {
    let text = value.text();
    match option {
        "socket" => main.socket = PathBuf::from(text),
        "pidfile" => main.pidfile = PathBuf::from(text),
        "dbfile" => main.dbfile = (text.to_lowercase() != "none" && !text.is_empty()).then(|| PathBuf::from(text)),
        "dbmaxmatches" => {
            let number = int(text).and_then(|n| usize::try_from(n).ok());
            main.dbmaxmatches = number.ok_or_else(|| format!("`{option}` has to be a whole number, not `{text}`"))?;
        }
        "dbpurgeage" => main.dbpurgeage = Span::parse(text).map_err(|e| e.to_string())?,
        "loglevel" => main.loglevel = level(text).ok_or_else(|| format!("there is no log level `{text}`"))?,
        "logtarget" => main.logtarget = text.to_owned(),
        "syslogsocket" => main.syslogsocket = text.to_owned(),
        "asteriskdir" => main.asteriskdir = text.into(),
        "freeswitchdir" => main.freeswitchdir = text.into(),
        "allowipv6" => {
            main.allowipv6 = allowipv6(text).ok_or_else(|| format!("`{option}` is `auto`, `yes` or `no`"))?
        }
        _ => unreachable!("every option of the daemon has its arm"),
    }
    Ok(())
}

/// A level's name or number; fail2ban's levels below DEBUG are DEBUG.
pub fn level(text: &str) -> Option<Level> {
    match (text.to_uppercase().as_str(), int(text)) {
        ("HEAVYDEBUG" | "TRACEDEBUG" | "MSG", _) => Some(Level::Debug),
        (_, Some(number)) => {
            let above = Level::ALL.into_iter().find(|level| *level as i64 >= number);
            Some(above.unwrap_or(Level::Critical))
        }
        (name, None) => Level::parse(name),
    }
}

fn allowipv6(text: &str) -> Option<String> {
    let word = match truth(text) {
        _ if text.eq_ignore_ascii_case("auto") => "auto",
        (true, _) => "yes",
        (false, true) => "no",
        (false, false) => return None,
    };
    Some(word.to_owned())
}

fn unknown(layers: &Layers) -> Vec<Problem> {
    let sections = [("Definition", Place::Main), ("Thread", Place::Thread)];
    let mut problems = Vec::new();
    for (name, place) in sections {
        let Some(section) = layers.merged.sections.get(name) else { continue };
        for (option, value) in &section.options {
            let Some(origin) = value.name() else { continue };
            match options::find(place, option) {
                Some(known) if known.effect == Effect::None => {
                    let message = format!("`{option}` is known, but without effect here");
                    problems.push(Problem::new(Severity::Note, origin.clone(), message));
                }
                Some(_) => {}
                None => {
                    let known = options::OPTIONS.iter().filter(|o| o.place == place).map(|o| o.name);
                    let problem = Problem::new(Severity::Warning, origin.clone(), format!("unknown option `{option}`"));
                    let meant = did_you_mean(option, known);
                    problems.push(Problem { hint: meant, ..problem });
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> (Main, Vec<String>) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        let Daemon { main, problems, .. } = main(&Tree::new(dir.path()), Main::default());
        (main, problems.into_iter().map(|p| p.message).collect())
    }

    #[test]
    fn our_file_lies_over_fail2bans() {
        let (main, problems) = read(&[
            (
                "fail2ban.conf",
                "[DEFAULT]\nbase = /x\n[Definition]\nsocket = %(base)s/s\nloglevel = debug\ndbfile = None\n",
            ),
            ("sipjail.conf", "[Definition]\nloglevel = 25\nallowipv6 = False\n"),
            ("fail2ban.local", "[Definition]\ndbpurgeage = 7d\ndbmaxmatches = 3\n"),
        ]);
        assert_eq!(problems, [] as [&str; 0]);
        assert_eq!((main.socket.to_str(), main.loglevel, main.dbfile), (Some("/x/s"), Level::Notice, None));
        assert_eq!((main.allowipv6.as_str(), main.dbmaxmatches), ("no", 3));
        assert_eq!(main.dbpurgeage, Span::from_secs(7 * 86_400));
    }

    #[test]
    fn what_is_wrong_keeps_its_default() {
        let (main, problems) = read(&[(
            "sipjail.conf",
            "[Definition]\nloglevl = DEBUG\nloglevel = LOUD\ndbpurgeage = soon\nsocket = %d\n[Thread]\nstacksize=3\n",
        )]);
        assert_eq!(main.loglevel, Level::Info);
        assert_eq!(problems.len(), 5, "{problems:?}");
    }
}
