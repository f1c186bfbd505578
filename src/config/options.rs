//! THE table: every option of jails, filters and the daemon, once.
//!
//! The reader, "did you mean", the manual and `check` walk it. An option of fail2ban's that we do not act on stands here
//! too, so that it is reported instead of swallowed.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::CountBy;
use super::ini::Quick;
use crate::line::{Neighbours, Unwrap};

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// As it is written, lower case.
    pub name: &'static str,
    /// Where it belongs.
    pub place: Place,
    /// What its value is.
    pub kind: Kind,
    /// What holds when nobody writes it; empty: nothing.
    pub default: &'static str,
    /// One line for the manual.
    pub help: &'static str,
    /// Whether it does something here.
    pub effect: Effect,
}

/// Where an option belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `[Definition]` of `fail2ban.conf` and `sipjail.conf`.
    Main,
    /// `[Thread]` of the same files.
    Thread,
    /// A jail's section, or `[DEFAULT]` of the jails.
    Jail,
    /// `[Definition]` of a filter; in a jail it takes the filter's place.
    Filter,
    /// `[ami NAME]` of `sipjail.conf`: a manager interface.
    Ami,
    /// `[esl NAME]` of `sipjail.conf`: an event socket.
    Esl,
}

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// A length of time: `10m`, `1d12h`, seconds.
    Time,
    /// Arithmetic.
    Expression,
    /// Any text.
    Text,
    /// A path.
    Path,
    /// One word of these.
    Word(&'static [&'static str]),
    /// Several, between blanks or commas.
    List,
    /// Several, one per line.
    Lines,
    /// One regular expression per line.
    Regexes,
}

/// Whether an option does something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// As fail2ban does it.
    Full,
    /// Ours; fail2ban passes it over.
    Ours,
    /// fail2ban knows it, nothing follows from it here.
    None,
}

/// The option of that name at a place.
pub fn find(place: Place, name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.place == place && option.name == name)
}

/// What the value of an option is, by its name alone.
pub fn kind(name: &str) -> Option<Kind> {
    static KINDS: LazyLock<HashMap<&str, Kind, Quick>> =
        LazyLock::new(|| OPTIONS.iter().rev().map(|option| (option.name, option.kind)).collect());
    KINDS.get(name).copied()
}

/// What a jail's section may hold: its own options and those of a filter.
pub fn in_jail() -> impl Iterator<Item = &'static Opt> {
    OPTIONS.iter().filter(|option| matches!(option.place, Place::Jail | Place::Filter))
}

/// The words that `unwrap` takes.
pub const UNWRAP: [&str; Unwrap::WORDS.len()] = words(Unwrap::WORDS);

/// The words that `neighbours` takes.
pub const NEIGHBOURS: [&str; Neighbours::WORDS.len()] = words(Neighbours::WORDS);

/// The words that `countby` takes.
pub const COUNTBY: [&str; CountBy::WORDS.len()] = words(CountBy::WORDS);

