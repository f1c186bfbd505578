//! One action: when it is started, what is done when a command fails, what there is to stop.
//!
//! fail2ban's rules. An action that makes a difference between address families is started for a family with its first
//! ban, any other with its jail. A command that fails is followed by `actioncheck`: where that fails too, the action is
//! repaired (`actionrepair`, else stopped and started); then the command is tried once more.

use std::time::Duration;

use indexmap::IndexMap;

use super::subject::{Subject, of_nobody};
use super::{Counters, Family, Outside, fill};
use crate::config::{self, Kind};
use crate::record::{Level, Record};
use crate::script::Script;
use crate::time::Span;
use crate::word::{Word, repr};

/// One action of a jail, and what it has done so far.
#[derive(Clone, Debug)]
pub struct Act {
    /// Its name within the jail.
    pub name: String,
    /// As its file says.
    pub action: config::Action,
    commands: IndexMap<String, String>,
    properties: IndexMap<String, String>,
    conditional: bool,
    on_demand: bool,
    repair_on_unban: bool,
    /// It does nothing for bans that come from the database.
    pub norestored: bool,
    timeout: Duration,
    families: IndexMap<Family, State>,
    /// When it was repaired last, counted in repairs of its jail.
    pub epoch: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    started: bool,
    /// A ban succeeded since it was started or flushed.
    items: bool,
}

/// Why a repair is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// For a ban, or to look whether all is well.
    Ban,
    /// For an unban.
    Unban,
}

/// What a jail's action does its work with.
pub struct Bench<'a> {
    /// Whose jail.
    pub jail: &'a str,
    /// The world.
    pub outside: &'a mut dyn Outside,
    /// Repairs in this jail so far.
    pub epoch: &'a mut u64,
    /// The jail's numbers.
    pub counters: Counters,
}

/// It did not work, and why; what the scripts said has been logged.
pub type Done = Result<(), String>;

impl Act {
    /// An action that has done nothing yet; `None` for one that runs no commands.
    pub fn new(action: &config::Action) -> Option<Act> {
        let Kind::Commands { commands, properties } = &action.kind else { return None };
        let is = |name: &str| commands.get(name).map(|word| *word == Word::Bool(true));
        let conditional = properties.keys().any(|name| name.contains("?family="));
        let texts = commands.iter().filter_map(|(name, word)| match word {
            Word::Text(text) if !text.trim().is_empty() => Some((name.clone(), text.clone())),
            _ => None,
        });
        let timeout = properties.get("timeout").and_then(|text| Span::parse(text).ok());
        let timeout = timeout.map_or(TIMEOUT, |span| Duration::from_micros(span.0.max(1).unsigned_abs()));
        Some(Act {
            name: action.name.clone(),
            action: action.clone(),
            commands: texts.collect(),
            properties: properties.clone(),
            conditional,
            on_demand: is("actionstart_on_demand").unwrap_or(conditional),
            repair_on_unban: is("actionrepair_on_unban").unwrap_or(false),
            norestored: is("norestored").unwrap_or(false),
            timeout,
            families: IndexMap::new(),
            epoch: 0,
        })
    }

