//! The stage for [`scenes`](super): a world in which scripts only note that they ran.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::super::shell::{Ended, How};
use super::super::{Counters, Deed, Outside, Scripts};
use crate::addr::Id;
use crate::config::{Action, Kind};
use crate::record::Record;
use crate::script::Script;
use crate::ticket::{Past, Ticket};
use crate::time::{Bantime, Span, Timestamp};
use crate::word::Word;

/// A world in which a script is its text; those that begin with a word in `bad` fail.
#[derive(Default)]
pub struct Stage {
    pub ran: Vec<String>,
    pub args: Vec<Vec<String>>,
    pub said: Vec<Record>,
    pub bad: HashSet<String>,
    pub past: Option<Past>,
    pub saved: Option<Ticket>,
}

impl Outside for Stage {
    fn run(&mut self, script: &Script, _: Duration) -> Result<Ended, String> {
        self.ran.push(script.text.clone());
        self.args.push(script.args.clone());
        let bad = self.bad.iter().any(|word| script.text.split(' ').any(|w| w == word));
        Ok(Ended { how: How::Code(bad.into()), late: false, stdout: vec![], stderr: vec![] })
    }

    fn say(&mut self, record: Record) {
        self.said.push(record);
    }

    fn past(&mut self, _: &Id, jail: Option<&str>) -> Option<Past> {
        let past = self.past.clone()?;
        Some(if jail.is_some() { past } else { Past { failures: past.failures * 2, ..past } })
    }

    fn saved(&mut self, _: &Id, _: &str) -> Option<Ticket> {
        self.saved.clone()
    }

    fn host_name(&mut self, ip: IpAddr) -> Option<String> {
        ip.is_ipv4().then(|| "host.example".to_owned())
    }

    fn own_name(&mut self, whole: bool) -> String {
        if whole { "pbx.example" } else { "pbx" }.into()
    }

    fn speaks_ipv6(&mut self) -> bool {
        false
    }
}

/// A jail's actions on their stage.
pub struct Scene {
    pub stage: Stage,
    pub scripts: Scripts,
}

impl Scene {
    pub fn new(actions: &[Action]) -> Scene {
        let mut scene = Scene { stage: Stage::default(), scripts: Scripts::new("sip", false) };
        scene.follow(actions, false);
        scene
    }

    pub fn follow(&mut self, actions: &[Action], reload: bool) {
        self.play(Deed::Follow { actions: actions.to_vec(), bans: vec![], reload });
    }

    pub fn play(&mut self, deed: Deed) {
        self.scripts.carry_out(deed, counters(), &mut self.stage);
    }

    pub fn ban(&mut self, id: &str) {
        self.play(Deed::Ban(Box::new(ticket(id))));
    }

    pub fn unban(&mut self, id: &str) {
        self.play(Deed::Unban(Id::parse(id)));
    }

    pub fn flush(&mut self) {
        self.play(Deed::Flush);
    }

    pub fn again(&mut self, id: &str, secs: i64) {
        let bantime = Bantime::For(Span::from_secs(600 + secs));
        let now = Timestamp::from_secs(1000 + secs);
        self.play(Deed::Again { id: Id::parse(id), bantime, now });
    }

    pub fn breaks(&mut self, words: &[&str]) {
        self.stage.bad = words.iter().map(ToString::to_string).collect();
    }

    /// What ran since the last call, without a trailing blank.
    pub fn ran(&mut self) -> Vec<String> {
        self.stage.ran.drain(..).map(|text| text.trim_end().to_owned()).collect()
    }

    pub fn said(&mut self) -> Vec<String> {
        let own = self.stage.said.drain(..).filter(|record| record.part != "utils");
        own.map(|record| record.text.split(" info '").next().unwrap_or_default().to_owned()).collect()
    }
}

pub fn counters() -> Counters {
    let bantime = Bantime::For(Span::from_secs(600));
    Counters { banned: 1, banned_total: 2, found: 3, found_total: 4, bantime }
}

pub fn ticket(id: &str) -> Ticket {
    Ticket {
        id: Id::parse(id),
        time: Timestamp(1_795_170_257_090_000),
        bantime: None,
        bancount: 1,
        failures: 3,
        matches: vec!["first".into(), "second".into()],
        groups: IndexMap::new(),
        restored: false,
    }
}

pub fn action(name: &str, commands: &[(&str, &str)], properties: &[(&str, &str)]) -> Action {
    let word = |text: &str| match text {
        "true" | "false" => Word::Bool(text == "true"),
        text => Word::text(text),
    };
    let commands = commands.iter().map(|(name, text)| ((*name).to_owned(), word(text))).collect();
    let properties = properties.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    Action { name: name.into(), kind: Kind::Commands { commands, properties } }
}

const COMMANDS: [(&str, &str); 7] = [
    ("actionstart", "START <family>"),
    ("actionstop", "STOP <family>"),
    ("actioncheck", "CHECK <family>"),
    ("actionflush", "FLUSH <family>"),
    ("actionreload", "RELOAD <family>"),
    ("actionban", "BAN <ip>"),
    ("actionunban", "UNBAN <ip>"),
];

/// An action of all commands, with more, and without those that are named.
pub fn full(more: &[(&str, &str)], without: &[&str], conditional: bool) -> Action {
    let kept = COMMANDS.iter().filter(|(name, _)| !without.contains(name)).chain(more);
    let properties: &[(&str, &str)] = if conditional { &[("x", "4"), ("x?family=inet6", "6")] } else { &[] };
    action("a", &kept.copied().collect::<Vec<_>>(), properties)
}
