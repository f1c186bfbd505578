//! What could be heard better here: logs that a caller can forge although the server has an event socket, security events
//! that are written nowhere, and events that a jail hears and does not understand. Advice is a note; nothing is wrong
//! without it.

use std::path::{Path, PathBuf};

use crate::config::{Config, JailSettings, Problem, Protocol, Severity};
use crate::daemon::prepare::Prepared;
use crate::line::Neighbours;

/// Where Asterisk says what it writes into which log.
pub const LOGGER: &str = "/etc/asterisk/logger.conf";

/// What is to be said of this host, whose `logger.conf` is this one.
pub fn advice(config: &Config, logger: &Path) -> Vec<Problem> {
    let reading = config.jails.iter().filter(|jail| {
        let knows = jail.filter.eventregex.iter().any(|line| !line.text.is_empty());
        knows && jail.events.is_none() && jail.journal.is_none() && !Prepared::logs(jail).is_empty()
    });
    let (forgeable, others): (Vec<_>, Vec<_>) = reading.partition(|jail| jail.neighbours == Neighbours::FreeSwitch);
    let deaf = others.into_iter().filter(|jail| speaks(jail, Protocol::Ami) && !reads_security(jail, logger)).collect();
    let freeswitch = (!config.servers.any(Protocol::Esl)).then(|| esl(forgeable)).flatten();
    let asterisk = (!config.servers.any(Protocol::Ami)).then(|| ami(deaf)).flatten();
    freeswitch.into_iter().chain(asterisk).chain(config.jails.iter().filter_map(speechless)).collect()
}

/// A jail that hears events of which its filter says nothing.
fn speechless(jail: &JailSettings) -> Option<Problem> {
    let events = jail.events.as_ref()?;
    let (filter, word) = (events.filter.as_ref().unwrap_or(&jail.filter), word(events.server.protocol));
    if filter.failregex.iter().any(|line| line.text.contains(&word)) {
        return None;
    }
    let message = format!("no expression of its filter says `{word}`, with which each event begins: it finds none");
    Some(Problem::new(Severity::Note, jail.origin.clone(), message).of_jail(&jail.name))
}

fn esl(jails: Vec<&JailSettings>) -> Option<Problem> {
    let message = format!("{} a log in which a caller can write lines of his choice", names(&jails)?);
    let hint = "nobody can forge what the event socket tells: write an `[esl pbx]` with `password` into sipjail.conf, and \
                `backend = esl` for these jails";
    Some(Problem::new(Severity::Note, jails[0].origin.clone(), message).hint(hint))
}

fn ami(jails: Vec<&JailSettings>) -> Option<Problem> {
    let message = format!("{} no SecurityEvents, which tell of tries that leave no other line", names(&jails)?);
    let hint = "write `security => security` into [logfiles] of logger.conf and say `asterisk -rx 'logger reload'`; or, \
                faster and never lost in a flood, an `[ami pbx]` into sipjail.conf and `backend = ami[logs=yes]`";
    Some(Problem::new(Severity::Note, jails[0].origin.clone(), message).hint(hint))
}

/// `` `a` and `b` read ``.
fn names(jails: &[&JailSettings]) -> Option<String> {
    let names: Vec<String> = jails.iter().map(|jail| format!("`{}`", jail.name)).collect();
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("{name} reads")),
        [most @ .., last] => Some(format!("{} and {last} read", most.join(", "))),
    }
}

/// Whether a jail's filter knows the events of such a server.
fn speaks(jail: &JailSettings, protocol: Protocol) -> bool {
    let word = word(protocol);
    jail.filter.eventregex.iter().any(|line| line.text.contains(&word))
}

/// How each of its events begins.
fn word(protocol: Protocol) -> String {
    protocol.word().to_uppercase() + " "
}

/// Whether SecurityEvents are written into a log that the jail reads: as `logger.conf` says, else as the name of a log
/// that exists says.
fn reads_security(jail: &JailSettings, logger: &Path) -> bool {
    let logs: Vec<PathBuf> = Prepared::logs(jail).into_iter().map(PathBuf::from).collect();
    match std::fs::read(logger) {
        Ok(text) => channels(&String::from_utf8_lossy(&text)).iter().any(|channel| logs.contains(channel)),
        Err(_) => logs.iter().any(|log| log.file_stem().is_some_and(|stem| stem == "security")),
    }
}

