//! What a server replied, as fail2ban's client prints it: the answer to the words that were sent.

use crate::compat::pickle::Plain;

/// The text for what `words` brought.
pub fn text(words: &[&str], value: &Plain) -> String {
    special(words, value).unwrap_or_else(|| value.plain())
}

/// The text for what was raised instead.
pub fn refusal(raised: &Plain) -> String {
    let Plain::Exception(_, class, arguments) = raised else { return raised.plain() };
    let first = || arguments.first().map_or(String::new(), Plain::plain);
    match &**class {
        "UnknownJailException" => format!("Sorry but the jail '{}' does not exist", first()),
        "DuplicateJailException" => format!("The jail '{}' already exists", first()),
        "IndexError" => "Sorry but the command is invalid".to_owned(),
        _ => raised.plain(),
    }
}

/// `None`: the value is printed as it is.
fn special(words: &[&str], value: &Plain) -> Option<String> {
    Some(match *words {
        ["ping", ..] => format!("Server replied: {}", value.plain()),
        ["echo", ..] => items(value)?.join(" "),
        ["add", _, ..] => format!("Added jail {}", value.plain()),
        ["start", ..] if *value == Plain::None => "Jail started".to_owned(),
        ["stop"] if *value == Plain::None => "Shutdown successful".to_owned(),
        ["stop", ..] if *value == Plain::None => "Jail stopped".to_owned(),
        ["flushlogs"] => format!("logs: {}", value.plain()),
        ["status"] if *value == Plain::List(Vec::new()) => "Status".to_owned(),
        ["status"] => format!("Status\n{}", tree(pairs(value)?, "")),
        ["status", "--all", ..] => format!("Status\n{}", every(value)?),
        ["status", jail, ..] => format!("Status for the jail: {jail}\n{}", groups(value, "")?),
        ["stats" | "statistics", ..] => super::stats::table(value)?,
        ["get" | "set", "loglevel", ..] => format!("Current logging level is '{}'", value.plain()),
        ["get" | "set", "logtarget", ..] => format!("Current logging target is:\n`- {}", value.plain()),
        ["get" | "set", "syslogsocket", ..] => format!("Current syslog socket is:\n`- {}", value.plain()),
        ["get" | "set", "dbfile" | "dbpurgeage", ..] if *value == Plain::None => {
            "Database currently disabled".to_owned()
        }
        ["get" | "set", "dbfile", ..] => format!("Current database file is:\n`- {}", value.plain()),
        ["get" | "set", "dbpurgeage", ..] => {
            let whole =
                if let Plain::Float(seconds) = value { format!("{:.0}", seconds.trunc()) } else { value.plain() };
            format!("Current database purge age is:\n`- {whole}seconds")
        }
        ["get" | "set", _, option, ref rest @ ..] => of_a_jail(words[0], words[1], option, rest, value)?,
        _ => return None,
    })
}

fn of_a_jail(verb: &str, jail: &str, option: &str, rest: &[&str], value: &Plain) -> Option<String> {
    let changes = |name: &str| verb == "set" && matches!(option.strip_suffix(name), Some("add" | "del"));
    let is = |name: &str| verb == "get" && option == name || changes(name);
    if is("logpath") {
        return listed("No file is currently monitored", "Current monitored log file(s):", value);
    }
    if is("ignoreip") {
        let head = "These IP addresses/networks are ignored:";
        return listed("No IP address/network is ignored", head, value);
    }
    if is("failregex") || is("ignoreregex") {
        let numbered = items(value)?.into_iter().enumerate().map(|(at, regex)| Plain::from(format!("[{at}]: {regex}")));
        let head = "The following regular expression are defined:";
        return listed("No regular expression is defined", head, &Plain::List(numbered.collect()));
    }
    if is("journalmatch") {
        let groups = list(value)?.iter().map(|group| items(group).map(|words| words.join(" ")));
        let groups: Vec<String> = groups.collect::<Option<_>>()?;
        return Some(match groups.as_slice() {
            [] => "No journal match filter set".to_owned(),
            groups => format!("Current match filter:\n{}", groups.join(" + ")),
        });
    }
    Some(match (verb, option) {
        (_, "logencoding") => format!("Current log encoding is set to:\n{}", value.plain()),
        (_, "datepattern") => format!("Current date pattern set to: {}", datepattern(value)?),
        ("get", "banip") => {
            let separator = match rest {
                [] => " ",
                ["--with-time", ..] => "\n",
                [separator, ..] => separator,
            };
            items(value)?.join(separator)
        }
        ("get", "actions") => match items(value)?.as_slice() {
            [] => format!("No actions for jail {jail}"),
            names => format!("The jail {jail} has the following actions:\n{}", names.join(", ")),
        },
        ("get", "actionproperties" | "actionmethods") => {
            let what = option.strip_prefix("action")?;
            let action = rest.first()?;
            match items(value)?.as_slice() {
                [] => format!("No {what} for jail {jail} action {action}"),
                names => format!("The jail {jail} action {action} has the following {what}:\n{}", names.join(", ")),
            }
        }
        _ => return None,
    })
}

