//! The binary called as `fail2ban-regex`, beside the installed original: the same words, stdout byte for byte and the
//! exit code. What differs stands in [`DIFFERS`] with the reason; a difference that is gone fails the test as well.
#![expect(clippy::disallowed_methods, reason = "tests run programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

/// Each invocation by its name; `CONF` is a directory with the filters of [`world`].
const CASES: &[(&str, &[&str])] = &[
    // Files and lines.
    ("file", &["log", "bad <HOST>"]),
    ("file with ignoreregex", &["log", "bad <HOST>", r"2\.1$"]),
    ("file without hits", &["log", "worse <HOST>"]),
    ("empty file", &["empty", "bad <HOST>"]),
    ("no newline at the end", &["unfinished", "bad <HOST>"]),
    ("blanks and carriage returns", &["blanks", "bad <HOST>"]),
    ("blanks, matched", &["--print-all-matched", "blanks", r"bad\s<HOST>"]),
    ("bytes that are no text", &["bytes", "bad <HOST>"]),
    ("bytes, missed", &["bytes", "worse <HOST>"]),
    ("a single line", &["2026-11-20 10:00:01 pbx bad 192.0.2.1", "bad <HOST>"]),
    ("a single long line", &[LONG, "^[a-z, -]+ <HOST>$"]),
    ("three lines", &["bad 192.0.2.1\nbad 192.0.2.2\n\n# bad\ngood", "bad <HOST>"]),
    ("many lines", &["a\nb\nc\nd\ne\nf\nbad 192.0.2.1", "bad <HOST>"]),
    ("an empty line", &["", "bad <HOST>"]),
    ("a comment", &["# bad 192.0.2.1", "bad <HOST>"]),
    ("a missing file is a line", &["/nonexistent/log", "bad <HOST>"]),
    ("a directory is a line", &["/", "bad <HOST>"]),
    // Filters.
    ("a filter by name", &["-c", "CONF", "log", "plain"]),
    ("a filter by file name", &["-c", "CONF", "log", "plain.conf"]),
    ("a filter by path", &["log", "CONF/filter.d/plain.conf"]),
    ("a filter elsewhere", &["log", "./own.conf"]),
    ("a filter elsewhere with options", &["log", "./own.conf[word=good]"]),
    ("a filter with options", &["-c", "CONF", "log", "plain[word=\"go'od\", x='a\\b']"]),
    ("a filter with an ignoreregex more", &["-c", "CONF", "log", "several", "192"]),
    ("several regexes", &["-c", "CONF", "log", "several"]),
    ("several regexes, verbose", &["-c", "CONF", "-v", "dated", "several"]),
    ("only the first regex", &["-c", "CONF", "--no-check-all", "log", "several"]),
    ("only the first regex, verbose", &["-c", "CONF", "--no-check-all", "-v", "dated", "several"]),
    ("a filter that says maxlines and datepattern", &["-c", "CONF", "log", "full"]),
    ("the same with options over them", &["-c", "CONF", "-L", "5", "-d", "^%Y", "log", "full"]),
    ("an unknown filter", &["-c", "CONF", "log", "nosuch"]),
    ("an unknown filter with options", &["-c", "CONF", "log", "nosuch[a=b]"]),
    ("an unknown path", &["-c", "CONF", "log", "/nonexistent/x.conf"]),
    ("sshd", &["session", "sshd"]),
    ("sshd, aggressive, verbose", &["-v", "session", "sshd[mode=aggressive]"]),
    ("sshd, all lists", &["--print-all-matched", "--print-all-ignored", "session", "sshd[mode=aggressive]"]),
    ("asterisk", &["asterisk", "asterisk"]),
    ("asterisk, verbose, all matched", &["-v", "--print-all-matched", "asterisk", "asterisk"]),
    ("recidive", &["recidive", "recidive[_jailname=other]"]),
    ("postfix", &["log", "postfix[mode=more]"]),
    // Dates.
    ("a datepattern", &["-d", "%Y-%m-%d %H:%M:%S", "log", "bad <HOST>"]),
    ("a datepattern with doubled signs", &["-d", "%%Y-%%m-%%d", "log", "bad <HOST>"]),
    ("a datepattern of two lines", &["-d", "{^LN-BEG}%Y-%m-%d\nEPOCH", "log", "bad <HOST>"]),
    ("the default detectors behind a prefix", &["-d", "{^LN-BEG}", "log", "bad <HOST>"]),
    ("no datepattern", &["-d", "", "log", "bad <HOST>"]),
    ("no date wanted", &["-d", "{NONE}", "log", "bad <HOST>"]),
    ("a datepattern that finds nothing", &["-d", "nothing", "log", "bad <HOST>"]),
    ("a time zone", &["--timezone", "CET", "-v", "dated", "bad <HOST>"]),
    ("a time zone by the other name", &["--TZ=+0530", "-v", "dated", "bad <HOST>"]),
    ("many formats", &["-v", "formats", "bad <HOST>"]),
    ("years that are too old or too new", &["years", "bad <HOST>"]),
    ("template details", &["-v", "--VD", "dated", "bad <HOST>"]),
    ("template details of one", &["-v", "--VD", "-d", "%Y-%m-%d %H:%M:%S", "dated", "bad <HOST>"]),
    ("template details of many", &["--verbose-date", "-v", "formats", "bad <HOST>"]),
    ("template details not verbose", &["--VD", "dated", "bad <HOST>"]),
    ("a level of verbosity", &["--verbosity", "2", "dated", "bad <HOST>"]),
    // Names.
    ("a name, raw", &["-r", "-v", "-d", "^%Y", "2026 bad pbx.example.com", "bad <HOST>"]),
    ("a name, usedns raw", &["--usedns", "raw", "bad pbx.example.com", "bad <HOST>"]),
    ("a name, usedns no", &["--usedns", "no", "bad pbx.example.com", "bad <HOST>"]),
    ("a name in DNS, usedns no", &["--usedns", "no", "bad pbx.example.com", "bad <DNS>"]),
    ("a name, usedns nonsense", &["--usedns", "perhaps", "bad pbx.example.com", "bad <HOST>"]),
    ("a name that has no address", &["--usedns", "yes", "bad nosuch.invalid", "bad <HOST>"]),
    ("a name that has one", &["--usedns", "yes", "-o", "id", "bad localhost", "bad <HOST>"]),
    ("a name by default", &["bad nosuch.invalid", "bad <HOST>"]),
    // Several lines.
    ("a window", &["-c", "CONF", "window", "window"]),
    ("a window, all matched", &["-c", "CONF", "--print-all-matched", "window", "window"]),
    ("a window of one's own", &["-L", "3", "window", r"^ A (?P<n>\d+)<SKIPLINES> B (?P=n) <HOST>$"]),
    ("lines of a window as failures", &["-c", "CONF", "-o", "msg", "window", "window"]),
    ("lines of a session", &["-o", "msg", "session", "sshd[mode=aggressive]"]),
    // Lists.
    ("nineteen missed lines", &["19", "bad <HOST>"]),
    ("twenty missed lines", &["20", "bad <HOST>"]),
    ("all missed lines", &["--print-all-missed", "20", "bad <HOST>"]),
    ("no missed lines", &["--print-no-missed", "20", "bad <HOST>"]),
    ("more lines by maxlines", &["-L", "30", "20", "bad <HOST>"]),
    ("fewer lines by maxlines", &["-L", "4", "20", "bad <HOST>"]),
    ("many ignored lines", &["20", "line <HOST>", "line"]),
    ("all ignored lines", &["--print-all-ignored", "20", r"line (?P<fid>\d+)", "line"]),
    ("no ignored lines", &["--print-no-ignored", "log", "bad <HOST>", "bad"]),
    ("all matched lines", &["--print-all-matched", "log", "bad <HOST>"]),
    ("links", &["-D", "log", "bad <HOST>", r"2\.1$"]),
    ("links of all", &["-c", "CONF", "-D", "--print-all-matched", "log", "several"]),
    // Forms.
    ("-o id", &["-o", "id", "log", "bad <HOST>"]),
    ("-o fid", &["-o", "fid", "x id=A from 192.0.2.7", "id=<F-ID>A</F-ID> from <ADDR>"]),
    ("-o ip", &["-o", "ip", "x id=A from 192.0.2.7", "id=<F-ID>A</F-ID> from <ADDR>"]),
    ("-o msg", &["--out=msg", "log", "bad <HOST>"]),
    ("-o msg with bytes", &["-o", "msg", "bytes", "bad <HOST>"]),
    ("-o row", &["-o", "row", "log", "bad <HOST>"]),
    ("-o row with quotes", &["-o", "row", "users", "^ bad <HOST> as <F-USER>.*</F-USER>$"]),
    ("-o row with an id", &["-o", "row", ID, r"id=<F-ID>A</F-ID> from <ADDR>(?P<opt>!)? <F-PORT>\d+</F-PORT>"]),
    (
        "-o row with an alternate",
        &["-o", "row", "bad 192.0.2.1", r"<F-ALT_USER>b(?P<alt_user_1>\w)d</F-ALT_USER> <HOST>"],
    ),
    ("-o row of a network", &["-o", "row", "bad 192.0.2.0/24", "bad <SUBNET>"]),
    ("-o row of a mapped address", &["-o", "row", "bad ::ffff:192.0.2.1", "bad <HOST>"]),
    ("-o row of sessions", &["-o", "row", "one-user", "sshd[mode=aggressive]"]),
    ("-o row, several regexes", &["-c", "CONF", "-o", "row", "log", "several"]),
    ("-o user", &["-o", "user", "users", "^ bad <HOST> as <F-USER>.*</F-USER>$"]),
    ("-o ip6", &["-o", "ip6", "users", "^ bad <HOST> as <F-USER>.*</F-USER>$"]),
    ("-o of nothing", &["-o", "host", "log", "bad <HOST>"]),
    ("-o users", &["-o", "users", "one-user", "sshd[mode=aggressive]"]),
    ("-o matches", &["-o", "matches", "log", "bad <HOST>"]),
    ("-o template", &["-o", "<ip> <F-USER>|<fid>|<family>|<ip-rev>|<ip-host>|<restored>", "users", USER]),
    ("-o template with lines", &["-o", "<msg>!<matches>!<ip>", "log", "bad <HOST>"]),
    ("-o template with time", &["-o", "<time> <failures> <bancount>", "dated", "bad <HOST>"]),
    ("-o template with blanks", &["-o", "a<br>b<sp>c <unknown> <F-NONE>.<F-IP4> <jail.name>", "log", "bad <HOST>"]),
    ("-o template of a session", &["-o", "<F-USER>,<F-MLFID>,<fid>,<matches>", "one-user", "sshd[mode=aggressive]"]),
    ("-o template with bantime", &["-o", "<bantime>", "log", "bad <HOST>"]),
    ("-o of nobody", &["-o", "id", "log", "worse <HOST>"]),
    ("-o with a bad regex", &["-o", "id", "log", "no host"]),
    // Corners.
    ("an empty form", &["-o", "", "log", "bad <HOST>"]),
    ("a maxlines of none", &["-L", "0", "-c", "CONF", "log", "full"]),
    ("a newline behind the line", &["bad 192.0.2.1\n", "bad <HOST>"]),
    ("a carriage return in the line", &["bad 192.0.2.1\r\nbad 192.0.2.2\r", "bad <HOST>$"]),
    ("a line that is not ASCII", &["\u{fc}\u{20ac}\u{1f600} bad 192.0.2.1", "^\u{fc}\\S+ bad <HOST>"]),
    ("a long line that is not ASCII", &[WIDE, "^\u{fc}+ bad <HOST>"]),
    ("a regex with a newline behind it", &["log", "bad <HOST>\n"]),
    ("a regex with blanks around it", &["log", "  bad <HOST> "]),
    ("a regex of blanks", &["log", "  "]),
    ("a regex with flags", &["log", "(?i)BAD <HOST>"]),
    ("a regex with a percent sign", &["bad 100% 192.0.2.1", "bad \\d+% <HOST>"]),
    ("a regex that looks like a path", &["-c", "CONF", "log", "./log"]),
    ("a regex with look-around and a back-reference", &["log", r"(?<!x)b(?P<x>a)d(?! good) <HOST>(?:(?P=x)|\s*)$"]),
    ("a regex that fails late", &["log", r"^ pbx bad <HOST>\s\s+$"]),
    ("an ignoreregex that never matches, verbose", &["-v", "dated", "bad <HOST>", "nothing"]),
    ("an ignoreregex that matches, verbose", &["-v", "dated", "bad <HOST>", r"2\.\d$"]),
    ("an ignoreregex of two lines", &["log", "bad <HOST>", "x\nbad"]),
    ("an ignoreregex tried first", &["-c", "CONF", "-v", "session", "sshd", "Accepted"]),
    ("very verbose", &["-vvvv", "dated", "bad <HOST>"]),
    ("verbose by name", &["--verbose", "dated", "bad <HOST>"]),
    ("a window, verbose", &["-v", "-c", "CONF", "window", "window"]),
    ("a window, rows", &["-o", "row", "-c", "CONF", "window", "window"]),
    ("a window with the default filter", &["-L", "2", "log", r"bad <HOST>\s*$"]),
    ("a window with an ignoreregex", &["-c", "CONF", "window", "window", "A 7"]),
    ("a window over its end", &["-L", "2", "window", r"^ A (?P<n>\d+)<SKIPLINES> B (?P=n) <HOST>$"]),
    ("an encoding said", &["-e", "utf-8", "bytes", "bad <HOST>"]),
    ("ASCII said", &["-e", "ascii", "plain-text", "bad <HOST>"]),
    ("a prefregex with an optional group", &["-c", "CONF", "-v", "dated", "optional"]),
    ("a prefregex without content", &["-c", "CONF", "log", "contentless"]),
    ("a session that nobody is known of", &["-c", "CONF", "-v", "nobody", "session-of-nobody"]),
    ("a session that nobody is known of, rows", &["-c", "CONF", "-o", "row", "nobody", "session-of-nobody"]),
    ("a session that nobody is known of, ids", &["-c", "CONF", "-o", "id", "nobody", "session-of-nobody"]),
    ("dates that are none", &["odd-dates", "bad <HOST>"]),
    ("dates that are none, rows", &["-o", "row", "odd-dates", "bad <HOST>"]),
    ("a date in brackets", &["-d", r"^\[%d/%b/%Y:%H:%M:%S %z\]", "-o", "row", WEB, "bad <HOST>"]),
    ("a date anywhere", &["-d", "%d/%b/%Y:%H:%M:%S %z", "-v", WEB, "bad <HOST>"]),
    ("a date of a template", &["-d", "^x {DATE}", "-o", "row", "x 2026-11-20 10:00:01 bad 192.0.2.1", "^ bad <HOST>"]),
    ("a date with a zone", &["-o", "<time> <ip>", "formats", "bad <HOST>"]),
    ("an epoch", &["-d", "EPOCH", "-o", "row", "1795168803.25 bad 192.0.2.1", "bad <HOST>"]),
    ("a long epoch", &["-d", "LEPOCH", "-o", "row", "1795168803250 bad 192.0.2.1", "bad <HOST>"]),
    ("TAI", &["-d", "TAI64N", "-o", "row", "@4000000069a40f200dd1f0f4 bad 192.0.2.1", "bad <HOST>"]),
    ("a zone by name and number", &["--timezone", "UTC+0200", "-o", "row", "dated", "bad <HOST>"]),
    ("an address of version 6", &["-o", "<ip> <ip-rev> <family>", "bad [2001:db8::1]", "bad <HOST>"]),
    ("a raw id", &["-o", "<ip>|<fid>|<family>|<ip-rev>", "id=a-b", "id=<F-ID>\\S+</F-ID>"]),
    ("a network", &["-o", "<ip> <fid>", "bad 192.0.2.0/24", "bad <SUBNET>"]),
    ("tags beside text", &["-o", "{<ip>} <<ip>> <ip >< F-USER> </ip> <IP>", "log", "bad <HOST>"]),
    ("tags of groups in other letters", &["-o", "<F-User>.<F-USER>.<F-ip4>.<F-IP6>", "users", USER]),
    ("options behind the words", &["log", "bad <HOST>", "-o", "id"]),
    ("options behind a double dash", &["-o", "id", "--", "log", "bad <HOST>"]),
    ("an option given twice", &["-o", "row", "-o", "id", "log", "bad <HOST>"]),
    ("an option without its value", &["log", "bad <HOST>", "-o"]),
    ("a value for a switch", &["--raw=yes", "log", "bad <HOST>"]),
    ("a doubtful option", &["--print-no", "log", "bad <HOST>"]),
    ("switches together", &["-rv", "dated", "bad <HOST>"]),
    ("a value behind its letter", &["-oid", "log", "bad <HOST>"]),
    ("a bad level of verbosity", &["--verbosity", "x", "log", "bad <HOST>"]),
    ("a level of the log as a number", &["-l", "5", "nothing", "bad <HOST>"]),
    ("an empty time zone", &["--timezone", "", "log", "bad <HOST>"]),
    ("a time zone that says nothing", &["--timezone=Europe/Madrid", "log", "bad <HOST>"]),
    // What is wrong.
    ("no words", &[]),
    ("one word", &["log"]),
    ("four words", &["log", "bad <HOST>", "x", "y"]),
    ("an unknown option", &["--nonsense", "log", "bad <HOST>"]),
    ("no number", &["-L", "x", "log", "bad <HOST>"]),
    ("a negative number", &["-L", "-1", "log", "bad <HOST>"]),
    ("contradicting options", &["--print-no-missed", "--print-all-missed", "log", "bad <HOST>"]),
    ("a bad regex", &["log", "bad (<HOST>"]),
    ("a regex that names nobody", &["log", "bad"]),
    ("an empty regex", &["log", ""]),
    ("a regex of two lines", &["log", "a<HOST>\nb<ADDR>"]),
    ("a bad ignoreregex", &["log", "bad <HOST>", "("]),
    ("an empty ignoreregex", &["log", "bad <HOST>", ""]),
    ("a bad regex in a filter", &["-c", "CONF", "log", "nobody"]),
    ("a bad ignoreregex in a filter", &["-c", "CONF", "-L", "5", "log", "unclosed"]),
    ("a bad datepattern", &["-d", "%Y(", "log", "bad <HOST>"]),
    ("a datepattern with an unknown directive", &["-d", "%q", "log", "bad <HOST>"]),
    ("a bad time zone", &["--timezone", "Mars", "log", "bad <HOST>"]),
    ("bad options of a filter", &["-c", "CONF", "log", "plain[a=b, c=\"d\"e\"]"]),
    ("an unresolved variable", &["-c", "CONF", "log", "unresolved"]),
    ("a bad encoding", &["-e", "klingon", "log", "bad <HOST>"]),
    ("a bad log level", &["-l", "loud", "log", "bad <HOST>"]),
    ("an encoding", &["-e", "latin-1", "latin", "bad <HOST>"]),
    ("an encoding with controls", &["-e", "latin-1", "bytes", "bad <HOST>"]),
    ("a wide encoding", &["-e", "utf-16le", "wide", "bad <HOST>"]),
    ("the journal where it cannot be read", &["systemd-journal", "bad <HOST>"]),
    ("the journal with matches", &["-m", "_COMM=x", "systemd-journal[journalflags=1]", "bad <HOST>"]),
    ("the version", &["--version"]),
    ("the short version", &["-V"]),
    ("help", &["--help"]),
    ("accepted options", &["-t", "--full-traceback", "-l", "critical", "log", "bad <HOST>"]),
    ("shortened options", &["--print-no-m", "--verb=0", "log", "bad <HOST>"]),
    ("a log level that says something", &["-l", "info", "log", "bad <HOST>"]),
    ("what is no failure", &["-i", "-o", "msg", "log", "bad <HOST>"]),
    ("an address that is none", &["-o", "id", "bad 999.0.2.1", "bad <HOST>"]),
    ("filter.d before the name", &["-c", "CONF", "log", "filter.d/plain"]),
];

