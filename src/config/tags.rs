//! `<tag>` in the options of a filter or an action: filled in from the inside out until nothing changes, unknown tags stay.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::ini::Options;
use super::interpolate::{Fault, MAX_LENGTH};
use super::value::Value;

/// Where the value of a tag comes from.
pub trait Lookup {
    /// The value of `tag` where it is no option that is being expanded; `None`: it stays as it is.
    fn tag(&self, tag: &str) -> Result<Option<Value>, Fault>;
}

/// What tags were found to mean: it holds for all passes over the same file.
pub type Found = HashMap<String, Option<Value>>;

/// Fills in the tags of every value, from the values themselves and then from `lookup`. What is named in `ignore` is
/// neither filled in where it stands as a tag, nor are its own tags.
pub fn fill(values: &mut Options, ignore: &HashSet<&str>, lookup: &dyn Lookup, found: &mut Found) -> Result<(), Fault> {
    let names: Vec<String> = values.keys().filter(|name| !ignore.contains(name.as_str())).cloned().collect();
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let mut steps = 0;
    loop {
        let mut changed = false;
        for name in &names {
            let mut value = Cow::Borrowed(&values[name]);
            let mut at = 0;
            while let Some((start, tag)) = next_tag(value.text(), at) {
                let tag = tag.to_owned();
                if ignore.contains(tag.as_str()) {
                    at = start + tag.len() + 2;
                    continue;
                }
                if tag == *name {
                    return Err(circle(name, &tag, &value));
                }
                let replacement = match values.get(&tag) {
                    Some(value) => Some(value.clone()),
                    None => match found.get(&tag) {
                        Some(known) => known.clone(),
                        None => {
                            let looked = lookup.tag(&tag)?;
                            found.insert(tag.clone(), looked.clone());
                            looked
                        }
                    },
                };
                let Some(replacement) = replacement else {
                    at = start + tag.len() + 2;
                    continue;
                };
                let count = counts.entry((name.clone(), tag.clone())).or_default();
                *count += 1;
                steps += 1;
                let full = format!("<{tag}>");
                let hits = value.text().matches(&full).count();
                let length = value.text().len() + hits * replacement.text().len();
                if *count > MAX_REPEATS || steps > MAX_STEPS || length > MAX_LENGTH {
                    return Err(circle(name, &tag, &value));
                }
                value = Cow::Owned(value.replace(&full, &replacement));
                at = start;
            }
            let filled = match value {
                Cow::Owned(value) => Some(value),
                Cow::Borrowed(_) => None,
            };
            if let Some(value) = filled {
                values.insert(name.clone(), value);
                changed = true;
            }
        }
        if !changed {
            return Ok(());
        }
    }
}

/// How often one tag is filled in within one option; fail2ban's limit.
const MAX_REPEATS: usize = 25;

/// Tags that are filled in for one filter.
const MAX_STEPS: usize = 2_000;

/// The first `<tag>` at or behind byte `at`: no blank and no angle bracket inside.
pub fn next_tag(text: &str, at: usize) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let mut from = at;
    loop {
        let start = from + memchr::memchr(b'<', bytes.get(from..)?)?;
        let end = start + 1 + memchr::memchr3(b'<', b' ', b'>', &bytes[start + 1..])?;
        match bytes[end] {
            b'>' if end > start + 1 => return Some((start, &text[start + 1..end])),
            b'<' => from = end,
            _ => from = end + 1,
        }
    }
}

fn circle(option: &str, tag: &str, value: &Value) -> Fault {
    Fault::new(value.origin(), format!("`<{tag}>` in `{option}` leads back to itself or grows beyond all bounds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Lookup for Nothing {
        fn tag(&self, _: &str) -> Result<Option<Value>, Fault> {
            Ok(None)
        }
    }

    fn filled(values: &[(&str, &str)]) -> Result<Vec<String>, Fault> {
        let mut options: Options = values.iter().map(|(n, v)| (n.to_string(), Value::bare(*v))).collect();
        fill(&mut options, &HashSet::from(["off"]), &Nothing, &mut Found::new())?;
        Ok(options.values().map(|v| v.text().to_owned()).collect())
    }

    #[test]
    fn inner_tags_come_first_and_unknown_ones_stay() {
        let got =
            filled(&[("failregex", "<mdre-<mode>> <HOST> <a b>"), ("mode", "x"), ("mdre-x", "^<mode>$ <mdre-typo>")]);
        assert_eq!(got.expect("it is sound")[0], "^x$ <mdre-typo> <HOST> <a b>");
        assert_eq!(
            filled(&[("a", "<off> <b>"), ("off", "<b>"), ("b", "1")]).expect("it is sound"),
            ["<off> 1", "<b>", "1"]
        );
    }

    #[test]
    fn circles_are_refused() {
        assert!(filled(&[("a", "<a>")]).is_err());
        assert!(filled(&[("a", "<b>"), ("b", "<a>")]).is_err());
        assert!(filled(&[("a", "<b>"), ("b", "x<c>"), ("c", "<b>")]).is_err());
    }

    #[test]
    fn growth_is_bounded() {
        let names: Vec<(String, String)> =
            (0..30).map(|i| (format!("t{i}"), format!("<t{}>", i + 1).repeat(20))).collect();
        let values: Vec<(&str, &str)> = names.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert!(filled(&[&values[..], &[("t30", "xxxxxxxxxx")]].concat()).is_err());
        assert!(filled(&[("a", &"<".repeat(1_000_000))]).is_ok());
        assert!(filled(&[("a", &"<x>".repeat(1_000_000))]).is_ok());
    }
}
