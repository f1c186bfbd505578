//! Other jails than before: the configuration is read again, or a client of fail2ban's sends what it read.
//!
//! A stream of commands says less than our own files can (`unwrap`, `enabled = auto`, where a value was written). Where
//! it is, word for word, what our own reading of our own directory would send, that reading is taken in its place;
//! where it differs, because the client read another directory, it counts as it is.

use serde_json::Value;

use super::Guard;
use crate::command::jails;
use crate::command::reload::ReloadReply;
use crate::compat::built::{Built, built};
use crate::compat::pickle::Plain;
use crate::compat::{Refusal, stream};
use crate::config::{self, Config, Main, Origin, Original, Problem, Severity};
use crate::daemon::follow::FollowJail;
use crate::daemon::prepare::{self, Prepared};
use crate::daemon::{clock, host};
use crate::engine::Request;
use crate::error::{Error, Kind};
use crate::firewall::MANUAL;
use crate::record::{Level, Record};
use crate::source::glob;

/// Which jails are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// All: what is not among the new ones ends.
    All,
    /// One; nothing changes for the others.
    One(&'a str),
    /// Those that come; none ends.
    New,
}

/// What is done to jails that run before they take on anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct First {
    /// All bans are lifted and forgotten.
    pub unban: bool,
    /// They end, to begin anew.
    pub restart: bool,
}

impl Guard {
    /// Reads the configuration again.
    pub(super) fn reload(&mut self, out: &mut Vec<Request>) -> Result<Value, Error> {
        if self.options.bare {
            let error = Error::new(Kind::Usage, "this daemon was started without a configuration of its own");
            return Err(error.hint("`fail2ban-client reload` sends it one"));
        }
        say(out, Level::Info, "Reload all jails".to_owned());
        let prepared = self.options.prepare(&self.zone);
        let main = prepared.config.main.clone();
        let reply = self.take_on(prepared, Whose::All, First::default(), out)?;
        self.askers.allow_ipv6(main.allowipv6 != "no");
        let Main { loglevel, logtarget, syslogsocket, allowipv6, asteriskdir, freeswitchdir, .. } =
            self.options.told.over(main);
        let over = self.main.clone();
        self.main = Main { loglevel, logtarget, syslogsocket, allowipv6, asteriskdir, freeswitchdir, ..over };
        self.look_out(out);
        let mut said = Vec::new();
        self.log = host::log(&self.main, self.options.guise, &self.zone, &mut said);
        out.extend(said.into_iter().map(Request::Log));
        say(out, Level::Info, "Reload finished.".to_owned());
        serde_json::to_value(reply).map_err(|e| Error::new(Kind::Daemon, e.to_string()))
    }

    /// Does what a stream says. A jail of it that cannot be used is left out, the others are taken on, and the reply is
    /// the error all the same, so that whoever sent it sees it. Nothing changes where a jail that runs would end by it.
    pub(super) fn take_stream(
        &mut self,
        sent: &[Plain],
        whose: Whose<'_>,
        first: First,
        out: &mut Vec<Request>,
    ) -> Result<(), Refusal> {
        let Built { main, jails, remarks, complaints, refused } = built(sent);
        let mut outcome = Ok(());
        for (option, value) in main {
            outcome = outcome.and(self.set_main(&option, &value, out).map(drop));
        }
        for complaint in complaints {
            say(out, Level::Error, complaint);
        }
        let (prepared, own) = match self.own_reading(sent, whose) {
            Some(prepared) => (prepared, true),
            None => {
                let why = refused.iter().map(|(jail, refusal)| {
                    Problem::new(Severity::Error, Origin::default(), refusal.to_string()).of_jail(jail)
                });
                let problems = remarks.into_iter().chain(why).collect();
                let config = Config { main: self.main.clone(), jails, problems, ..Config::default() };
                (prepare::compile(config, &self.zone), false)
            }
        };
        let found = prepared.config.problems.iter();
        let wrong =
            found.clone().find(|p| p.severity == Severity::Error && (!own || p.fail2ban == Original::StopsServer));
        let wrong = wrong.map(|problem| Refusal::Value(prepare::line(problem)));
        // What a stream cannot say (who tells a jail's events) our own reading may know.
        let refused = refused.into_iter().next().map(|(_, refusal)| refusal).filter(|_| !own).or(wrong);
        self.take_on(prepared, whose, first, out)?;
        outcome.and(refused.map_or(Ok(()), Err))
    }