    /// Whether it has such a command.
    pub fn has(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    /// Whether one of its commands speaks of what only the database knows of an old ban.
    pub fn tells_stories(&self) -> bool {
        let tags = ["<failures>", "<matches>", "<F-", "<raw-ticket>"];
        let mut texts = self.commands.values().chain(self.properties.values());
        texts.any(|text| tags.iter().any(|tag| text.contains(tag)))
    }

    /// Starts it with its jail, unless the first ban does that.
    pub fn begin(&mut self, bench: &mut Bench<'_>) -> Done {
        if self.on_demand {
            return Ok(());
        }
        self.start(bench)
    }

    /// Starts it for every family.
    pub fn start(&mut self, bench: &mut Bench<'_>) -> Done {
        let families = match self.conditional {
            false => vec![Family::Any],
            true if bench.outside.speaks_ipv6() => vec![Family::V4, Family::V6],
            true => vec![Family::V4],
        };
        families.into_iter().map(|family| self.start_family(family, bench)).fold(Ok(()), Done::and)
    }

    /// Bans, with `actionban` or `actionreban`; starts the family first if nobody did.
    pub fn ban(&mut self, command: &str, subject: &Subject<'_>, bench: &mut Bench<'_>) -> Done {
        let family = Family::of(&subject.ticket.id);
        let begun = if family == Family::Raw && !self.conditional { Family::Any } else { family };
        // fail2ban never starts an action that starts with its jail for a family that came later.
        let late = self.conditional && family != Family::Raw && !self.families.contains_key(&family);
        let wanted = if self.on_demand { !self.state(begun).started } else { late };
        if wanted {
            let started = self.start_for(family, bench);
            if self.on_demand {
                started?;
            }
        }
        self.carry_out(command, subject, Wanted::Ban, bench)?;
        let state = self.families.entry(family).or_default();
        state.items = true;
        state.started |= family != Family::Raw;
        Ok(())
    }

    /// Does what has no state, `actionprolong`.
    pub fn prolong(&mut self, subject: &Subject<'_>, bench: &mut Bench<'_>) -> Done {
        self.carry_out("actionprolong", subject, Wanted::Ban, bench)
    }

    /// Unbans, unless nothing was ever banned.
    pub fn unban(&mut self, subject: &Subject<'_>, bench: &mut Bench<'_>) -> Done {
        if !self.state(Family::of(&subject.ticket.id)).items {
            return Ok(());
        }
        self.carry_out("actionunban", subject, Wanted::Unban, bench)
    }

    /// Lifts all bans at once, for every family that has some; what it holds is looked after where that fails.
    pub fn flush(&mut self, bench: &mut Bench<'_>) -> Done {
        let families: Vec<Family> = self.families.iter().filter(|(_, s)| s.items).map(|(family, _)| *family).collect();
        let done = self.for_families("actionflush", &families, bench);
        // What could not be flushed may still be there.
        for family in families.into_iter().filter(|_| done.is_ok()) {
            self.families.entry(family).or_default().items = false;
        }
        done.map_err(|why| format!("Error flushing action Jail('{}')/{}: {}", bench.jail, self.name, repr(&why)))
    }

    /// Runs `actionflush` for what an earlier run may have left; whether there is anything nobody knows.
    pub fn sweep(&self, bench: &mut Bench<'_>) {
        let families = if self.conditional { vec![Family::V4, Family::V6] } else { vec![Family::Any] };
        for family in families {
            if let Some(Ok(script)) = self.of_family("actionflush", family, bench) {
                let _nothing_there = bench.outside.run(&script, self.timeout);
            }
        }
    }

    /// `actionreload`, for every family that was started.
    pub fn reload(&mut self, bench: &mut Bench<'_>) -> Done {
        let families = self.started();
        self.for_families("actionreload", &families, bench)
            .map_err(|why| format!("Error reloading action Jail('{}')/{}: {}", bench.jail, self.name, repr(&why)))
    }

    /// Stops it for every family that was started.
    pub fn stop(&mut self, bench: &mut Bench<'_>) -> Done {
        let families = self.started();
        let done = self.for_families("actionstop", &families, bench);
        self.families.clear();
        done.map_err(|why| format!("Error stopping action Jail('{}')/{}: {}", bench.jail, self.name, repr(&why)))
    }

    /// Looks whether what was started is still there, and repairs it.
    pub fn look(&mut self, bench: &mut Bench<'_>) {
        for family in self.started() {
            if !self.is_sane(family, Wanted::Ban, bench) {
                self.families.insert(family, State::default());
            }
        }
    }

    fn state(&self, family: Family) -> State {
        self.families.get(&family).copied().unwrap_or_default()
    }

    fn started(&self) -> Vec<Family> {
        self.families.iter().filter(|(_, state)| state.started).map(|(family, _)| *family).collect()
    }

    /// The start that a ban asks for. What is no address has no start of its own.
    fn start_for(&mut self, family: Family, bench: &mut Bench<'_>) -> Done {
        let started = match (family, self.conditional) {
            (Family::Raw, true) => Family::V4,
            (Family::Raw, false) => Family::Any,
            (family, _) => family,
        };
        self.start_family(started, bench)?;
        if family == Family::Raw {
            self.families.entry(family).or_default().started = self.conditional;
        }
        Ok(())
    }

    fn start_family(&mut self, family: Family, bench: &mut Bench<'_>) -> Done {
        self.for_families("actionstart", &[family], bench)
            .map_err(|why| format!("Error starting action Jail('{}')/{}: {}", bench.jail, self.name, repr(&why)))?;
        self.families.insert(family, State { started: true, items: false });
        Ok(())
    }

    /// The command of a ban, with all that is done when it fails.
    fn carry_out(&mut self, command: &str, subject: &Subject<'_>, wanted: Wanted, bench: &mut Bench<'_>) -> Done {
        let Some(text) = self.commands.get(command) else { return Ok(()) };
        let family = Family::of(&subject.ticket.id);
        let failed = || format!("Error {} {}", doing(command), subject.ticket.id);
        let script = fill::fixed(text, &self.properties, family)
            .map(|text| fill::of_ban(&text, |tag| subject.value(tag, bench.outside)))
            .map_err(|why| format!("{}: {why}", failed()))?;
        if self.execute(&script, bench) {
            return Ok(());
        }
        if self.has("actioncheck") && !self.is_sane(family, wanted, bench) {
            return Err(failed());
        }
        if self.execute(&script, bench) { Ok(()) } else { Err(failed()) }
    }

    /// Whether `actioncheck` says that all is well, after a repair if need be.
    fn is_sane(&mut self, family: Family, wanted: Wanted, bench: &mut Bench<'_>) -> bool {
        if self.check(family, bench) {
            return true;
        }
        let unban = wanted == Wanted::Unban;
        if unban && !self.repair_on_unban {
            bench.outside.say(command_action(Level::Error, "Invariant check failed. Unban is impossible."));
            return false;
        }
        let text = "Invariant check failed. Trying to restore a sane environment";
        bench.outside.say(command_action(Level::Error, text));
        *bench.epoch += 1;
        self.epoch = *bench.epoch;
        let repaired = match self.has("actionrepair") {
            true => self.for_families("actionrepair", &[family], bench),
            false if self.state(family).started => {
                let _as_good_as_it_goes = self.for_families("actionstop", &[family], bench);
                self.families.insert(family, State::default());
                if unban && self.on_demand {
                    // The next ban starts it; what was to be lifted is gone.
                    return true;
                }
                self.start_family(family, bench)
            }
            // It never worked: next time there is something to stop.
            false => {
                self.families.entry(family).or_default().started = true;
                Ok(())
            }
        };
        if repaired.is_ok() && self.check(family, bench) {
            return true;
        }
        bench.outside.say(command_action(Level::Critical, "Unable to restore environment"));
        false
    }

    fn check(&self, family: Family, bench: &mut Bench<'_>) -> bool {
        let Some(text) = self.commands.get("actioncheck") else { return true };
        let Ok(text) = fill::fixed(text, &self.properties, family) else { return false };
        self.execute(&Script { text, args: Vec::new() }, bench)
    }

    /// A command that speaks of nobody, for each family; a text that did its work is not run again.
    fn for_families(&self, command: &str, families: &[Family], bench: &mut Bench<'_>) -> Done {
        let mut done: Vec<Script> = Vec::new();
        let mut all = Ok(());
        // Each is run, whatever became of the one before.
        for family in families {
            match self.of_family(command, *family, bench) {
                None => return Ok(()),
                Some(Err(why)) => return Err(why),
                Some(Ok(script)) if done.contains(&script) => {}
                Some(Ok(script)) if self.execute(&script, bench) => done.push(script),
                Some(Ok(_)) => all = Err("Script error".to_owned()),
            }
        }
        all
    }

    fn of_family(&self, command: &str, family: Family, bench: &mut Bench<'_>) -> Option<Result<Script, String>> {
        let text = self.commands.get(command)?;
        let text = fill::fixed(text, &self.properties, family);
        Some(text.map(|text| fill::of_ban(&text, |tag| of_nobody(tag, bench.counters, bench.outside))))
    }

    fn execute(&self, script: &Script, bench: &mut Bench<'_>) -> bool {
        super::report::execute(script, self.timeout, bench.outside)
    }
}

fn doing(command: &str) -> &'static str {
    match command {
        "actionunban" => "unbanning",
        "actionreban" => "rebanning",
        "actionprolong" => "prolonging",
        _ => "banning",
    }
}

fn command_action(level: Level, text: &str) -> Record {
    Record::new(level, "CommandAction", text)
}

/// Of a script whose action says nothing else.
const TIMEOUT: Duration = Duration::from_secs(60);
