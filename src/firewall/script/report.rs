//! Runs a script and says in the log what went wrong, in fail2ban's words.

use std::os::raw::c_int;
use std::time::Duration;

use super::Outside;
use super::shell::{Ended, How};
use crate::record::{Level, Record};
use crate::script::Script;
use crate::word::repr;

/// Whether the script did what it should.
pub fn execute(script: &Script, limit: Duration, outside: &mut dyn Outside) -> bool {
    if script.text.trim().is_empty() {
        return true;
    }
    let ended = outside.run(script, limit);
    if ended.as_ref().is_ok_and(Ended::good) {
        return true;
    }
    complaint(script, limit, &ended).into_iter().for_each(|record| outside.say(record));
    false
}

fn complaint(script: &Script, limit: Duration, ended: &Result<Ended, String>) -> Vec<Record> {
    let mark = mark(script);
    let mut said = Vec::new();
    let mut say = |level, text: String| said.push(Record::new(level, "utils", text));
    let mut error = |text: String| say(Level::Error, format!("{mark} -- {text}"));
    error(format!("exec: {}", shown(script)));
    let ended = match ended {
        Ok(ended) => ended,
        Err(why) => {
            error(format!("failed with {why}"));
            return said;
        }
    };
    if ended.late {
        error(format!("timed out after {} seconds.", limit.as_secs_f64()));
    }
    for (name, bytes) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines().take(LINES) {
            error(format!("{name}: {}", repr(brief(line))));
        }
    }
    match ended.how {
        How::Signal(signal) => {
            let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
            error(format!("killed with {name} (return code: {})", -signal));
        }
        How::Code(code) => {
            error(format!("returned {code}"));
            if code == 127 {
                let text =
                    "HINT on 127: \"Command not found\".  Every program that the action names has to be in the PATH of";
                let hint = format!("{text} the daemon, which is {:?}", std::env::var_os("PATH").unwrap_or_default());
                say(Level::Info, hint);
            }
        }
    }
    said
}

/// The script, and with arguments all of it as a list.
fn shown(script: &Script) -> String {
    if script.args.is_empty() {
        return script.text.clone();
    }
    let args = script.args.iter().map(|arg| brief(arg));
    let parts = std::iter::once(script.text.as_str()).chain(args).map(repr);
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// The begin of a text that may be long: how much stands in our log is not for a sender to say.
pub fn brief(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= BRIEF).unwrap_or(text.len());
    &text[..end]
}

/// The same number for the same script, so that lines that belong together can be told.
fn mark(script: &Script) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    script.hash(&mut hasher);
    format!("{:012x}", hasher.finish() >> 16)
}

fn signal_name(number: c_int) -> Option<&'static str> {
    signal_hook::low_level::signal_name(number)
}

/// Bytes of an argument or a line that are shown.
const BRIEF: usize = 4096;

/// Lines of each stream that are shown.
const LINES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &Script, ended: Result<Ended, String>) -> Vec<String> {
        let said = complaint(script, Duration::from_secs(2), &ended);
        let mark = mark(script);
        said.into_iter().map(|record| record.text.replace(&mark, "HEX")).collect()
    }

    fn ended(how: How, late: bool) -> Result<Ended, String> {
        Ok(Ended { how, late, stdout: b"a\nb'\n".to_vec(), stderr: b"c".to_vec() })
    }

    #[test]
    fn what_went_wrong_is_said_as_fail2ban_says_it() {
        let script = Script { text: "false".into(), args: vec![] };
        let output = ["HEX -- stdout: 'a'", "HEX -- stdout: \"b'\"", "HEX -- stderr: 'c'"];
        let said = |how, late| texts(&script, ended(how, late));
        assert_eq!(said(How::Code(1), false), [&["HEX -- exec: false"], &output[..], &["HEX -- returned 1"]].concat());
        let late = ["HEX -- exec: false", "HEX -- timed out after 2 seconds."];
        let killed = ["HEX -- killed with SIGTERM (return code: -15)"];
        assert_eq!(said(How::Signal(15), true), [&late, &output[..], &killed].concat());
        assert!(said(How::Code(127), false)[5].starts_with("HINT on 127: \"Command not found\"."));
        let script = Script { text: "f2bV_a=$0 \ncat".into(), args: vec!["x'".into()] };
        assert_eq!(texts(&script, Err("no".into()))[0], "HEX -- exec: ['f2bV_a=$0 \\ncat', \"x'\"]");
    }
}
