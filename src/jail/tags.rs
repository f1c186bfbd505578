//! The dynamic tags of a configured command or cache key: `<ip>`, `<fid>`, `<F-USER>` …
//!
//! What a sender may have chosen never becomes part of a script: it goes into a positional argument, and the script
//! gets a first line `f2bV_F_user=$0 …`, fail2ban's own scheme, and uses the variable. fail2ban writes harmless
//! looking values into the script itself; here none are.

use std::borrow::Cow;

use crate::addr::Id;
use crate::jail::question::Question;
use crate::script::{group, replace, reversed, variable};
use crate::ticket::Failure;

/// What the tags speak of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// In which jail.
    pub jail: &'a str,
    /// Whom the failure counts against.
    pub id: &'a Id,
    /// The failure.
    pub failure: &'a Failure,
}

impl Subject<'_> {
    /// The command as a question to the shell.
    pub fn script(&self, command: &str) -> Question {
        let mut names: Vec<String> = Vec::new();
        let mut args: Vec<String> = Vec::new();
        let body = replace(command, |tag| match self.value(tag)? {
            Value::Ours(text) => Some(text),
            Value::Foreign(text) => {
                let name = variable(tag);
                if !names.contains(&name) {
                    names.push(name.clone());
                    args.push(text);
                }
                Some(Cow::Owned(format!("${name}")))
            }
        });
        if names.is_empty() {
            return Question::Run { script: body, args };
        }
        let assign: Vec<String> = names.iter().enumerate().map(|(i, name)| format!("{name}=${{{i}}}")).collect();
        Question::Run { script: format!("{}\n{body}", assign.join(" ")), args }
    }

    /// The text with every tag's value in its place; not for a shell.
    pub fn plain(&self, text: &str) -> String {
        replace(text, |tag| self.text(tag))
    }

    /// A tag's value, if it has one; not for a shell.
    pub fn text(&self, tag: &str) -> Option<Cow<'static, str>> {
        self.value(tag).map(|value| match value {
            Value::Ours(text) => text,
            Value::Foreign(text) => Cow::Owned(text),
        })
    }

    fn value(&self, tag: &str) -> Option<Value> {
        if let Some(group) = group(tag) {
            let value = self.failure.groups.get(&group).unwrap_or_default().to_owned();
            return Some(Value::Foreign(value));
        }
        Some(match tag {
            "ip" => match self.failure.groups.get("ip") {
                Some(ip) => Value::of(&Id::parse(ip)),
                None => Value::of(self.id),
            },
            "fid" => Value::of(self.id),
            "family" => Value::ours(match self.id.as_net() {
                Some(net) if net.addr().is_ipv4() => "inet4",
                Some(_) => "inet6",
                None => "None",
            }),
            "ip-rev" => Value::Ours(self.id.ip().map(reversed).unwrap_or_default().into()),
            // Nobody is asked for it: the sender owns that name.
            "ip-host" => Value::ours("None"),
            "failures" => Value::Ours(self.failure.count.to_string().into()),
            "time" => Value::Ours(self.failure.time.as_secs_f64().to_string().into()),
            "matches" => Value::Foreign(self.failure.matches.join("\n")),
            "restored" => Value::ours("0"),
            "jail.name" => Value::Ours(self.jail.to_owned().into()),
            "br" => Value::ours("\n"),
            "sp" => Value::ours(" "),
            _ => return None,
        })
    }
}

enum Value {
    /// Cannot hold anything that a shell would take for more than a word.
    Ours(Cow<'static, str>),
    /// From a log.
    Foreign(String),
}

impl Value {
    fn ours(text: &'static str) -> Value {
        Value::Ours(Cow::Borrowed(text))
    }

    fn of(id: &Id) -> Value {
        match id {
            Id::Raw(text) => Value::Foreign(text.to_string()),
            address => Value::Ours(address.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Named, Sign, Who};
    use crate::time::Timestamp;

    fn failure(id: &Id, user: &str) -> Failure {
        let groups = Named::from([("user", user)]);
        let who = Who::Id(id.clone());
        Failure {
            who,
            time: Timestamp::from_secs(1_795_170_254),
            count: 1,
            matches: vec!["a line".into()],
            groups,
            sign: Sign::Failed,
        }
    }

    #[test]
    fn an_address_stands_in_the_script_and_a_senders_text_in_the_arguments() {
        let id = Id::parse("192.0.2.1");
        let failure = failure(&id, "x'; touch pwned; $(id)");
        let subject = Subject { jail: "sip", id: &id, failure: &failure };
        let question =
            subject.script("check <ip> <F-USER> \"<F-USER>\" <family> <jail.name> <unknown> 2>/dev/null <F-NONE>");
        let Question::Run { script, args } = question else { panic!("it is a program") };
        let body = "check 192.0.2.1 $f2bV_F_user \"$f2bV_F_user\" inet4 sip <unknown> 2>/dev/null $f2bV_F_none";
        assert_eq!(script, format!("f2bV_F_user=${{0}} f2bV_F_none=${{1}}\n{body}"));
        assert_eq!(args, ["x'; touch pwned; $(id)", ""]);
    }

    #[test]
    fn a_raw_identity_is_a_senders_text() {
        let id = Id::parse("$(reboot)");
        let failure = failure(&id, "");
        let subject = Subject { jail: "sip", id: &id, failure: &failure };
        let Question::Run { script, args } = subject.script("check <fid> <ip-rev> <family>") else {
            panic!("a program")
        };
        assert_eq!(
            (script.as_str(), args.as_slice()),
            ("f2bV_fid=${0}\ncheck $f2bV_fid  None", &["$(reboot)".to_owned()][..])
        );
    }

    #[test]
    fn a_command_without_a_senders_text_has_no_arguments() {
        let id = Id::parse("2001:db8::1");
        let failure = failure(&id, "");
        let subject = Subject { jail: "sip", id: &id, failure: &failure };
        let Question::Run { script, args } = subject.script("is-friend <ip>") else { panic!("a program") };
        assert_eq!((script.as_str(), args.len()), ("is-friend 2001:db8::1", 0));
        let rev = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.";
        assert_eq!(subject.plain("<ip-rev>"), rev);
        assert_eq!(subject.plain("a<b <ip"), "a<b <ip");
        assert_eq!(subject.plain("<ip>,<time>"), "2001:db8::1,1795170254");
    }
}