const fn words<T, const N: usize>(table: &[(&'static str, T)]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut i = 0;
    while i < N {
        words[i] = table[i].0;
        i += 1;
    }
    words
}

const fn row(
    place: Place,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    effect: Effect,
    help: &'static str,
) -> Opt {
    Opt { name, place, kind, default, help, effect }
}

use Effect::{Full, None as Without, Ours};
use Kind::{Bool, Expression, Lines, List, Number, Path, Regexes, Text, Time, Word};
use Place::{Ami, Esl, Filter, Jail, Main, Thread};

/// Every option, by place, in the order of the manual.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    row(Main, "socket", Path, "/run/sipjail/sipjail.sock", Full, "where the daemon listens"),
    row(Main, "pidfile", Path, "/run/sipjail/sipjail.pid", Full, "where the daemon writes its process id"),
    row(Main, "dbfile", Path, "/var/lib/sipjail/sipjail.sqlite3", Full, "the database; `None` keeps nothing across restarts"),
    row(Main, "dbpurgeage", Time, "1d", Full, "how long a finished ban is remembered"),
    row(Main, "dbmaxmatches", Number, "10", Full, "matched lines kept per ban in the database"),
    row(Main, "loglevel", Word(&["CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"]), "INFO", Full, "what is written to the log"),
    row(Main, "logtarget", Text, "/var/log/sipjail.log", Full, "where the log goes: a path, STDOUT, STDERR, SYSOUT, SYSLOG, SYSTEMD-JOURNAL"),
    row(Main, "syslogsocket", Text, "auto", Full, "the socket for the target SYSLOG"),
    row(Main, "allowipv6", Word(&["auto", "yes", "no"]), "auto", Full, "whether a name in a log may mean IPv6 addresses; `auto` is yes"),
    row(Main, "asteriskdir", Path, "/etc/asterisk", Ours, "where Asterisk's files lie; the peers that they name are protected"),
    row(Main, "freeswitchdir", Path, "/etc/freeswitch", Ours, "where FreeSWITCH's files lie, likewise"),
    row(Thread, "stacksize", Number, "0", Without, "memory for each thread of fail2ban's"),

    row(Jail, "enabled", Word(&["true", "false", "auto"]), "false", Full, "whether the jail is on; `auto`: once one of its logs exists"),
    row(Jail, "filter", Text, "", Full, "what counts as a failure: `name[option=value]`"),
    row(Jail, "logpath", Lines, "", Full, "the logs, one path or glob per line, `tail` behind it to begin at the end"),
    row(Jail, "backend", Text, "auto", Full, "how the log is read: `auto`, or `systemd` for the journal; `systemd[journalpath=…]`, `journalfiles`, `namespace`, `journalflags`; `ami` or `esl` for a PBX's events in place of its log, `ami[name=NAME, logs=yes]`"),
    row(Jail, "logencoding", Text, "auto", Full, "the encoding of the log"),
    row(Jail, "logtimezone", Text, "", Full, "the zone of dates that name none: `UTC`, `+0200`; local time where unset"),
    row(Jail, "unwrap", Word(&UNWRAP), "none", Ours, "the wrapper that comes off each line first"),
    row(Jail, "logpath_first", Bool, "false", Ours, "whether only the first log of `logpath` that exists is read"),
    row(Jail, "logpath_also", Lines, "", Ours, "logs that are read beside that one, all that exist"),
    row(Jail, "dedupe", Bool, "false", Ours, "whether lines that tell of one event count once: those of one `<F-CALLID>`, and a NOTICE beside a SecurityEvent (`<F-EVENT>`) within 2 s; the same words (`<F-EVENT>`, `<F-REASON>`) are two events"),
    row(Jail, "subnet4", Number, "32", Ours, "leading bits of an IPv4 address that count and are banned together, 8 at least; 32: each address for itself"),
    row(Jail, "subnet6", Number, "128", Ours, "the same for IPv6, 16 at least; our own jails say 64, since one host owns as much. Where such a network holds an address that is never counted or banned, each of the others is counted for itself"),
    row(Jail, "countby", Word(&COUNTBY), "line", Ours, "what counts as a failure: each line, or each account (`<F-USER>`) from an address once every `samefailtime`; then a line without an account counts for nothing (`user`) or for itself (`user-or-line`)"),
    row(Jail, "samefailtime", Time, "1h", Ours, "how long a failing account is the same failure for `countby`"),
    row(Jail, "spread", Number, "0", Ours, "from so many addresses a number (`<F-NUMBER>`) is dialled within `spreadtime`, and all of them are banned; 0: never"),
    row(Jail, "spreadtime", Time, "1h", Ours, "the time within which they must dial it; the counter of each must run, so `findtime` ends it too"),
    row(Jail, "spreaddigits", Number, "9", Ours, "the last digits of a number that have to be the same, 18 at most; a shorter number (112, 911) is never spread"),
    row(Jail, "maxretry", Number, "3", Full, "failures within `findtime` that cause a ban"),
    row(Jail, "findtime", Time, "10m", Full, "the time within which failures count together"),
    row(Jail, "trusttime", Time, "", Ours, "how long an address is on trust after a login with a password (`trustregex`), counted from its last one; the jails of one daemon share what they know of logins. Where unset, nobody is on trust"),
    row(Jail, "trustmaxretry", Number, "50", Ours, "in place of `maxretry`, if that is not more, for an address on trust; a failure counts there only if its account (`<F-USER>`) has not failed from there within `trusttime` or `findtime`"),
    row(Jail, "outage", Number, "10", Ours, "when more accounts than this, each known to log in from its address, fail within 10 s, soon after the PBX was started or reloaded (`restartregex`), failures of such accounts do not count for 60 s; 0: they do"),
    row(Jail, "bantime", Time, "10m", Full, "how long a ban lasts; -1: until somebody lifts it"),
    row(Jail, "bantime.increment", Bool, "false", Full, "whether those who come back are banned for longer"),
    row(Jail, "bantime.factor", Expression, "1", Full, "`banFactor` in the formula; a factor on the multipliers"),
    row(Jail, "bantime.formula", Expression, super::Increment::DEFAULT_FORMULA, Full, "how long a repeated ban lasts"),
    row(Jail, "bantime.multipliers", List, "", Full, "instead of the formula: one number per earlier ban"),
    row(Jail, "bantime.maxtime", Time, "", Full, "the longest ban that increments lead to"),
    row(Jail, "bantime.rndtime", Time, "", Full, "a random part up to this is added to a repeated ban"),
    row(Jail, "bantime.overalljails", Bool, "false", Full, "whether bans in other jails count as earlier ones"),
    row(Jail, "maxmatches", Number, "5", Full, "matched lines kept per address"),
    row(Jail, "ignoreself", Bool, "true", Full, "whether this host's own addresses are never counted"),
    row(Jail, "ignoreip", List, "", Full, "who is never counted: addresses, networks, host names, `file:PATH`"),
    row(Jail, "protect", Bool, "false", Ours, "whether a ban never hits this host, its gateway and name servers, who is logged in by ssh, and the peers that the PBX's files name (`sipjail protected` lists them); such failures are counted, and a warning stands in for the ban. Our own jails say true"),
    row(Jail, "ignorecommand", Text, "", Full, "a command that says by exit code 0 who is not counted"),
    row(Jail, "ignorecache", Text, "", Full, "how long slow answers are kept: `key=\"<ip>\", max-count=100, max-time=5m`"),
    row(Jail, "action", Lines, "", Full, "what bans: `ipset`, or `name[option=value]` of a file in `action.d`"),
    row(Jail, "skip_if_nologs", Bool, "false", Without, "whether fail2ban leaves a jail without logs out"),
    row(Jail, "systemd_if_nologs", Bool, "true", Without, "whether fail2ban reads the journal where there is no log"),

    row(Filter, "usedns", Word(&["yes", "warn", "no", "raw"]), "warn", Full, "what is done with a host name in a log"),
    row(Filter, "prefregex", Regexes, "", Full, "what every line has to match first; its `<F-CONTENT>` goes on"),
    row(Filter, "failregex", Regexes, "", Full, "what a failure looks like, the first match decides"),
    row(Filter, "ignoreregex", Regexes, "", Full, "what is no failure although a failregex matches"),
    row(Filter, "eventregex", Regexes, "", Ours, "what a failure looks like among the events of `ami` and `esl`; where unset, `failregex` says it"),
    row(Filter, "trustregex", Regexes, "", Ours, "what a login with a password looks like, for jails with a `trusttime`; tried where no failregex matches"),
    row(Filter, "eventtrustregex", Regexes, "", Ours, "the same among the events of `ami` and `esl`, beside `eventregex`"),
    row(Filter, "restartregex", Regexes, "", Ours, "what the PBX writes when it is started or reloaded, for jails with a `trusttime`; needs no address"),
    row(Filter, "eventrestartregex", Regexes, "", Ours, "the same among the events of `ami` and `esl`, beside `eventregex`"),
    row(Filter, "maxlines", Number, "1", Full, "lines that are looked at together"),
    row(Filter, "datepattern", Lines, "", Full, "where and how the date is written; the usual forms where unset"),
    row(Filter, "neighbours", Word(&NEIGHBOURS), "none", Ours, "whether a line is believed only if it fits those before it: `freeswitch` for the file of mod_logfile, where a caller can break a record so that the rest looks like another one"),
    row(Filter, "recordregex", Regexes, "", Ours, "a record in which `<F-TEXT/>` is a sender's, line breaks too: its lines count as one; or `<F-BYTES>`: so many bytes that follow it are a sender's"),
    row(Filter, "recordroom", Number, "512", Ours, "bytes between the first and the last line of such a record at most"),
    row(Filter, "journalmatch", Lines, "", Full, "what to ask the journal for: `NAME=VALUE` matches as a shell splits them, `+` or a new line means or"),

    row(Ami, "host", Text, "127.0.0.1", Ours, "where Asterisk listens for managers: an address, or a name that is looked up before each connection"),
    row(Ami, "port", Number, "5038", Ours, "the port; 5039 where `tls` is true and nothing is said"),
    row(Ami, "username", Text, "", Ours, "the section of `manager.conf`; it needs `read = security` and nothing else"),
    row(Ami, "secret", Text, "", Ours, "its secret, taken as it stands; never shown. The file should be for root alone"),
    row(Ami, "secretfile", Path, "", Ours, "a file whose first line is the secret; refused where others than its owner may read it"),
    row(Ami, "secretenv", Text, "", Ours, "a variable of the daemon's environment that holds the secret"),
    row(Ami, "tls", Bool, "false", Ours, "whether to speak through TLS, for another host: `tlsenable` and `tlsbindaddr` of `manager.conf`"),
    row(Ami, "tlsca", Path, "/etc/ssl/certs/ca-certificates.crt", Ours, "a PEM file with the server's certificate, or with those of who may have signed it; with its own the name does not matter"),
    row(Esl, "host", Text, "127.0.0.1", Ours, "where FreeSWITCH's event socket listens, likewise"),
    row(Esl, "port", Number, "8021", Ours, "the port"),
    row(Esl, "password", Text, "", Ours, "the password of `event_socket.conf.xml`, taken as it stands; never shown"),
    row(Esl, "passwordfile", Path, "", Ours, "a file whose first line is the password; refused where others than its owner may read it"),
    row(Esl, "passwordenv", Text, "", Ours, "a variable of the daemon's environment that holds the password"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The two have sections of their own, with the same words where they mean the same.
    fn is_connection(place: Place) -> bool {
        matches!(place, Place::Ami | Place::Esl)
    }

    #[test]
    fn names_are_unique_and_lower_case() {
        for (at, option) in OPTIONS.iter().enumerate() {
            assert_eq!(option.name, option.name.to_lowercase());
            assert!(
                OPTIONS[..at].iter().all(|other| other.name != option.name || is_connection(other.place)),
                "{} stands twice",
                option.name
            );
        }
    }

    #[test]
    fn every_option_has_a_line_of_help() {
        for Opt { name, help, .. } in OPTIONS {
            assert!(!help.is_empty() && !help.contains('\n') && !help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn defaults_are_of_their_kind() {
        for Opt { name, kind, default, .. } in OPTIONS {
            let sound = match kind {
                Kind::Bool => ["true", "false"].contains(default),
                Kind::Number => default.parse::<u32>().is_ok(),
                Kind::Time => default.is_empty() || crate::time::Span::parse(default).is_ok(),
                Kind::Expression => crate::expr::Expr::parse(default).is_ok(),
                Kind::Word(words) => words.contains(default),
                _ => true,
            };
            assert!(sound, "{name}: `{default}`");
        }
    }

    #[test]
    fn the_daemons_defaults_are_those_of_the_code() {
        let main = super::super::Main::default();
        let default = |name| find(Place::Main, name).expect("it is there").default;
        assert_eq!(Some(default("socket")), main.socket.to_str());
        assert_eq!(Some(default("pidfile")), main.pidfile.to_str());
        assert_eq!(Some(default("dbfile")), main.dbfile.as_deref().and_then(|p| p.to_str()));
        assert_eq!(Some(default("asteriskdir")), main.asteriskdir.to_str());
        assert_eq!(Some(default("freeswitchdir")), main.freeswitchdir.to_str());
        assert_eq!(default("logtarget"), main.logtarget);
        assert_eq!(default("dbmaxmatches"), main.dbmaxmatches.to_string());
        assert_eq!(crate::time::Span::parse(default("dbpurgeage")), Ok(main.dbpurgeage));
    }
}