/// The files into which `logger.conf` has SecurityEvents written.
fn channels(text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            inside = line.starts_with("[logfiles]");
        }
        let Some((name, levels)) = line.split_once('=').filter(|_| inside) else { continue };
        // `security => [json]security,notice`
        let levels = levels.trim_start_matches('>').trim();
        let levels = levels.split_once(']').map_or(levels, |(_, levels)| levels);
        let mut levels = levels.split(',').map(str::trim);
        if levels.any(|level| level == "*" || level.eq_ignore_ascii_case("security")) {
            // An absolute name stays what it is.
            found.push(Path::new(DIRECTORY).join(name.trim()));
        }
    }
    found
}

/// Asterisk's `astlogdir`, as it is where nobody changed it.
const DIRECTORY: &str = "/var/log/asterisk";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// What is said of a directory's jails, with `LOGS` for that directory.
    fn said(jails: &str, sipjail: &str, logs: &[&str], logger: &str) -> Vec<Problem> {
        let dir = tempfile::tempdir().expect("a directory");
        let here = dir.path().display().to_string();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text.replace("LOGS", &here)).expect("a file");
        };
        write("jail.local", jails);
        write("sipjail.conf", sipjail);
        write("logger.conf", logger);
        logs.iter().for_each(|log| write(log, ""));
        let config = config::load(dir.path());
        assert!(!config.problems.iter().any(|problem| problem.severity == Severity::Error), "{:?}", config.problems);
        let logger = if logger.is_empty() { "nowhere" } else { "logger.conf" };
        advice(&config, &dir.path().join(logger))
    }

    const FREESWITCH: &str = "[freeswitch]\nlogpath = LOGS/fs.log\n[freeswitch-flood]\nlogpath = LOGS/fs.log\n[freeswitch-unknown]\nlogpath = LOGS/fs.log\n";
    const ASTERISK: &str = "[asterisk]\nlogpath = LOGS/messages\nlogpath_also = LOGS/security\n";

    #[test]
    fn a_log_that_can_be_forged_is_said() {
        let found = said(FREESWITCH, "", &["fs.log"], "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::Note);
        let message = "`freeswitch` and `freeswitch-flood` read a log in which a caller can write lines of his choice";
        assert_eq!(found[0].message, message);
        assert!(found[0].hint.as_ref().is_some_and(|hint| hint.contains("`backend = esl`")));
        assert_eq!(said(FREESWITCH, "", &[], ""), [], "the log is not there");
        assert_eq!(said(FREESWITCH, "[esl pbx]\npassword = x\nhost = 127.0.0.1\n", &["fs.log"], "").len(), 0);
    }

    #[test]
    fn security_events_that_nobody_reads_are_said() {
        let found = said(ASTERISK, "", &["messages"], "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.starts_with("`asterisk` reads no SecurityEvents"), "{found:?}");
        assert_eq!(said(ASTERISK, "", &["messages", "security"], ""), []);
        // What is written counts, not what is left from earlier.
        let off = "[logfiles]\nmessages => notice,warning\n;security => security\n[general]\nsecurity = security\n";
        assert_eq!(said(ASTERISK, "", &["messages", "security"], off).len(), 1);
        let on = "[logfiles]\nLOGS/security => [json]notice, security ; all\n";
        assert_eq!(said(ASTERISK, "", &["messages", "security"], on), []);
        assert_eq!(said(ASTERISK, "[ami pbx]\nusername = x\nsecret = x\n", &["messages"], "").len(), 0);
    }

    #[test]
    fn a_jail_that_does_not_understand_what_it_hears_is_said() {
        let hear = "[ami pbx]\nusername = x\nsecret = x\n[esl pbx]\npassword = x\n";
        let both = "[asterisk]\nbackend = ami\n[sip-mgmt]\nbackend = ami[logs=yes]\n[freeswitch-mgmt]\nbackend = esl\n\
                    [freeswitch-unknown]\nbackend = esl\n";
        let found = said(both, hear, &[], "");
        let jails: Vec<_> = found.iter().map(|problem| problem.jail.as_deref()).collect();
        assert_eq!(jails, [Some("freeswitch-unknown"), Some("sip-mgmt")], "{found:?}");
    }

    #[test]
    fn channels_are_read_as_asterisk_reads_them() {
        let text = "[general]\nx=security\n[logfiles] ; here\nsecurity.log => security\nfull=*\nmessages => notice\n\
                    syslog.local0 => notice,SECURITY\n/x/y => [plain]security\n";
        let found: Vec<_> = channels(text).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(
            found,
            ["/var/log/asterisk/security.log", "/var/log/asterisk/full", "/var/log/asterisk/syslog.local0", "/x/y"]
        );
    }
}
