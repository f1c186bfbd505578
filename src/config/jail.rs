//! Jails: every section that is on, read in fail2ban's order of steps, to [`JailSettings`].
//!
//! A section's `enabled`, `backend` and `filter` come first, then its filter's options as `known/…`, then all others.
//! What is wrong with a jail leaves that jail out and no other.

use super::action::{self, Actions, Said};
use super::events::Servers;
use super::filter::{Filled, FilterFile, Reference};
use super::include::Layers;
use super::ini::Options;
use super::interpolate::{Fault, Scope};
use super::journal::words;
use super::merge::{KNOWN, Merged};
use super::number::truth;
use super::options;
use super::settings::Values;
use super::tree::Tree;
use super::unknown::Mentioned;
use super::value::Value;
use super::written::{Sheet, WrittenJail, spoken, word};
use super::{Enabled, Events, JailSettings, Origin, Original, Problem, Severity, SignSettings, UseDns};
use crate::line::Neighbours;
use crate::time::Span;
use crate::word::repr;

/// What the sections say.
#[derive(Debug, Default)]
pub struct Jails {
    /// Every jail that is on or may come on.
    pub good: Vec<JailSettings>,
    /// Jails with an error that could be read all the same.
    pub refused: Vec<JailSettings>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is said of every jail that is on.
    pub written: Vec<WrittenJail>,
}

/// Reads every jail that is on or may come on. What their filters say is put into their sections, as `known/…`.
pub fn jails(tree: &Tree, layers: &mut Layers, servers: &Servers) -> Jails {
    let Layers { merged, problems, .. } = layers;
    for (name, text) in [
        ("fail2ban_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("fail2ban_confpath", tree.dir().display().to_string().trim_end_matches('/').to_owned()),
    ] {
        merged.defaults.insert(name.to_owned(), Value::bare(text.replace('%', "%%")));
    }
    let mut reader = Reader {
        tree,
        servers,
        mentioned: Mentioned::of(merged),
        merged,
        said: Said::default(),
        problems: vec![],
        written: vec![],
    };
    let hidden = |name: &str| name == "INCLUDES" || name.starts_with(KNOWN);
    let names: Vec<String> = reader.merged.sections.keys().filter(|name| !hidden(name)).cloned().collect();
    let mut jails = Jails::default();
    for name in &names {
        let broken = problems.iter().any(|p| p.severity == Severity::Error && p.jail.as_ref() == Some(name));
        let before = reader.problems.len();
        let jail = reader.section(name);
        let bad = reader.problems[before..].iter().any(|p| p.severity == Severity::Error);
        if bad || broken {
            jails.refused.extend(jail);
        } else {
            jails.good.extend(jail);
        }
    }
    Jails { problems: reader.problems, written: reader.written, ..jails }
}

struct Reader<'a> {
    tree: &'a Tree,
    servers: &'a Servers,
    merged: &'a mut Merged,
    mentioned: Mentioned,
    said: Said,
    problems: Vec<Problem>,
    written: Vec<WrittenJail>,
}

