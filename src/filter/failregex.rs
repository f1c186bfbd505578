//! One failregex: fail2ban's tags become groups, groups become an identity.
//!
//! `<HOST>` and its kind are expanded as fail2ban 1.0.2 expands them; what it does not know stays as it is. A match
//! gives the groups by name, those of `<F-ALT_…>` merged; [`identify`] says whom they mean.

use std::ops::Range;

use indexmap::IndexMap;

use super::backtrack::Machine;
use super::haystack::Text;
use super::pyregex::{Match, Pattern, TooCostly};
use super::translate::Options;
use crate::addr::{Id, ip as address};
use crate::config::UseDns;
use crate::ticket::Who;

/// Captured text by group name; groups that took no part are absent.
pub type Groups = IndexMap<String, String>;

/// A group that says whom a match means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An IPv4 address.
    Ip4,
    /// An IPv6 address.
    Ip6,
    /// A host's name.
    Dns,
    /// An identity of its own.
    Fid,
    /// The length of the network's prefix.
    Cidr,
}

impl Part {
    const ALL: [Part; 5] = [Part::Ip4, Part::Ip6, Part::Dns, Part::Fid, Part::Cidr];

    /// The group's name.
    fn name(self) -> &'static str {
        match self {
            Part::Ip4 => "ip4",
            Part::Ip6 => "ip6",
            Part::Dns => "dns",
            Part::Fid => "fid",
            Part::Cidr => "cidr",
        }
    }
}

/// Where the text of such groups is to be had.
pub trait Captured {
    /// The text of a group; `None` if it took no part.
    fn part(&self, part: Part) -> Option<&str>;
}

impl Captured for Groups {
    fn part(&self, part: Part) -> Option<&str> {
        self.get(part.name()).map(String::as_str)
    }
}

/// A match in its text, of which nothing was copied.
#[derive(Clone, Copy, Debug)]
pub struct Spans<'m> {
    regex: &'m FailRegex,
    found: &'m Match,
    text: &'m str,
}

impl Captured for Spans<'_> {
    fn part(&self, part: Part) -> Option<&str> {
        let group = self.regex.parts[part as usize]?;
        self.text.get(self.found.groups.get(group)?.clone()?)
    }
}

impl Spans<'_> {
    /// The groups that are no part of who it was.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.regex.others.iter().filter_map(|(number, name)| {
            let range = self.found.groups.get(*number)?.clone()?;
            Some((&**name, &self.text[range]))
        })
    }
}

/// A failregex or prefregex, ready to search.
#[derive(Debug)]
pub struct FailRegex {
    pattern: Pattern,
    /// Groups named `alt_…` in the order of their names, and what each stands in for.
    alternates: Vec<(String, String)>,
    /// The place of each [`Part`] among the groups.
    parts: [Option<usize>; Part::ALL.len()],
    /// The groups that a failure keeps, by their place and name.
    others: Vec<(usize, String)>,
    /// Its groups are all that there is to be known of a match.
    is_plain: bool,
}

impl FailRegex {
    /// Expands and compiles; the error is fail2ban's in our words.
    pub fn new(text: &str, usedns: UseDns, options: Options) -> Result<FailRegex, String> {
        if text.trim().is_empty() {
            return Err("cannot add an empty regex".into());
        }
        let expanded = expand(text, usedns);
        let pattern = Pattern::new(&expanded, options)
            .map_err(|e| format!("unable to compile regular expression `{expanded}`: {e}"))?;
        if let Some(name) = pattern.names().find(|n| n.starts_with("tuple_")) {
            return Err(format!("groups like `{name}` are not supported"));
        }
        let mut alternates: Vec<_> = pattern.names().filter_map(|n| Some((n.to_owned(), stands_in_for(n)?))).collect();
        alternates.sort();
        let parts = Part::ALL.map(|part| pattern.names().position(|name| name == part.name()));
        let others = pattern.names().enumerate().filter(|(_, name)| is_of_failure(name));
        let others = others.map(|(number, name)| (number, name.to_owned())).collect();
        let is_plain = alternates.is_empty() && !pattern.names().any(|name| name.starts_with("mlf"));
        Ok(FailRegex { pattern, alternates, parts, others, is_plain })
    }

