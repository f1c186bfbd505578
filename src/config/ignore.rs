//! `ignoreip` and `ignorecache`: who is never counted, as values.

use std::fmt;
use std::net::IpAddr;

use super::value::Value;
use super::{IgnoreCache, IgnoreItem, Original, Problem, Severity, brackets};
use crate::addr::Id;
use crate::time::Span;

/// Reads `ignoreip`: words between blanks and commas.
pub fn list(value: &Value, problems: &mut Vec<Problem>) -> Vec<IgnoreItem> {
    let mut items = Vec::new();
    for line in value.lines() {
        for word in line.text.split(|c: char| c == ',' || super::ini::is_space(c)).filter(|word| !word.is_empty()) {
            match item(word) {
                Ok(item) => items.push(item),
                Err((severity, message, item)) => {
                    let stops = if severity == Severity::Error { Original::StopsServer } else { Original::Ignores };
                    problems.push(Problem::new(severity, line.origin.clone(), message).fail2ban(stops));
                    items.extend(item);
                }
            }
        }
    }
    items
}

impl IgnoreItem {
    /// Reads one word, with nobody there to be told of a doubt: a doubtful word is an error.
    pub fn parse(word: &str) -> Result<IgnoreItem, String> {
        item(word).map_err(|(_, message, _)| message)
    }
}

impl fmt::Display for IgnoreItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IgnoreItem::Net(id) => id.fmt(f),
            IgnoreItem::Name(name) => f.write_str(name),
            IgnoreItem::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

type Doubtful = (Severity, String, Option<IgnoreItem>);

fn item(word: &str) -> Result<IgnoreItem, Doubtful> {
    if let Some(path) = word.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Ok(IgnoreItem::File(path.into()));
    }
    match Id::parse(word) {
        Id::Raw(_) => {}
        id => return Ok(IgnoreItem::Net(id)),
    }
    if let Some((addr, len)) = word.split_once('/') {
        let Ok(ip) = addr.parse::<IpAddr>() else {
            let message = format!("`{word}` in `ignoreip` is no network; an IPv6 network stands without brackets");
            return Err((Severity::Warning, message, None));
        };
        if len.parse::<IpAddr>().is_ok() {
            return Err((Severity::Error, format!("`{len}` in `ignoreip` is no network mask"), None));
        }
        let message = format!("`{word}` in `ignoreip` is longer than an address; it means `{addr}` alone");
        return match len.bytes().all(|b| b.is_ascii_digit()) && !len.is_empty() {
            true => Err((Severity::Warning, message, Some(IgnoreItem::Net(Id::from(ip))))),
            false => Err((Severity::Warning, format!("`{word}` in `ignoreip` is no network and is passed over"), None)),
        };
    }
    if word.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c)) && word.chars().any(char::is_alphabetic) {
        return Ok(IgnoreItem::Name(word.to_owned()));
    }
    let message = format!("`{word}` in `ignoreip` is neither an address nor a name and is passed over");
    Err((Severity::Warning, message, None))
}

/// Reads `ignorecache`: `key="<ip>", max-count=100, max-time=5m`.
pub fn cache(value: &Value) -> Result<Option<IgnoreCache>, String> {
    let text = value.text();
    if super::ini::trim(text).is_empty() {
        return Ok(None);
    }
    let parameters = brackets::list(text, 0..text.len()).map_err(|(_, wrong)| wrong.to_string())?;
    let mut cache = IgnoreCache { key: String::new(), max_count: 100, max_time: Span::from_secs(300) };
    for (name, range) in parameters {
        let text = &text[range];
        match name {
            "key" => cache.key = text.to_owned(),
            "max-count" => {
                let count = super::number::int(text).and_then(|n| usize::try_from(n).ok());
                cache.max_count = count.ok_or_else(|| format!("`max-count` is a whole number, not `{text}`"))?;
            }
            "max-time" => cache.max_time = Span::parse(text).map_err(|e| e.to_string())?,
            name => return Err(format!("`ignorecache` knows `key`, `max-count` and `max-time`, not `{name}`")),
        }
    }
    if cache.key.is_empty() {
        return Err("`ignorecache` needs a `key`, for example `key=\"<ip>\"`".to_owned());
    }
    Ok(Some(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<IgnoreItem>, Vec<Severity>) {
        let mut problems = Vec::new();
        let items = list(&Value::bare(text), &mut problems);
        (items, problems.into_iter().map(|p| p.severity).collect())
    }

    #[test]
    fn words_are_addresses_networks_names_and_files() {
        let net = |text| IgnoreItem::Net(Id::parse(text));
        let (items, problems) = read(
            "127.0.0.1/8 ::1,192.168.1.1/24\n 10.0.0.0/255.0.0.0, ::ffff:5.6.7.8 pbx.example file:/etc/x file:///a file:rel",
        );
        assert_eq!(problems, []);
        let expected = [
            net("127.0.0.0/8"),
            net("::1"),
            net("192.168.1.0/24"),
            net("10.0.0.0/8"),
            net("5.6.7.8"),
            IgnoreItem::Name("pbx.example".into()),
            IgnoreItem::File("/etc/x".into()),
            IgnoreItem::File("/a".into()),
            IgnoreItem::File("rel".into()),
        ];
        assert_eq!(items, expected);
    }

    #[test]
    fn doubtful_words_are_reported() {
        assert_eq!(read("10.0.0.1/40"), (vec![IgnoreItem::Net(Id::parse("10.0.0.1"))], vec![Severity::Warning]));
        assert_eq!(read("10.0.0.1/255.0.255.0"), (vec![], vec![Severity::Error]));
        assert_eq!(read("# [2001:db8::]/48"), (vec![], vec![Severity::Warning; 2]));
    }

    #[test]
    fn a_cache_has_a_key() {
        let cache = |text| cache(&Value::bare(text));
        let expected = IgnoreCache { key: "<ip>".into(), max_count: 100, max_time: Span::from_secs(60) };
        assert_eq!(cache("key=\"<ip>\", max-time=1m"), Ok(Some(expected)));
        assert_eq!(cache(""), Ok(None));
        for text in ["max-count=1", "key=<ip>, max-count=x", "key=<ip>, age=1", "key"] {
            assert!(cache(text).is_err(), "{text}");
        }
    }
}
