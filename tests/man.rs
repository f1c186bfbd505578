//! The man pages are made from the command line's declaration, the table of options and the usage of fail2ban's programs;
//! they must not be stale.
//!
//! `UPDATE=1 cargo test --test man` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use sipjail::cli::Cli;
use sipjail::cli::fail2ban_client::usage;
use sipjail::config::options::{self, Place};

#[test]
fn the_man_page_says_what_the_program_does() {
    is_fresh("sipjail.8", &page());
}

#[test]
fn the_pages_of_fail2bans_programs_say_what_these_do() {
    is_fresh("compat/fail2ban-client.1", &face("fail2ban-client", "ask and steer the guard", &usage::client()));
    is_fresh("compat/fail2ban-server.1", &face("fail2ban-server", "the guard", &usage::server()));
}

fn is_fresh(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "man/{name} is stale: run `UPDATE=1 cargo test --test man`");
}

/// A program of fail2ban's that this one is: its usage, and where the rest stands.
fn face(name: &str, what: &str, usage: &str) -> String {
    let (synopsis, rest) = usage.split_once("\n\n").expect("the first line is the synopsis");
    let synopsis = roff(synopsis.trim_start_matches("Usage: "));
    let (about, rest) = rest.split_once("\n\n").expect("then it says what it is");
    // A page is not stale for a new version alone.
    let (about, rest) = (roff(&about.replace(&format!(" {}", env!("CARGO_PKG_VERSION")), "")), roff(rest));
    let name = roff(name);
    format!(
        ".TH {name} 1 \"\" \"sipjail\" \"sipjail\"\n.SH NAME\n{name} \\- {what}\n.SH SYNOPSIS\n{synopsis}\n\
         .SH DESCRIPTION\n{about}.\n.PP\n.nf\n{rest}\n.fi\n{FACES}"
    )
}

const FACES: &str = ".SH FILES
.TP
.B /etc/fail2ban
The configuration, in fail2ban's files.
.TP
.B /var/run/fail2ban/fail2ban.sock
Where the server listens.
.TP
.B /var/lib/fail2ban/fail2ban.sqlite3
Bans and their history.
.SH EXIT STATUS
0: done. 255: it could not be done, or what was typed cannot be meant.
.SH SEE ALSO
.BR sipjail (8)
";

fn page() -> String {
    let command = Cli::command().disable_help_flag(true).disable_version_flag(true);
    let mut out = Vec::new();
    let man = Man::new(command.clone()).section("8").manual("sipjail").date("").source("sipjail");
    man.render_title(&mut out).expect("memory takes it");
    man.render_name_section(&mut out).expect("memory takes it");
    man.render_synopsis_section(&mut out).expect("memory takes it");
    man.render_description_section(&mut out).expect("memory takes it");
    man.render_options_section(&mut out).expect("memory takes it");
    let mut page = String::from_utf8(out).expect("it is text");
    page += ".SH COMMANDS\n";
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let mut sub = sub.clone().disable_help_flag(true);
        let usage = sub.render_usage().to_string().replace("Usage: ", "").replace("\n       ", "\n");
        writeln!(page, ".SS \"{}\"", roff(&usage)).expect("a string takes it");
        writeln!(page, "{}.", roff(&sub.get_about().expect("each has help").to_string())).expect("a string takes it");
        for arg in sub.get_arguments() {
            let name = match (arg.get_long(), arg.get_value_names()) {
                (Some(long), None) => format!("\\-\\-{long}"),
                (Some(long), Some([value, ..])) if arg.get_action().takes_values() => format!("\\-\\-{long} {value}"),
                (Some(long), _) => format!("\\-\\-{long}"),
                (None, Some([value, ..])) => value.to_string(),
                (None, _) => arg.get_id().to_string().to_uppercase(),
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(page, ".TP\n.B {name}\n{}", roff(&help)).expect("a string takes it");
        }
    }
    page += &options_sections();
    page += TRUST;
    page += PROTECTED;
    page += EVENTS;
    page += FILES;
    page
}

fn options_sections() -> String {
    let mut out = String::from(".SH OPTIONS OF JAILS, FILTERS AND THE DAEMON\n");
    for option in options::OPTIONS {
        let default = if option.default.is_empty() { String::new() } else { format!(" Default: {}.", option.default) };
        let place = place(option.place);
        writeln!(out, ".TP\n.BR {} \" ({place})\"\n{}.{}", roff(option.name), roff(option.help), roff(&default))
            .expect("a string takes it");
    }
    out
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Main => "sipjail.conf",
        Place::Thread => "sipjail.conf, [Thread]",
        Place::Jail => "jail",
        Place::Filter => "filter",
        Place::Ami => "sipjail.conf, [ami NAME]",
        Place::Esl => "sipjail.conf, [esl NAME]",
    }
}