    /// Whether it has a group that can say whom a failure is counted against.
    pub fn identifies(&self) -> bool {
        ["fid", "ip4", "ip6", "dns", "mlfid"].iter().any(|name| self.pattern.has(name))
    }

    /// Whether nothing but its groups has to be known to tell what a match proves, see [`FailRegex::spans`]: no other
    /// line, no other name.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether there is nothing to be known from it but what it leaves for the failregexes.
    pub fn gives_content_alone(&self) -> bool {
        self.pattern.names().eq([CONTENT])
    }

    /// See [`Pattern::relaxed`].
    pub fn relaxed(&self) -> String {
        self.pattern.relaxed()
    }

    /// The expression with its tags expanded.
    pub fn expanded(&self) -> &str {
        self.pattern.text()
    }

    /// The expression, compiled.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The leftmost match in `text`, with all the steps that a line has.
    pub fn search(&self, text: &str) -> Result<Option<Match>, TooCostly> {
        self.pattern.captures(text)
    }

    /// The same with the steps that are left.
    pub fn search_within(&self, text: Text<'_>, machine: &mut Machine) -> Result<Option<Match>, TooCostly> {
        self.pattern.captures_within(text, machine)
    }

    /// Where the group `content` of a match lies; nowhere if it is empty.
    pub fn content(&self, found: &Match) -> Option<Range<usize>> {
        let span = |wanted: &str| {
            let mut named = self.pattern.names().zip(&found.groups);
            named.find(|(name, _)| *name == wanted)?.1.clone().filter(|span| !span.is_empty())
        };
        let alternates = || self.alternates.iter().filter(|(_, target)| target == CONTENT);
        span(CONTENT).or_else(|| alternates().find_map(|(alternate, _)| span(alternate)))
    }

    /// The groups of a match in the same `text`, without that one.
    pub fn beside_content(&self, found: &Match, text: &str) -> Groups {
        self.groups_of(found, text, |name| name != CONTENT)
    }

    /// The groups of a match in the same `text`.
    pub fn groups(&self, found: &Match, text: &str) -> Groups {
        self.groups_of(found, text, |_| true)
    }

    /// A match in the same `text`, for [`identify`].
    pub fn spans<'m>(&'m self, found: &'m Match, text: &'m str) -> Spans<'m> {
        Spans { regex: self, found, text }
    }

    fn groups_of(&self, found: &Match, text: &str, wanted: impl Fn(&str) -> bool) -> Groups {
        let named = self.pattern.names().zip(&found.groups).filter(|(name, _)| wanted(name));
        let mut groups: Groups =
            named.filter_map(|(name, range)| Some((name.to_owned(), text[range.clone()?].to_owned()))).collect();
        for (alternate, target) in self.alternates.iter().filter(|(_, target)| wanted(target)) {
            if groups.get(target).is_none_or(String::is_empty)
                && let Some(value) = groups.get(alternate).filter(|v| !v.is_empty()).cloned()
            {
                groups.insert(target.clone(), value);
            }
        }
        groups
    }

    /// What the groups of `<SKIPLINES>` hold, one after the other.
    pub fn skipped(&self, found: &Match, text: &str) -> String {
        let named = self.pattern.names().zip(&found.groups);
        let skipped = named.filter(|(name, _)| name.starts_with("skiplines"));
        skipped.filter_map(|(_, range)| text.get(range.clone()?)).collect()
    }
}

/// Whether a failure keeps the group of this name: it is no part of [`Who`] or of the machinery.
pub fn is_of_failure(name: &str) -> bool {
    let who = Part::ALL.iter().any(|part| part.name() == name);
    !who && name != CONTENT && !name.starts_with("skiplines")
}

/// What a prefregex leaves for the failregexes.
const CONTENT: &str = "content";

/// What the groups of a match say about who it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: another line may.
    Nobody,
    /// Text that looks like an address and is none.
    Invalid(String),
    /// This one.
    Known(Who),
}