impl Reader<'_> {
    /// One section; `None`: it is off, or what is wrong with it stands among the problems.
    fn section(&mut self, name: &str) -> Option<JailSettings> {
        let scope = Scope::new(self.merged, name);
        let enabled = match scope.get("enabled").map(|value| value.map(|value| (on(&value), value))) {
            Ok(Some(((enabled, true), _))) => enabled,
            Ok(Some(((enabled, false), value))) => {
                let message = format!("`enabled = {}` is read as false", value.text());
                self.problems.push(Problem::new(Severity::Warning, value.origin(), message).of_jail(name));
                enabled
            }
            Ok(None) => None,
            Err(fault) => return self.fail(name, fault),
        };
        let early = ["backend", "filter"].map(|option| (option, Scope::new(self.merged, name).get(option)));
        let Some(enabled) = enabled else {
            for (_, value) in early {
                if let Err(fault) = value {
                    let problem = fault.problem(Severity::Warning).of_jail(name);
                    self.problems.push(problem.hint("the jail is off; fail2ban minds all the same"));
                }
            }
            return None;
        };
        let mut options = Options::default();
        for (option, value) in early {
            match value {
                Ok(value) => options.extend(value.map(|value| (option.to_owned(), value))),
                Err(fault) => return self.fail(name, fault),
            }
        }
        let mut early = spoken(&options);
        early.shift_remove("action");
        let backend = early["backend"].clone();
        let mut filter = self.filter(name, backend.text(), &early)?;
        match filter.known(&early) {
            Ok(known) => {
                let section = self.merged.sections.get_mut(name).expect("the section is being read");
                section.options.extend(known.into_iter().map(|(option, value)| (format!("known/{option}"), value)));
            }
            Err(fault) => return self.fail(name, fault),
        }
        let jail = self.options(name)?;
        let spoken = spoken(&jail);
        let filter = match filter.settings(&spoken) {
            Ok(filter) => filter,
            Err(fault) => return self.fail(name, fault),
        };
        let actions = action::actions(self.tree, &spoken["action"], name, &spoken, &mut self.said);
        let sheet = match &actions.skipped {
            None => Ok(Sheet {
                backend: backend.text().to_owned(),
                filter: filter.own.iter().map(|(option, value)| (option.clone(), word(option, value))).collect(),
                options: jail.iter().map(|(option, value)| (option.clone(), word(option, value))).collect(),
                actions: actions.list.clone(),
            }),
            Some(reason) => Err(reason.clone()),
        };
        self.written.push(WrittenJail { name: name.to_owned(), sheet });
        self.problems.extend(self.mentioned.unknown(name, &self.merged.sections[name]));
        Some(self.settings(name, enabled, backend, filter, actions, &jail))
    }

    /// What fail2ban leaves out, and its reason.
    fn skip(&mut self, name: &str, reason: String) {
        self.written.push(WrittenJail { name: name.to_owned(), sheet: Err(reason) });
    }

    fn filter(&mut self, name: &str, backend: &str, early: &Options) -> Option<FilterFile> {
        let Some(value) = early.get("filter").filter(|value| !value.text().is_empty()) else {
            let message = "the jail has no filter";
            self.problems.push(Problem::new(Severity::Warning, self.place(name), message).of_jail(name));
            return Some(FilterFile::none());
        };
        let wanted = match Reference::parse(value) {
            Ok(wanted) => wanted,
            Err(fault) => {
                self.skip(name, format!("Invalid filter definition {}: {}", repr(value.text()), fault.original));
                self.problems.push(fault.problem(Severity::Error).fail2ban(Original::SkipsJail).of_jail(name));
                return None;
            }
        };
        let logtype = if backend.starts_with("systemd") { "journal" } else { "file" };
        match FilterFile::open(self.tree, &wanted, Some(logtype)) {
            Ok(file) => {
                self.problems.extend(file.remarks.iter().cloned().map(|problem| problem.of_jail(name)));
                Some(file)
            }
            Err(problems) => {
                if !problems.iter().any(|problem| problem.fail2ban.stops()) {
                    self.skip(name, format!("Unable to read the filter {}", repr(&wanted.name)));
                }
                self.problems.extend(problems.into_iter().map(|problem| problem.of_jail(name)));
                None
            }
        }
    }

    /// Every option that jails know and that is written for this one.
    fn options(&mut self, name: &str) -> Option<Options> {
        let mut jail = Options::default();
        let mut faults = Vec::new();
        for option in options::in_jail() {
            match Scope::new(self.merged, name).get(option.name) {
                Ok(value) => jail.extend(value.map(|value| (option.name.to_owned(), value))),
                Err(fault) => faults.push(fault.problem(Severity::Error).of_jail(name)),
            }
        }
        let sound = faults.is_empty();
        self.problems.extend(faults);
        sound.then_some(jail)
    }

    fn settings(
        &mut self,
        name: &str,
        enabled: Enabled,
        backend: Value,
        filter: Filled,
        actions: Actions,
        jail: &Options,
    ) -> JailSettings {
        let origin = self.place(name);
        let mut values = Values::new(jail, name);
        let Filled { settings: mut filter, usedns, neighbours, maxlines, .. } = filter;
        filter.maxlines = maxlines.map_or(1, |value| values.maxlines(&value));
        let trust = values.trust();
        if trust.is_none() {
            // Then nobody wants to know, and no line is looked at for it.
            filter.signs = SignSettings::default();
        }
        let journal = values.backend(&backend, &filter.journalmatch);
        for line in filter.journalmatch.iter().filter(|line| journal.is_none() && words(&line.text).is_err()) {
            values.warn(&line.origin, "this `journalmatch` cannot be split into words; no journal is read here", None);
            values.last(Original::Stops);
        }
        let wanted = values.events(&backend, self.servers);
        let hears = wanted.is_some();
        let reads_logs = journal.is_none() && wanted.as_ref().is_none_or(|wanted| wanted.as_ref().is_ok_and(|w| w.1));
        let events = wanted.and_then(Result::ok);
        let events = events.map(|(server, logs)| Events { server, filter: logs.then(|| filter.of_events()) });
        if hears && !reads_logs {
            filter = filter.of_events();
        }
        let logpath = if reads_logs { values.logpath() } else { Vec::new() };
        if logpath.is_empty() && reads_logs {
            values.warn(&origin, "the jail has no `logpath`", None);
            if jail.get("logpath").is_some_and(|value| value.text().is_empty()) {
                values.last(Original::Stops);
            }
        }
        let Actions { list: actions, problems: mut remarks, .. } = actions;
        let at = jail.get("action").map_or_else(|| origin.clone(), Value::origin);
        remarks.extend(action::reach::narrow(&actions, &filter.name, &at).map(|problem| problem.of_jail(name)));
        if actions.is_empty() && !remarks.iter().any(|p| p.severity == Severity::Error) {
            values.warn(&origin, "the jail has no `action`: it bans nobody", Some("write `action = ipset`"));
        }
        let (countby, spread) = (values.countby(&filter), values.spread(&filter));
        let settings = JailSettings {
            name: name.to_owned(),
            origin,
            enabled,
            backend: backend.text().to_owned(),
            filter,
            journal,
            events,
            logpath,
            logpath_first: values.truth("logpath_first").unwrap_or(false),
            logencoding: values.text("logencoding").unwrap_or("auto").to_owned(),
            logtimezone: values.logtimezone(),
            unwrap: values.unwrap(),
            neighbours: neighbours.map_or(Neighbours::None, |value| values.neighbours(&value)),
            usedns: usedns.map_or(UseDns::default(), |value| values.usedns(&value)),
            subnet: values.subnet(),
            maxretry: values.count("maxretry", 1).unwrap_or(3),
            maxmatches: values.count("maxmatches", 0).unwrap_or(5) as usize,
            findtime: values.findtime(),
            bantime: values.bantime(),
            increment: values.increment(),
            ignore: values.ignore(),
            protect: values.truth("protect").unwrap_or(false),
            dedupe: values.truth("dedupe").unwrap_or(false),
            trust,
            countby,
            samefailtime: values.time("samefailtime").unwrap_or(Span::from_secs(3600)),
            spread,
            actions,
        };
        self.problems.append(&mut values.problems);
        self.problems.extend(remarks);
        settings
    }

    fn place(&self, name: &str) -> Origin {
        self.merged.sections.get(name).map(|section| section.origin.clone()).unwrap_or_default()
    }

    fn fail<T>(&mut self, name: &str, fault: Fault) -> Option<T> {
        self.problems.push(fault.problem(Severity::Error).of_jail(name));
        None
    }
}

