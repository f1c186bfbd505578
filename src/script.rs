//! A text for the shell, and the values that it speaks of: fail2ban's scheme of tags and positional arguments.
//!
//! What a sender may have chosen never becomes part of the text: it is an argument, which the text finds in a variable.

use std::borrow::Cow;
use std::net::IpAddr;

/// What is run as `/bin/sh -c TEXT ARGS…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Script {
    /// From the configuration, with harmless values in it.
    pub text: String,
    /// Positional arguments from `$0` on.
    pub args: Vec<String>,
}

/// Replaces every `<tag>` that has a value; the others stay as they are.
pub fn replace(text: &str, mut value: impl FnMut(&str) -> Option<Cow<'static, str>>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tail) = rest.split_at(start);
        out.push_str(before);
        let name_len = tail[1..].find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(0);
        let name = &tail[1..=name_len];
        let found = if tail[1 + name_len..].starts_with('>') { value(name) } else { None };
        match found {
            Some(value) => {
                out.push_str(&value);
                rest = &tail[name_len + 2..];
            }
            None => {
                out.push('<');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The group that a tag means: `F-USER` → `user`. The tag is in capitals.
pub fn group(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("F-").filter(|name| !name.contains(|c: char| c.is_ascii_lowercase()))?;
    Some(name.to_lowercase())
}

/// `F-USER` → `f2bV_F_user`, `matches` → `f2bV_matches`.
pub fn variable(tag: &str) -> String {
    let tag = match tag.strip_prefix("F-") {
        Some(group) => format!("F_{}", group.to_lowercase()),
        None => tag.to_owned(),
    };
    let word: String = tag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("f2bV_{word}")
}

/// `192.0.2.1` → `1.2.0.192.`, IPv6 by nibbles: for a look-up in a DNS list.
pub fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.octets().iter().rev().map(|o| format!("{o}.")).collect(),
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            nibbles.map(|n| format!("{n:x}.")).collect()
        }
    }
}