    /// Our own reading of our own directory, where it would send the same.
    fn own_reading(&self, sent: &[Plain], whose: Whose<'_>) -> Option<Prepared> {
        let mut config = config::load_with(&self.options.conf, self.options.guise.defaults());
        let about = |command: &Plain| match command {
            Plain::List(words) if whose_words(words, whose) => Some(command.clone()),
            _ => None,
        };
        let expand = |pattern: &str| glob::expand(pattern);
        let ours = stream::stream(&config.written, &expand).into_iter();
        let ours: Vec<Plain> = ours.map(|words| Plain::List(words.into_iter().map(Plain::from).collect())).collect();
        let ours: Vec<Plain> = ours.iter().filter_map(about).collect();
        if !ours.iter().eq(sent.iter().filter_map(about).collect::<Vec<_>>().iter()) {
            return None;
        }
        if let Whose::One(name) = whose {
            config.jails.retain(|jail| jail.name == name);
            config.problems.retain(|problem| problem.jail.as_deref() == Some(name));
        }
        Some(prepare::compile(config, &self.zone))
    }

    /// Takes on jails. Those that run keep bans, counters and positions.
    fn take_on(
        &mut self,
        prepared: Prepared,
        whose: Whose<'_>,
        first: First,
        out: &mut Vec<Request>,
    ) -> Result<ReloadReply, Error> {
        let now = clock::now();
        let Prepared { config, filters } = prepared;
        out.extend(config.problems.iter().map(|p| Request::Log(prepare::record(p))));
        let meant = |name: &str| match whose {
            Whose::All => true,
            Whose::One(one) => one == name,
            Whose::New => false,
        };
        let running: Vec<String> = self.sit(out).engine.jails().into_iter().filter(|name| meant(name)).collect();
        if let Some(refusal) = prepare::would_end(&running, &config) {
            say(out, Level::Error, refusal.message.clone());
            return Err(refusal);
        }
        if whose == Whose::All && self.firewall != host::firewall_name(&self.options, &config.jails) {
            say(out, Level::Warning, format!("bans go on into `{}` until sipjail is started again", self.firewall));
        }
        for name in &running {
            if first.unban {
                self.sit(out).engine.unban_all(Some(name), now, out)?;
            }
            if first.restart && name != MANUAL {
                self.within(out, |house| jails::end(name, house))?;
            }
        }
        let comes = |name: &str| config.jails.iter().any(|jail| jail.name == name);
        let stays = |name: &str| !meant(name) || comes(name);
        let known = self.sit(out).engine.jails();
        let (waiting, on): (Vec<_>, Vec<_>) =
            config.jails.iter().cloned().partition(|j| Prepared::waits(j) && !known.contains(&j.name));
        self.waiting.retain(|name, _| !meant(name) && !comes(name));
        self.waiting.extend(waiting.into_iter().map(|jail| (jail.name.clone(), jail)));
        self.files.retain(|name, _| stays(name));
        self.gave_up.retain(|name, _| stays(name));
        self.idle.retain(|name| stays(name) && !comes(name));
        for jail in &on {
            self.files.entry(jail.name.clone()).or_insert_with(|| Prepared::logs(jail));
        }
        if whose == Whose::All {
            self.sit(out).engine.reload(on, now, out).map_err(host::refused)?;
            self.follower.reload(super::follow_jails(&config.jails, filters));
        } else {
            for name in running.iter().filter(|name| !comes(name)) {
                self.within(out, |house| jails::end(name, house))?;
            }
            for jail in on {
                self.sit(out).engine.reload_jail(jail, now, out).map_err(host::refused)?;
            }
            for (jail, filter) in config.jails.iter().zip(filters) {
                self.follower.put(FollowJail::new(jail, filter));
            }
        }
        Ok(ReloadReply {
            jails: config.jails.iter().map(|j| j.name.clone()).collect(),
            problems: config.problems.iter().map(prepare::line).collect(),
        })
    }
}

/// Whether a command is about jails, and about those that are meant.
fn whose_words(words: &[Plain], whose: Whose<'_>) -> bool {
    let of_the_daemon = |word: &Plain| {
        matches!(word, Plain::Text(text) if config::options::OPTIONS.iter().any(|option| {
            option.place == config::options::Place::Main && option.name == text
        }) || text == "thread")
    };
    match (words, whose) {
        ([first, option, ..], _) if *first == "set".into() && of_the_daemon(option) => false,
        ([first, ..], _) if *first == "config-error".into() => false,
        ([_, jail, ..], Whose::One(name)) => *jail == name.into(),
        _ => true,
    }
}

fn say(out: &mut Vec<Request>, level: Level, text: String) {
    out.push(Request::Log(Record::new(level, "server", text)));
}