/// Whether a jail is on, and whether the word is one that can be meant.
fn on(value: &Value) -> (Option<Enabled>, bool) {
    if value.text().eq_ignore_ascii_case("auto") {
        return (Some(Enabled::Auto), true);
    }
    let (yes, meant) = truth(value.text());
    (yes.then_some(Enabled::Yes), meant)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Enabled, Severity, load};

    /// A directory whose `jail.conf` is this.
    fn read(jail: &str) -> Config {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("jail.conf"), jail).expect("a file");
        std::fs::create_dir(dir.path().join("filter.d")).expect("a folder");
        let filter = "[Definition]\nfailregex = 100%% <HOST>\nusedns = no\n";
        std::fs::write(dir.path().join("filter.d/f.conf"), filter).expect("a file");
        load(dir.path())
    }

    fn said(config: &Config) -> Vec<(Severity, Option<&str>, &str)> {
        config.problems.iter().map(|p| (p.severity, p.jail.as_deref(), p.message.as_str())).collect()
    }

    const DEFAULTS: &str = "[DEFAULT]\nlogpath = /var/log/x\naction = ipset\n";

    #[test]
    fn every_section_that_is_on_is_a_jail() {
        let text = format!(
            "{DEFAULTS}filter = f\nmood = %(port)s\n[a]\nenabled = yes\nport=1\n[b]\n[c]\nenabled = Auto\n[INCLUDES]\nx=1\n"
        );
        let config = read(&text);
        assert_eq!(said(&config), []);
        let jails: Vec<_> = config.jails.iter().map(|jail| (jail.name.as_str(), jail.enabled)).collect();
        assert_eq!(jails, [("a", Enabled::Yes), ("c", Enabled::Auto)]);
        assert_eq!(config.jails[0].filter.failregex[0].text, "100% <HOST>");
    }

    #[test]
    fn a_bad_jail_is_left_out_and_the_others_stay() {
        let bad = [
            ("filter = nosuch", "there is no filter `nosuch`"),
            ("filter = f[x", "`f[x` cannot be read: the bracket behind `f` is not closed by a last `]`"),
            ("maxretry = x", "`maxretry` has to be a whole number from 1 on, not `x`"),
            ("findtime = abc", "`findtime`: `abc` is not a length of time"),
            ("findtime = 7;x", "`findtime`: `7;x` is not a length of time"),
            ("bantime = %d", "`%` in `bantime` is followed by neither `%` nor `(`: `%d`"),
            ("logpath = /dev/null bogus", "`bogus` behind a path is neither `head` nor `tail`"),
            ("logtimezone = Europe/Paris", "`Europe/Paris` is no time zone that a log can have here"),
            ("backend = inotify", "there is no backend `inotify`"),
            ("unwrap = zip", "`unwrap` does not know `zip`"),
            ("neighbours = zip", "`neighbours` does not know `zip`"),
            ("bantime.formula = os.system(1)", "`bantime.formula`: `os.system(1)`: `os.system` is not defined"),
            ("bantime.formula = ban.Tim", "`bantime.formula`: `ban.Tim`: `ban.Tim` is not defined"),
            ("bantime.multipliers = 1 x", "`bantime.multipliers`: `x` is no whole number"),
            ("ignoreip = 10.0.0.1/255.0.255.0", "`255.0.255.0` in `ignoreip` is no network mask"),
            ("ignorecache = size=1", "`ignorecache` knows `key`, `max-count` and `max-time`, not `size`"),
            (
                "action = ipset[x]",
                "`ipset[x]` cannot be read: `option=value` is expected at `x`, without blanks around the `=`",
            ),
            ("datepattern = %(known/failregex)s", "`%` in `failregex` is followed by neither `%` nor `(`: `% <HOST>`"),
        ];
        for (line, message) in bad {
            let text = format!("{DEFAULTS}[good]\nenabled=1\nfilter=f\n[bad]\nenabled=1\nfilter=f\n");
            let text = match line.split_once(" = ") {
                Some(("filter", _)) => text.replace("[bad]\nenabled=1\nfilter=f", &format!("[bad]\nenabled=1\n{line}")),
                _ => format!("{text}{line}\n"),
            };
            let config = read(&text);
            assert_eq!(config.jails.len(), 1, "{line}: {:?}", config.problems);
            let errors: Vec<_> =
                said(&config).into_iter().filter(|(severity, ..)| *severity == Severity::Error).collect();
            let message = message.replace("in `failregex`", "in `datepattern`");
            assert_eq!(errors, [(Severity::Error, Some("bad"), message.as_str())], "{line}");
        }
    }

    #[test]
    fn what_has_no_effect_or_no_meaning_is_said() {
        let text = format!(
            "{DEFAULTS}typo_in_default = 1\n[j]\nenabled = true\nfilter = f\nmaxrety = 3\nskip_if_nologs = true\nport = 1\n\
             usedns = perhaps\nignoreself = maybe\nbackend = systemd\nbantime = 0\n[k]\nenabled = maybe\nx = %(port)s\n"
        );
        let config = read(&text);
        use Severity::{Note, Warning};
        let mut found = said(&config);
        found.sort();
        assert_eq!(
            found,
            [
                (Note, Some("j"), "`skip_if_nologs` is known, but without effect here"),
                (Warning, Some("j"), "`ignoreself = maybe` is read as false"),
                (Warning, Some("j"), "`usedns` does not know `perhaps` and is read as `no`"),
                (Warning, Some("j"), "a ban of this `bantime` is over before it begins"),
                (Warning, Some("j"), "the jail has no `journalmatch`: it reads everything"),
                (Warning, Some("j"), "unknown option `maxrety`"),
                (Warning, Some("k"), "`enabled = maybe` is read as false"),
            ]
        );
        let hint = config.problems.iter().find(|p| p.message.contains("maxrety")).and_then(|p| p.hint.as_deref());
        assert_eq!(hint, Some("did you mean `maxretry`?"));
        assert_eq!(config.jails.len(), 1);
    }

    #[test]
    fn a_jail_that_is_off_is_hardly_read() {
        let config = read("[j]\nfindtime = %d\nmaxretry = x\n[k]\nfilter = %(none)s\n[l]\nenabled = %d\n");
        let severities: Vec<_> = said(&config).into_iter().map(|(severity, jail, _)| (severity, jail)).collect();
        assert_eq!(severities, [(Severity::Warning, Some("k")), (Severity::Error, Some("l"))]);
    }

    #[test]
    fn a_default_beats_the_filter() {
        let usedns = |text: &str| read(&format!("{DEFAULTS}{text}[j]\nenabled=1\nfilter=f\n")).jails[0].usedns;
        assert_eq!(usedns("usedns = warn\n"), crate::config::UseDns::Warn);
        assert_eq!(usedns(""), crate::config::UseDns::No);
    }
}