const LONG: &str = "a very long line indeed, that goes on and on, longer than what is shown above 192.0.2.1";
const ID: &str = "2026-11-20 10:00:01.5 x id=A from 192.0.2.7 99";
const USER: &str = "^ bad <HOST> as <F-USER>.*</F-USER>$";

const WIDE: &str = "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\
                    \u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc} bad 192.0.2.1";
const WEB: &str = "[20/Nov/2026:10:00:01 +0100] bad 192.0.2.1";

/// Logs of attacked servers.
const FIXTURES: &[(&str, &str)] = &[
    ("asterisk-16", "full"),
    ("asterisk-16", "messages"),
    ("asterisk-22", "full"),
    ("asterisk-22", "messages"),
    ("freeswitch-1.10.12", "freeswitch.log"),
    ("freeswitch-1.10.12", "injection.log"),
    ("hostile-asterisk-16", "logs-messages.log"),
    ("hostile-asterisk-16", "logs-security.log"),
    ("hostile-asterisk-22", "logs3-messages.log"),
    ("hostile-asterisk-22", "logs3-security.log"),
];

/// What differs on purpose, and why.
const DIFFERS: &[(&str, &str)] = &[
    (
        "a filter with an ignoreregex more",
        "1.0.2 adds it to the filter's own and crashes; 1.1 and we put it in their place",
    ),
    (
        "a name by default",
        "names are looked up only where --usedns says yes or warn: a log must not make us ask a sender's server",
    ),
    ("template details", "the expression for an epoch says the same in other words"),
    ("template details of many", "the expression for an epoch says the same in other words"),
    ("-o matches", "there it shows inner pieces of a line, here the line"),
    ("-o template with bantime", "there is no jail to ask: it crashes there, here the tag stays"),
    ("no words", "help in our words"),
    ("one word", "help in our words"),
    ("four words", "help in our words"),
    ("contradicting options", "help in our words"),
    ("help", "help in our words"),
    ("the version", "it says who it is"),
    ("a window with an ignoreregex", "there lines of a match that is ignored count as matched"),
    ("a regex that looks like a path", "the reason is our parser's"),
    ("a level of the log as a number", "there is no log here"),
    ("a bad regex", "the reason is our parser's"),
    ("a bad ignoreregex", "the reason is our parser's"),
    ("a regex of two lines", "the reason is our parser's"),
    ("a bad ignoreregex in a filter", "the reason is our parser's"),
    ("a bad datepattern", "refused when it is read, there when the first line comes"),
    ("a datepattern with an unknown directive", "the reason is our parser's"),
    ("bad options of a filter", "the reason is our parser's"),
    ("a log level that says something", "there is no log here"),
    ("what is no failure", "an option of 1.1"),
    ("filter.d before the name", "a form of 1.1"),
];