/// Whom the groups mean. Differs from fail2ban in one thing: what looks like an address and is none (`999.1.2.3`), or is
/// empty, is nobody's failure.
pub fn identify(groups: &impl Captured, usedns: UseDns) -> Identity {
    let get = |part: Part| groups.part(part);
    let (host, name) = (get(Part::Ip4).or_else(|| get(Part::Ip6)), get(Part::Dns));
    match own_identity(groups, usedns) {
        Some("") => return Identity::Invalid(String::new()),
        Some(fid) if usedns == UseDns::Raw => return Identity::Known(Who::Id(Id::Raw(fid.into()))),
        Some(fid) => return Identity::Known(Who::Id(named(fid))),
        None => {}
    }
    if let Some(host) = host {
        return match (address(host), get(Part::Cidr).map(str::parse::<u8>)) {
            (None, _) => Identity::Invalid(host.to_owned()),
            (Some(ip), Some(Ok(len))) => Identity::Known(Who::Id(network(ip, len))),
            (Some(ip), _) => Identity::Known(Who::Id(ip.into())),
        };
    }
    match (name, usedns) {
        (None, _) => Identity::Nobody,
        (Some(""), _) => Identity::Invalid(String::new()),
        (Some(name), UseDns::No) if address(name).is_none() => Identity::Invalid(name.to_owned()),
        (Some(name), _) if address(name).is_some() => Identity::Known(Who::Id(Id::parse(name))),
        (Some(name), UseDns::Raw) => Identity::Known(Who::Id(Id::Raw(name.into()))),
        (Some(name), _) => Identity::Known(Who::Name(name.to_owned())),
    }
}

/// The host that stands beside an identity of its own: `<ip>` for actions.
pub fn beside(groups: &impl Captured, usedns: UseDns) -> Option<String> {
    own_identity(groups, usedns)?;
    let get = |part: Part| groups.part(part);
    let Some(host) = get(Part::Ip4).or_else(|| get(Part::Ip6)) else { return get(Part::Dns).map(str::to_owned) };
    let len = get(Part::Cidr).and_then(|len| len.parse().ok());
    let shown = |ip| len.map_or_else(|| Id::from(ip), |len| network(ip, len)).to_string();
    Some(address(host).map_or_else(|| host.to_owned(), shown))
}

/// What `<F-ID>` captured, where that and not the host is the identity.
fn own_identity(groups: &impl Captured, usedns: UseDns) -> Option<&str> {
    let get = |part: Part| groups.part(part);
    get(Part::Fid).filter(|fid| match (get(Part::Ip4).or_else(|| get(Part::Ip6)), get(Part::Dns)) {
        (Some(host), _) => *fid != host,
        (None, Some(name)) => usedns == UseDns::Raw && *fid != name,
        (None, None) => true,
    })
}

/// What `<F-ID>` captured: an address or network where it is one, else the text without its brackets. Differs from
/// fail2ban where text that is no address has a `/`: it takes what follows for a mask and cuts it off, or loses the line.
fn named(text: &str) -> Id {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| !t.is_empty());
    let bare = inner.unwrap_or(text);
    match bare.split_once('/').and_then(|(ip, len)| Some((address(ip)?, len))) {
        Some((ip, len)) if !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit()) => {
            network(ip, len.parse().unwrap_or(u8::MAX))
        }
        _ => Id::parse(bare),
    }
}

/// The network; one that would hold everybody is its address alone, as it is for fail2ban.
fn network(ip: std::net::IpAddr, len: u8) -> Id {
    match (len, ip) {
        (0, std::net::IpAddr::V4(_)) => Id::Ip(std::net::Ipv4Addr::UNSPECIFIED.into()),
        (0, std::net::IpAddr::V6(_)) => Id::Ip(std::net::Ipv6Addr::UNSPECIFIED.into()),
        _ => Id::net(ip, len),
    }
}