fn datepattern(value: &Plain) -> Option<String> {
    match value {
        Plain::None => Some("Not set/required".to_owned()),
        Plain::Tuple(pair) => match &pair[..] {
            [Plain::None, name] => Some(name.plain()),
            [pattern, name] => Some(format!("{} ({})", pattern.plain(), name.plain())),
            _ => None,
        },
        _ => None,
    }
}

/// A head and its items, or the word for none.
fn listed(none: &str, head: &str, value: &Plain) -> Option<String> {
    let items = items(value)?;
    let Some((last, others)) = items.split_last() else { return Some(none.to_owned()) };
    let others: String = others.iter().map(|item| format!("|- {item}\n")).collect();
    Some(format!("{head}\n{others}`- {last}"))
}

/// The groups of a jail's status, each with its lines; `before` stands on the left of all.
fn groups(value: &Plain, before: &str) -> Option<String> {
    let groups = pairs(value)?;
    let mut out = Vec::new();
    for (at, (name, lines)) in groups.iter().enumerate() {
        let (branch, stem) = if at + 1 < groups.len() { ("|-", "|  ") } else { ("`-", "   ") };
        out.push(format!("{before}{branch} {name}\n{}", tree(pairs(lines)?, &format!("{before}{stem}"))));
    }
    Some(out.join("\n"))
}

/// Pairs, a line each.
fn tree(pairs: Vec<(String, &Plain)>, before: &str) -> String {
    let count = pairs.len();
    let line = |(at, (name, value)): (usize, (String, &Plain))| {
        let branch = if at + 1 < count { "|-" } else { "`-" };
        let value = items(value).map_or_else(|| value.plain(), |items| items.join(" "));
        format!("{before}{branch} {name}:\t{value}")
    };
    pairs.into_iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// What a newer server says of all jails at once.
fn every(value: &Plain) -> Option<String> {
    let (Plain::Dict(jails), overview) = list(value)?.split_last()? else { return None };
    let overview: Vec<(String, &Plain)> = overview.iter().map(pair).collect::<Option<_>>()?;
    let overview = tree(overview, "").replace("`- ", "|- ");
    let mut out = vec![overview, "`- Status for the jails:".to_owned()];
    for (at, (name, status)) in jails.iter().enumerate() {
        let (branch, stem) = if at + 1 < jails.len() { ("|-", "   |  ") } else { ("`-", "      ") };
        out.push(format!("   {branch} Jail: {}\n{}", name.plain(), groups(status, stem)?));
    }
    Some(out.join("\n"))
}

fn pairs(value: &Plain) -> Option<Vec<(String, &Plain)>> {
    list(value)?.iter().map(pair).collect()
}

fn pair(value: &Plain) -> Option<(String, &Plain)> {
    match list(value)? {
        [name, value] => Some((name.plain(), value)),
        _ => None,
    }
}

fn items(value: &Plain) -> Option<Vec<String>> {
    list(value).map(|items| items.iter().map(Plain::plain).collect())
}

fn list(value: &Plain) -> Option<&[Plain]> {
    match value {
        Plain::List(items) | Plain::Tuple(items) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only newer servers say; everything else is compared with the original.
    #[test]
    fn the_status_of_every_jail_is_one_tree() {
        let pair = |name: &str, value: Plain| Plain::Tuple(vec![name.into(), value]);
        let group = |name: &str| pair(name, Plain::List(vec![pair("Total", Plain::Int(0)), pair("x", Plain::Int(1))]));
        let jail = |name: &str| (Plain::from(name), Plain::List(vec![group("Filter"), group("Actions")]));
        let jails = Plain::Dict(vec![jail("a"), jail("b")]);
        let overview = [pair("Number of jail", Plain::Int(2)), pair("Jail list", "a, b".into())];
        let expected = "Status
|- Number of jail:\t2
|- Jail list:\ta, b
`- Status for the jails:
   |- Jail: a
   |  |- Filter
   |  |  |- Total:\t0
   |  |  `- x:\t1
   |  `- Actions
   |     |- Total:\t0
   |     `- x:\t1
   `- Jail: b
      |- Filter
      |  |- Total:\t0
      |  `- x:\t1
      `- Actions
         |- Total:\t0
         `- x:\t1";
        assert_eq!(text(&["status", "--all"], &Plain::List([&overview[..], &[jails]].concat())), expected);
    }

    #[test]
    fn what_has_another_form_is_printed_as_it_is() {
        for words in [&["status"][..], &["status", "a"], &["stats"], &["get", "a", "logpath"], &["echo"]] {
            assert_eq!(text(words, &Plain::Int(7)), "7", "{words:?}");
        }
    }
}