/// Default templates of 1.1, which are ours, where 1.0.2 has others.
const NEWER: [(&str, &str); 2] = [
    (
        "ExYearExMonthExDay(?:T|  ?)Ex24hourExMinuteExSecond",
        "ExYearExMonthExDay(?:-|T|  ?)Ex24hour:?ExMinute:?ExSecond",
    ),
    ("%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS", "%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS"),
];

fn world() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let write = |name: &str, text: &[u8]| fs::write(dir.path().join(name), text).expect("written");
    let log = "2026-11-20 10:00:01 pbx bad 192.0.2.1\n2026-11-20 10:00:02 pbx bad 192.0.2.2\nundated bad 192.0.2.3\n\
               # a comment\n\n2026-11-20 10:00:04 pbx good\n2026-11-20 10:00:05.25 pbx bad 2001:db8::1 \n";
    write("log", log.as_bytes());
    write("dated", log.replace("undated", "2026-11-20 10:00:03").as_bytes());
    write("latin", b"m\xfcller bad 192.0.2.1\nm\xfcller good\n");
    let wide = "2026-11-20 10:00:01 bad 192.0.2.1\ngood \u{fc}\nbad 192.0.2.2\n";
    write("wide", &wide.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    write("empty", b"");
    write("unfinished", b"2026-11-20 10:00:01 bad 192.0.2.1\n2026-11-20 10:00:02 bad 192.0.2.2");
    write("blanks", b"  \n\n \t bad 192.0.2.1  \r\nbad\t192.0.2.2 \n\r\n \r\n");
    write("bytes", b"x \xff\xfe\xc3 bad 192.0.2.9 \x1b[31m \xe2\x82\n\xc3\xa9 bad 192.0.2.8\n\x00\xed\xa0\x80 x\x85\n");
    let formats = "Nov 20 10:00:01 bad 192.0.2.1\n20/Nov/2026:10:00:02 +0100 bad 192.0.2.2\n1795168803 bad 192.0.2.3\n\
                   [2026-11-20 10:00:04] bad 192.0.2.4\nNov 20 10:00:05 bad 192.0.2.5\nx 2026-11-20T10:00:06Z bad 192.0.2.6\n\
                   20261120 100007 bad 192.0.2.7\n2026-11-20 10:00:08,123 bad 192.0.2.8\n";
    write("formats", formats.as_bytes());
    let years: String = [1999, 2000, 2004, 2005, 2015, 2026, 2029, 2036, 2037, 2100]
        .iter()
        .map(|year| format!("{year}-11-20 10:00:01 bad 192.0.2.1\n"))
        .collect();
    write("years", years.as_bytes());
    let users = "2026-11-20 10:00:01 bad 192.0.2.1 as bo'b\n2026-11-20 10:00:02 bad 2001:db8::1 as \"x' \\ \ty\n\
                 2026-11-20 10:00:03 bad 192.0.2.3 as \u{fc}\u{a0}\u{200e}\u{1b}\n2026-11-20 10:00:04 bad 192.0.2.4 as \n";
    write("users", users.as_bytes());
    let session = "Nov 20 10:00:01 h sshd[1]: Connection from 192.0.2.1 port 22 on 192.0.2.9 port 22\n\
                   Nov 20 10:00:02 h sshd[1]: Failed password for bob from 192.0.2.1 port 22 ssh2\n\
                   Nov 20 10:00:03 h sshd[1]: Failed password for invalid user eve from 192.0.2.1 port 22 ssh2\n\
                   Nov 20 10:00:04 h sshd[1]: Connection closed by 192.0.2.1 port 22 [preauth]\n\
                   Nov 20 10:00:05 h sshd[2]: Accepted password for bob from 192.0.2.2 port 22 ssh2\n\
                   Nov 20 10:00:06 h sshd[3]: Invalid user eve from 192.0.2.3 port 5\n\
                   Nov 20 10:00:07 h cron[9]: nothing\n";
    write("session", session.as_bytes());
    write("one-user", session.replace("eve", "bob").as_bytes());
    let asterisk = "[2026-11-20 10:00:01] NOTICE[1638] chan_sip.c: Registration from '\"1\" <sip:1@h>' failed for \
                    '192.0.2.1:5060' - Wrong password\n[2026-11-20 10:00:02] NOTICE[1638] chan_sip.c: Peer ok\n\
                    [2026-11-20 10:00:03] SECURITY[1] res_security_log.c: SecurityEvent=\"InvalidAccountID\",\
                    EventTV=\"1\",Severity=\"Error\",Service=\"SIP\",EventVersion=\"1\",AccountID=\"9\",SessionID=\"0x1\",\
                    LocalAddress=\"IPV4/UDP/192.0.2.9/5060\",RemoteAddress=\"IPV4/UDP/192.0.2.2/5060\"\n";
    write("asterisk", asterisk.as_bytes());
    let recidive = "2026-11-20 10:00:01,123 fail2ban.actions [1]: NOTICE  [asterisk] Ban 192.0.2.1\n\
                    2026-11-20 10:00:02,123 fail2ban.actions [1]: NOTICE  [other] Ban 192.0.2.2\n";
    write("recidive", recidive.as_bytes());
    let window = "2026-11-20 10:00:01 A 7\n2026-11-20 10:00:01 A 8\n2026-11-20 10:00:02 B 7 192.0.2.7\n\
                  2026-11-20 10:00:02 x\n2026-11-20 10:00:03 B 8 192.0.2.8\n2026-11-20 10:00:04 B 9 192.0.2.9\n";
    write("window", window.as_bytes());
    let many = |n: usize| (1..=n).map(|i| format!("line {i}\n")).collect::<String>();
    write("plain-text", b"bad 192.0.2.1\nfine\n");
    write("nobody", b"2026-11-20 10:00:01 [1] fail\n2026-11-20 10:00:02 [2] fail bob\n2026-11-20 10:00:03 [1] ip 192.0.2.1\n\
                      2026-11-20 10:00:04 [3] ip 192.0.2.3\n2026-11-20 10:00:05 [3] fail eve\n2026-11-20 10:00:06 [3] fail\n");
    let odd = "2026-02-30 10:00:01 bad 192.0.2.1\n2026-11-20 23:59:60 bad 192.0.2.2\n2026-11-20 10:00:61 bad 192.0.2.3\n\
               2024-02-29 10:00:04 bad 192.0.2.4\n2026-11-20 25:00:05 bad 192.0.2.5\n2026-13-20 10:00:06 bad 192.0.2.6\n";
    write("odd-dates", odd.as_bytes());
    write("19", many(19).as_bytes());
    write("20", many(20).as_bytes());
    let plain = "[Definition]\nfailregex = ^ pbx <word> <HOST>\\s*$\n[Init]\nword = bad\n";
    write("own.conf", plain.as_bytes());
    fs::create_dir_all(dir.path().join("conf/filter.d")).expect("made");
    let filters: &[(&str, &str)] = &[
        ("plain", plain),
        (
            "several",
            "[Definition]\nfailregex = ^ pbx bad <ADDR>\\s*$\n ^ pbx \\S+ <ADDR>\n <ADDR>\\s*$\n b<F-USER>\\w</F-USER>d <ADDR>\n\
             ignoreregex = 2\\.2$\n  nothing\n  pbx .*2\\.2$\n",
        ),
        (
            "full",
            "[Definition]\nfailregex = ^ pbx bad <HOST>\\s*$\nmaxlines = 1\ndatepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n \
             {^LN-BEG}EPOCH\nprefregex = ^ <F-CONTENT>.+</F-CONTENT>$\n",
        ),
        ("window", "[Definition]\nfailregex = ^ A (?P<n>\\d+)<SKIPLINES> B (?P=n) <HOST>$\nmaxlines = 4\n"),
        (
            "optional",
            "[Definition]\nprefregex = ^ (?P<host>\\w+)(?P<kind>!)? <F-CONTENT>.*</F-CONTENT>$\nfailregex = ^bad <HOST>\\s*$\n",
        ),
        ("contentless", "[Definition]\nprefregex = ^ pbx\nfailregex = bad <HOST>\\s*$\n"),
        (
            "session-of-nobody",
            "[Definition]\nprefregex = ^ \\[<F-MLFID>\\d+</F-MLFID>\\] <F-CONTENT>.+</F-CONTENT>$\n\
             failregex = ^<F-NOFAIL>ip</F-NOFAIL> <ADDR>$\n ^fail(?: <F-USER>\\S+</F-USER>)?$\n",
        ),
        ("nobody", "[Definition]\nfailregex = ^ pbx bad\n"),
        ("unclosed", "[Definition]\nfailregex = ^ pbx bad <HOST>\nmaxlines = 3\ndatepattern = ^%%Y\nignoreregex = (\n"),
        ("unresolved", "[Definition]\nfailregex = ^ pbx bad <HOST> %(nosuch)s\n"),
    ];
    for (name, text) in filters {
        write(&format!("conf/filter.d/{name}.conf"), text.as_bytes());
    }
    dir
}