/// `alt_user_1` and `alt_user` stand in for `user`, `alt_user1` for `user1`.
fn stands_in_for(name: &str) -> Option<String> {
    let rest = name.strip_prefix("alt_")?;
    let target = match rest.rsplit_once('_') {
        Some((target, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => target,
        _ => rest,
    };
    Some(if target == "id" { "fid" } else { target }.to_owned())
}

/// Puts groups in the place of tags.
pub fn expand(text: &str, usedns: UseDns) -> String {
    let text = scope_flags(text);
    let mut out = String::with_capacity(text.len() * 2);
    let mut opened: Vec<&str> = Vec::new();
    let mut skipped = 0;
    let mut rest = &text[..];
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(tag) = tag_at(rest) else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[tag.len()..];
        let name = &tag[1..tag.len() - 1];
        let group = |name: &str| name.strip_prefix("F-").is_some_and(is_group_name);
        match name {
            "HOST" if usedns == UseDns::No => push_addr(&mut out),
            "HOST" => {
                out.push_str("(?:");
                push_addr(&mut out);
                out.push('|');
                out.push_str(DNS);
                out.push(')');
            }
            "ADDR" | "F-ADDR/" => push_addr(&mut out),
            "SUBNET" | "F-SUBNET/" => {
                out.push_str(&format!(r"\[?(?:{IP4}|{IP6})(?:/(?P<cidr>\d+))?\]?"));
            }
            "IP4" | "F-IP4/" => out.push_str(IP4),
            "IP6" | "F-IP6/" => out.push_str(IP6),
            "DNS" | "F-DNS/" => out.push_str(DNS),
            "CIDR" | "F-CIDR/" => out.push_str(r"(?P<cidr>\d+)"),
            "F-ID/" => out.push_str(r"(?P<fid>\S+)"),
            "F-PORT/" => out.push_str(r"(?P<fport>\w+)"),
            "SKIPLINES" => {
                out.push_str(&format!(r"\n(?P<skiplines{skipped}>(?:(?:.*\n)*?))"));
                skipped += 1;
            }
            name if group(name) => {
                opened.push(name);
                out.push_str(&format!("(?P<{}>", group_name(&name[2..])));
            }
            name if name.strip_prefix('/').is_some_and(|name| group(name) && opened.contains(&name)) => out.push(')'),
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    out
}

fn push_addr(out: &mut String) {
    out.push_str(&format!(r"\[?(?:{IP4}|{IP6})\]?"));
}

/// The tag that `text` begins with: `</?[\w\-]+/?>`.
fn tag_at(text: &str) -> Option<&str> {
    let inner = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let word = inner.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).filter(|n| *n > 0)?;
    let tail = &inner[word..];
    let tail = tail.strip_prefix('/').unwrap_or(tail);
    tail.starts_with('>').then(|| &text[..text.len() - tail.len() + 1])
}

fn is_group_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-'))
}

fn group_name(name: &str) -> String {
    match name {
        "ID" => "fid".into(),
        "PORT" => "fport".into(),
        name => name.to_lowercase(),
    }
}

/// `((?i)x)` and `(?:(?i)x)` become `(?i:x)`: a flag that is first in its group is for the group.
fn scope_flags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('(') {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let inner = here[1..].strip_prefix("?:").unwrap_or(&here[1..]);
        let flags = inner.strip_prefix("(?").and_then(|f| f.split_once(')')).map(|(flags, _)| flags);
        match flags.filter(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_lowercase()) && !out.ends_with('\\')) {
            Some(flags) => {
                out.push_str(&format!("(?{flags}:"));
                rest = &inner[flags.len() + 3..];
            }
            None => {
                out.push('(');
                rest = &here[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

const IP4: &str = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})";
const IP6: &str = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))";
const DNS: &str = r"(?P<dns>[\w\-.^_]*\w)";

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> FailRegex {
        FailRegex::new(text, UseDns::Warn, Options::default()).unwrap()
    }

    fn who(text: &str, line: &str, usedns: UseDns) -> Option<String> {
        let regex = FailRegex::new(text, usedns, Options::default()).unwrap();
        let line = format!("{line}\n");
        let found = regex.search(&line).unwrap()?;
        match identify(&regex.groups(&found, &line), usedns) {
            Identity::Known(Who::Id(id)) => Some(id.to_string()),
            Identity::Known(Who::Name(name)) => Some(format!("name {name}")),
            Identity::Invalid(text) => Some(format!("invalid {text}")),
            Identity::Nobody => Some("nobody".into()),
        }
    }

    #[test]
    fn an_address_comes_out_of_its_brackets_and_away_from_its_port() {
        for (pattern, line, id) in [
            ("from <HOST>", "from [192.0.2.4]", "192.0.2.4"),
            ("from <HOST>", "from [2001:DB8::1]", "2001:db8::1"),
            (r"from <HOST>:\d+$", "from 192.0.2.4:5060", "192.0.2.4"),
            (r"from <HOST>:\d+$", "from [::1]:5060", "::1"),
            (r"from <HOST>:\d+$", "from 2001:db8::1:5060", "2001:db8::1"),
            ("from <HOST>", "from 192.0.2.4extra", "192.0.2.4"),
            ("from <HOST>", "from 2001:db8::1.2.3.4", "2001:db8::1"),
            ("from <HOST>", "from ::ffff:192.0.2.4", "192.0.2.4"),
            ("from <HOST>", "from foo_bar-1.example", "name foo_bar-1.example"),
            ("from <HOST>", "from 999.1.2.3", "invalid 999.1.2.3"),
            ("from <SUBNET>", "from 198.51.100.7/24", "198.51.100.0/24"),
            (r"user <F-ID>\S+</F-ID> from <HOST>", "user bob from h.example", "name h.example"),
            (r"user <F-ID>\S+</F-ID> from <HOST>", "user bob from 192.0.2.4", "bob"),
            (r"user <F-ID>\S+</F-ID>", "user [::1]", "::1"),
            (r"user <F-ID>\S+</F-ID>", "user 198.51.100.1/16", "198.51.0.0/16"),
            (r"user <F-ID>\S+</F-ID>", "user 198.51.100.1/33", "198.51.100.1"),
            (r"user <F-ID>\S+</F-ID>", "user 198.51.100.1/0", "0.0.0.0"),
            (r"user <F-ID>\S+</F-ID>", "user [bob]", "bob"),
            (r"user <F-ID>\S+</F-ID>", "user sip/100", "sip/100"),
            (r"user <F-ID>\S*</F-ID>", "user ", "invalid "),
            ("from <SUBNET>", "from 198.51.100.7/0", "0.0.0.0"),
            ("from <SUBNET>", "from 198.51.100.7/33", "198.51.100.7"),
            (r"<F-ALT_ID>\w+</F-ALT_ID> (?:(?P<fid>x+)|y)", "bob y", "bob"),
        ] {
            assert_eq!(who(pattern, line, UseDns::Warn).as_deref(), Some(id), "{pattern} on {line}");
        }
        assert_eq!(who("from <HOST>", "from h.example", UseDns::No), None);
        assert_eq!(who("from <HOST>", "from h.example", UseDns::Raw).as_deref(), Some("h.example"));
        assert_eq!(who("from <DNS>", "from 192.0.2.4", UseDns::Warn).as_deref(), Some("192.0.2.4"));
    }

    #[test]
    fn tags_that_fail2ban_does_not_know_stay() {
        let same = |text: &str| assert_eq!(expand(text, UseDns::Warn), text);
        same("<F-user> <F-HOST/> <HOST/> </F-ID> <F-MLFID/> <lt_bogus/x> < HOST> <>");
        assert_eq!(expand("<F-USER>x</F-USER></F-ID>", UseDns::Warn), "(?P<user>x)</F-ID>");
        assert_eq!(expand("<F-PORT/>", UseDns::Warn), r"(?P<fport>\w+)");
    }

    #[test]
    fn a_flag_first_in_a_group_is_for_that_group() {
        assert_eq!(scope_flags("((?i)abc)(?:(?is)x)"), "(?i:abc)(?is:x)");
        assert_eq!(scope_flags(r"\((?i)abc"), r"\((?i)abc");
        assert_eq!(scope_flags("(?i)abc(é(?:x))"), "(?i)abc(é(?:x))");
    }

    #[test]
    fn a_regex_without_anybody_to_blame_is_noticed() {
        assert!(regex("<HOST>").identifies());
        assert!(regex("<F-MLFID>x</F-MLFID>").identifies());
        assert!(!regex("<F-USER>x</F-USER>").identifies());
        assert!(FailRegex::new(" ", UseDns::Warn, Options::default()).is_err());
        assert!(FailRegex::new("<HOST> and <HOST>", UseDns::Warn, Options::default()).is_err());
        let error = FailRegex::new("<F-TUPLE_ID>x</F-TUPLE_ID>", UseDns::Warn, Options::default()).unwrap_err();
        assert_eq!(error, "groups like `tuple_id` are not supported");
    }

    #[test]
    fn alternates_fill_what_is_empty() {
        let regex =
            regex(r"<F-USER>\w*</F-USER>,<F-ALT_USER_1>\w*</F-ALT_USER_1>,<F-ALT_USER1>\w*</F-ALT_USER1> <ADDR>");
        let line = ",bob,eve 192.0.2.1\n";
        let groups = regex.groups(&regex.search(line).unwrap().unwrap(), line);
        assert_eq!((&*groups["user"], &*groups["user1"]), ("bob", "eve"));
    }
}