const TRUST: &str = ".SH TRUST
In a jail with a
.B trusttime
an address is on trust for so long after somebody logged in from there with a password, as the filter's
.B trustregex
finds in the log (or
.B eventtrustregex
among the events). Failures from there count up to
.BR trustmaxretry ,
and an account that failed there before does not count again: one phone with a stale secret takes no office down, and who
tries many accounts behind a good login is stopped all the same. A failure that names no account
.RB ( <F\\-USER> )
counts each time. An address that is banned all the same is on trust no more.
.PP
What is known of logins is shared by all jails of a daemon and kept over restarts; each jail's
.B trusttime
says how long it counts there. A network that is counted as one is on trust if an address inside is.
.B sipjail trusted
lists who is,
.B sipjail distrust
ends it until the next login. An account without a password is no login: but FreeSWITCH does not tell which those are.
.PP
Behind a start or reload of the PBX
.RB ( restartregex )
it may be the PBX that does not know its accounts. When within five minutes more than
.B outage
accounts fail within 10 s, each from an address where it has logged in before, that is said, and such accounts are not counted
for 60 s. What was not counted then is not counted later. Everything else is counted as always.
";

const PROTECTED: &str = ".SH WHO IS NEVER BANNED
With
.B protect = true
a ban that would hit one of these does not come about; that is a warning in the log, once an hour for each.
.B sipjail protected
lists them.
.IP \\(bu 2
this host's own addresses, its default gateway, and the name servers of resolv.conf (those that systemd\\-resolved asks too);
.IP \\(bu 2
who is logged in by ssh: utmp's entries and the sessions of systemd\\-logind. A connection to sshd alone tells nothing;
.IP \\(bu 2
in
.BR asteriskdir :
of pjsip.conf server_uri and outbound_proxy of registrations, static contacts of aors, match of identify sections,
outbound_proxy of endpoints; of pjsip_wizard.conf remote_hosts and outbound_proxy; of sip.conf and iax.conf host, register and
outboundproxy. What phones register, and what stands in a database, is not read, and
.B #exec
is not run;
.IP \\(bu 2
in
.B freeswitchdir
realm, proxy, register\\-proxy and outbound\\-proxy of the gateways in sip_profiles.
.PP
Networks count too, but none shorter than /8. All of this is looked at again every 30 seconds. Names are looked up at the start
and every five minutes (no resolver tells how long its answer holds), those of
.B ignoreip
too; until there is another answer, the last good one holds. No ban waits for a name: who is protected too late is let in
again. In a network that is banned as one
.RB ( subnet6 )
and holds somebody protected, each of the others is banned for itself. Whom somebody bans by hand all the same
.RB ( \"sipjail ban \\-\\-force\" )
stays banned.
";

const EVENTS: &str = ".SH EVENTS
With
.B backend = ami
a jail hears the security events of Asterisk's manager interface, with
.B backend = esl
registrations, logins, ends of unauthenticated calls and the log's records of FreeSWITCH's event socket, in place of a
log; with
.B ami[logs=yes]
it reads its
.B logpath
as well. The server stands in sipjail.conf as
.B [ami NAME]
or
.BR \"[esl NAME]\" ;
where there are several,
.B backend = ami[name=NAME]
says which. All jails that hear a server share one connection. It is asked each minute whether it is there, and connected
anew after pauses of 1 to 60 seconds;
.B sipjail status JAIL
says for how long it has been connected, and how many events came.
.PP
Each event is a line that
.B eventregex
(or, where a filter has none,
.BR failregex )
matches, without a date:
.PP
.nf
AMI InvalidPassword address=\"192.0.2.1\" port=\"5060\" transport=\"UDP\" Service=\"SIP\" AccountID=\"100\" …
AMI Broken address=\"192.0.2.1\" port=\"5060\" transport=\"UDP\"
AMI Connected
ESL sofia::register_failure address=\"192.0.2.1\" port=\"5060\" profile\\-name=\"internal\" … user\\-agent=\"x\"
ESL log file=\"sofia.c\" line=\"10679\" level=\"WARNING\" text=\"IP 192.0.2.1 Rejected by acl %22x%22\"
.fi
.PP
The interface, the event's name, and fields NAME=\"VALUE\" each after one blank, in an order that is always the same;
.B address
is an IP address, and what the server alone says. Of a value's bytes those from blank to ~ but for \" and % stand as they
are, each other one as % and two capital hex digits: no value looks like another field, whatever a caller wrote. A value
of more than 256 bytes (text: 1024) loses its middle, where a % stands alone. Challenges and hashes are left out.
.PP
.B Connected
has no fields: the server has let sipjail in. As connections are kept up, either of them was started.
.PP
Of AMI an event is believed only if its headers stand in Asterisk's order and none stands twice. Another one is broken:
it is counted, warned of once a minute at most, and handed on as
.B Broken
of its true sender. SuccessfulAuth is handed on only where a password was used.
";

const FILES: &str = ".SH FILES
.TP
.B /etc/sipjail/jail.local, /etc/sipjail/jail.d/*.conf
Jails, over the stock ones. A directory with a jail.conf decides alone.
.TP
.B /etc/sipjail/filter.d/*.conf
Filters; one that has a stock filter's name takes its place.
.TP
.B /etc/sipjail/sipjail.conf
The daemon's own settings.
.TP
.B /var/lib/sipjail/sipjail.sqlite3
Bans, their history, failure counters and log positions.
.TP
.B /var/log/sipjail.log
What was found, banned and lifted, in fail2ban's format.
.SH EXIT STATUS
0: done. 1: it could not be done, or `import` refused something. 2: what was typed cannot be meant.
.SH SEE ALSO
.BR ipset (8),
.BR iptables (8)
";

fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    text.lines()
        .map(|l| if l.starts_with('.') || l.starts_with('\'') { format!("\\&{l}") } else { l.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}