/// What a program prints and exits with.
type Said = (String, i32);

/// The original's answers; one Python runs it for all cases. `None`: it is not installed, or another version.
fn theirs(world: &Path, cases: &[Vec<String>]) -> Option<Vec<Said>> {
    let has_it = |python: &&str| {
        let mut command = Command::new(python);
        let asked = "import fail2ban.client.fail2banregex; from fail2ban.version import version; print(version)";
        let output = command.args(["-c", asked]).stderr(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"1.0."))
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_it) else {
        println!("skipped: no Python that has fail2ban 1.0");
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", include_str!("oracle/tool.py")])
        .envs(ENVIRONMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        // It answers while it is asked.
        scope.spawn(move || {
            for words in cases {
                writeln!(stdin, "{}", json!({"words": words, "folder": world})).expect("it reads");
            }
        });
        child.wait_with_output().expect("it ends")
    });
    let answers = output.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let said: Vec<Said> = answers.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    assert_eq!(said.len(), cases.len(), "one answer for each case");
    Some(said)
}

fn ours(world: &Path, words: &[&str]) -> Said {
    said(world, "/usr/bin/fail2ban-regex", words)
}

/// What our binary says under a name.
fn said(world: &Path, name: &str, words: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_sipjail"))
        .arg0(name)
        .args(words.iter().map(|word| word.replace("CONF", "conf")))
        .current_dir(world)
        .envs(ENVIRONMENT)
        .env("PATH", "/nonexistent")
        .output()
        .expect("it runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

/// Without what tells the time or belongs to another version.
fn comparable((text, code): &Said) -> Said {
    let timeless = |line: &&str| !line.starts_with("[processed in ");
    let now = jiff::Timestamp::now().as_second();
    let present = |time: f64| (time - now as f64).abs() < 3600.0;
    // Two days, for a run across midnight.
    let days = [now, now - 3600].map(|at| jiff::Timestamp::from_second(at).expect("it is near"));
    let days = days.map(|at| at.strftime("%a %b %d ").to_string());
    let line = |line: &str| match line.splitn(3, '\t').collect::<Vec<_>>()[..] {
        [id, time, rest] if line.starts_with('[') && line.ends_with("],\n") => match time.trim_end_matches(',').parse()
        {
            Ok(time) if present(time) => format!("{id}\tnow,\t{rest}"),
            Ok(time) => format!("{id}\t{time:?},\t{rest}"),
            Err(_) => line.to_owned(),
        },
        _ => match days.iter().find_map(|day| line.find(day)) {
            Some(at) if line.starts_with("|      ") => format!("{}now\n", &line[..at]),
            _ => line.to_owned(),
        },
    };
    let text: String = text.split_inclusive('\n').filter(timeless).map(|text| sorted(&line(text))).collect();
    (NEWER.iter().fold(text, |text, (old, new)| text.replace(old, new)), *code)
}

/// With the users of a row in order: Python's sets have none.
fn sorted(line: &str) -> String {
    let Some((head, (users, tail))) = line.split_once("'users': {").and_then(|(h, t)| Some((h, t.split_once('}')?)))
    else {
        return line.to_owned();
    };
    let mut users: Vec<&str> = users.split(", ").collect();
    users.sort();
    format!("{head}'users': {{{}}}{tail}", users.join(", "))
}

#[test]
fn it_says_what_fail2ban_regex_says() {
    let world = world();
    let words = |(_, words): &(&str, &[&str])| words.iter().map(|word| word.replace("CONF", "conf")).collect();
    let Some(theirs) = theirs(world.path(), &CASES.iter().map(words).collect::<Vec<_>>()) else { return };
    let mut wrong = String::new();
    for ((name, words), theirs) in CASES.iter().zip(&theirs) {
        let (theirs, ours) = (comparable(theirs), comparable(&ours(world.path(), words)));
        let report = match (theirs == ours, DIFFERS.iter().any(|(differs, _)| differs == name)) {
            (true, false) | (false, true) => continue,
            (true, true) => format!("`{name}` differs no more: take it from the list\n"),
            (false, false) => {
                let (less, more) = (excerpt(&theirs.0, &ours.0), excerpt(&ours.0, &theirs.0));
                format!("`{name}`\n--- {}\n{less}+++ {}\n{more}", theirs.1, ours.1)
            }
        };
        wrong += &report;
    }
    for (name, reason) in DIFFERS {
        assert!(CASES.iter().any(|(case, _)| case == name) && !reason.is_empty(), "no case is called `{name}`");
    }
    assert!(wrong.is_empty(), "{wrong}");
    counted!("fail2ban-regex: invocations {}, of which differ on purpose {}", CASES.len(), DIFFERS.len());
}

#[test]
fn it_says_the_same_of_sample_logs_and_real_ones() {
    let logs = std::env::var("SIPJAIL_F2B_TESTS").unwrap_or("/usr/lib/python3/dist-packages/fail2ban/tests".into());
    let Ok(logs) = fs::read_dir(Path::new(&logs).join("files/logs")) else {
        println!("skipped: fail2ban's sample logs are not installed");
        return;
    };
    let mut logs: Vec<_> = logs.filter_map(|log| Some(log.ok()?.path())).filter(|log| log.is_file()).collect();
    logs.sort();
    let all = ["-v", "--print-all-matched", "--print-all-missed", "--print-all-ignored"];
    let mut cases = Vec::new();
    for log in &logs {
        let (path, name) =
            (log.display().to_string(), log.file_name().unwrap_or_default().to_string_lossy().into_owned());
        // One with a window: there lines that stand in it twice are not counted with their match.
        for words in [&[&all[..], &["--usedns", "no"]].concat()[..], &["-r", "-o", "row"], &["-r", "-L", "5"]] {
            let words = words.iter().map(|word| (*word).to_owned());
            cases.push(words.chain([path.clone(), name.clone()]).collect());
        }
    }
    // Our own logs, each with the filter of its program and one that is not.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for (folder, log) in FIXTURES {
        for filter in ["asterisk", "freeswitch[mode=ddos]"] {
            let path = fixtures.join(folder).join(log).display().to_string();
            cases.push(["-v", "--usedns", "no", &path, filter].map(str::to_owned).to_vec());
            cases.push(["-r", "-o", "row", &path, filter].map(str::to_owned).to_vec());
        }
    }
    let world = world();
    let Some(theirs) = theirs(world.path(), &cases) else { return };
    let mut wrong = String::new();
    for (words, theirs) in cases.iter().zip(&theirs) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (theirs, ours) = (comparable(theirs), comparable(&ours(world.path(), &words)));
        let differs = words.contains(&"-L") && words.contains(&"ejabberd-auth");
        if (theirs != ours) != differs {
            let (less, more) = (excerpt(&theirs.0, &ours.0), excerpt(&ours.0, &theirs.0));
            wrong += &format!("{words:?}\n--- {}\n{less}+++ {}\n{more}", theirs.1, ours.1);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    counted!("fail2ban-regex: logs {}, invocations {}", logs.len() + FIXTURES.len(), cases.len());
}

#[test]
fn sipjail_regex_prints_the_same() {
    let world = world();
    let face = ["help", "the version", "the short version", "a name, usedns nonsense", "shortened options"];
    let mut compared = 0;
    for (name, words) in CASES.iter().filter(|(name, _)| !face.contains(name)) {
        let (text, code) = ours(world.path(), words);
        // An option that stands twice is one too many here.
        if code != 0 || *name == "an option given twice" {
            continue;
        }
        let conf = if words.contains(&"-c") { &[][..] } else { &["-c", "/etc/fail2ban"][..] };
        let words = [&["regex"], conf, words].concat();
        let (same, code) = said(world.path(), "sipjail", &words);
        assert_eq!((comparable(&(text, 0)).0, 0), (comparable(&(same, code)).0, code), "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn errors_of_sipjail_regex_are_its_own() {
    let world = world();
    let refused = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipjail"));
        let output = command.arg("regex").args(words).current_dir(world.path()).output().expect("it runs");
        assert!(output.stdout.is_empty(), "{words:?}");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    };
    let (text, code) = refused(&["log", "bad"]);
    assert_eq!((&*text, code), ("sipjail: no failure-id group in `bad`\n", Some(1)));
    let (text, code) = refused(&["-o", "id", "--format", "json", "log", "bad <HOST>"]);
    assert!(text.contains("contradict each other") && code == Some(2), "{text}");
    let (text, code) = refused(&["--print-no-missed", "--print-all-missed", "log", "bad <HOST>"]);
    assert!(text.contains("contradict each other") && code == Some(2), "{text}");
    let (text, code) = refused(&["--usedns", "perhaps", "log", "bad <HOST>"]);
    assert!(text.contains("one of `yes`") && code == Some(2), "{text}");
}

#[test]
fn the_summary_is_data_too() {
    let world = world();
    let shown = |format: &str| {
        let words = ["-c", "conf", "regex", "-v", "--VD", "--format", format, "dated", "several"];
        let (text, code) = said(world.path(), "sipjail", &words);
        assert_eq!(code, 0);
        text
    };
    let data: serde_json::Value = serde_json::from_str(&shown("json")).expect("JSON");
    assert_eq!(
        (&data["total"], &data["matched"]["count"], &data["ignored"]["count"]),
        (&json!(5), &json!(3), &json!(1))
    );
    assert_eq!(data["missed"]["lines"], json!(["2026-11-20 10:00:04 pbx good"]));
    assert_eq!(data["failregex"][2]["found"][0]["id"], "192.0.2.1");
    assert_eq!(data["dates"][0]["hits"], 5);
    assert!(data["dates"][0]["detail"]["regex"].as_str().is_some_and(|regex| regex.contains("(?P<Y>")));
    assert!(data["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    assert!(shown("yaml").contains("\ntotal: 5\n"));
}

#[test]
fn the_journal_is_read_once_through_journalctl() {
    let world = world();
    let program = "#!/bin/sh\n[ -e feed ] || { echo 'no journal' >&2; exit 1; }\nprintf '%s\\n' \"$@\" >called\n\
                   while read -r line; do printf '%s\\n' \"$line\"; done <feed\n";
    let path = world.path().join("journalctl");
    fs::write(&path, program).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let entry = |message: &str| {
        json!({"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1795168801250000", "_HOSTNAME": "pbx", "MESSAGE": message,
               "SYSLOG_IDENTIFIER": "door", "_PID": "7"})
    };
    let read = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipjail"));
        command.arg0("fail2ban-regex").args(words).current_dir(world.path()).env("PATH", world.path()).env("TZ", "UTC");
        let output = command.output().expect("it runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    };
    let regex = r"^pbx door\[7\]: bad <HOST>$";
    let (text, code) = read(&["systemd-journal", regex]);
    assert!(text.ends_with("Error: systemd library not found. Exiting...\n") && code == Some(255), "{text}");
    let feed = [entry("bad 192.0.2.1"), entry("good\nbad 192.0.2.2"), json!("?"), entry("# bad 192.0.2.3")];
    fs::write(world.path().join("feed"), feed.map(|line| format!("{line}\n")).concat()).expect("written");
    let (text, code) = read(&["-m", "_COMM=door PRIORITY=4 + _PID=1", "systemd-journal[journalflags=1]", regex]);
    let header = "Use         systemd journal\nUse         encoding : UTF-8\n\
                  Use    journal match : _COMM=door PRIORITY=4 + _PID=1\n";
    assert!(text.contains(header) && code == Some(0), "{text}");
    assert!(text.contains("\nLines: 3 lines, 0 ignored, 1 matched, 2 missed\n"), "{text}");
    assert!(text.contains("|  pbx door[7]: good\\nbad 192.0.2.2\n"), "{text}");
    let called = fs::read_to_string(world.path().join("called")).expect("it was called");
    assert!(called.ends_with("\n--\n_COMM=door\nPRIORITY=4\n+\n_PID=1\n"), "{called}");
    assert!(!called.contains("\n-f\n"), "{called}");
    let (text, _) = read(&["-o", "row", "systemd-journal", regex]);
    assert_eq!(text, "['192.0.2.1',\t1795168801.25,\t{'ip4': '192.0.2.1', 'ip6': None, 'dns': None}],\n");
}

/// The lines of a text that the other has not, at most a few.
fn excerpt(text: &str, other: &str) -> String {
    let lines = text.split('\n').zip(other.split('\n').map(Some).chain(std::iter::repeat(None)));
    let differ = lines.filter(|(line, other)| Some(*line) != *other).take(6);
    differ.map(|(line, _)| format!("    {:?}\n", line.chars().take(300).collect::<String>())).collect()
}

const ENVIRONMENT: [(&str, &str); 2] = [("TZ", "UTC"), ("LC_ALL", "C.UTF-8")];
