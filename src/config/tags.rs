//! `<tag>` in the options of a filter or an action: filled in from the inside out until nothing changes, unknown tags stay.

use std::collections::{HashMap, HashSet};

use super::ini::{Options, Quick};
use super::interpolate::{Fault, MAX_LENGTH};
use super::value::Value;

/// Where the value of a tag comes from.
pub trait Lookup {
    /// The value of `tag` where it is no option that is being expanded; `None`: it stays as it is.
    fn tag(&self, tag: &str) -> Result<Option<Value>, Fault>;
}

/// What tags were found to mean: it holds for all passes over the same file.
pub type Found = HashMap<String, Option<Value>, Quick>;

/// Fills in the tags of every value, from the values themselves and then from `lookup`. What is named in `ignore` is
/// neither filled in where it stands as a tag, nor are its own tags.
pub fn fill(values: &mut Options, ignore: &HashSet<&str>, lookup: &dyn Lookup, found: &mut Found) -> Result<(), Fault> {
    let names = values.keys().enumerate().filter(|(_, name)| !ignore.contains(name.as_str()));
    let mut open: Vec<Unfilled> = names.map(|(at, _)| Unfilled { at, counts: Vec::new() }).collect();
    let mut steps = 0;
    while !open.is_empty() {
        let mut next = Vec::new();
        for mut unfilled in open {
            let again = unfilled.round(values, ignore, lookup, found, &mut steps)?;
            next.extend(again.then_some(unfilled));
        }
        open = next;
    }
    Ok(())
}

/// A value that may hold tags which mean something.
struct Unfilled {
    /// Its place among the values.
    at: usize,
    /// How often each tag was filled in.
    counts: Vec<(String, usize)>,
}

impl Unfilled {
    /// Fills in what is a tag by now, from the begin to the end. Whether a tag may have come about around one that was
    /// filled in, which is left to another round.
    fn round(
        &mut self,
        values: &mut Options,
        ignore: &HashSet<&str>,
        lookup: &dyn Lookup,
        found: &mut Found,
        steps: &mut usize,
    ) -> Result<bool, Fault> {
        let (name, before) = values.get_index(self.at).expect("no value is taken away");
        let mut value = before.clone();
        let (mut from, mut again, mut changed) = (0, false, false);
        while let Some((start, tag)) = next_tag(value.text(), from) {
            let behind = start + tag.len() + 2;
            if ignore.contains(tag) {
                from = behind;
                continue;
            }
            if tag == name {
                return Err(circle(name, tag, &value));
            }
            let meant = match values.get(tag) {
                Some(value) => Some(value.clone()),
                None => match found.get(tag) {
                    Some(known) => known.clone(),
                    None => {
                        let looked = lookup.tag(tag)?;
                        found.insert(tag.to_owned(), looked.clone());
                        looked
                    }
                },
            };
            let Some(meant) = meant else {
                from = behind;
                continue;
            };
            *steps += 1;
            let repeats = self.count(tag);
            let full = &value.text()[start..behind];
            let filled = value.replace(full, &meant, MAX_LENGTH);
            let Some(filled) = filled.filter(|_| repeats <= MAX_REPEATS && *steps <= MAX_STEPS) else {
                return Err(circle(name, tag, &value));
            };
            again |= is_inside(value.text(), start);
            (value, from, changed) = (filled, start, true);
        }
        if changed {
            values[self.at] = value;
        }
        Ok(again)
    }

    fn count(&mut self, tag: &str) -> usize {
        match self.counts.iter_mut().find(|(known, _)| known == tag) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.counts.push((tag.to_owned(), 1));
                1
            }
        }
    }
}

/// Whether byte `at` stands in a tag that began before it.
fn is_inside(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    memchr::memrchr3(b'<', b' ', b'>', &bytes[..at]).is_some_and(|before| bytes[before] == b'<')
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
    use indexmap::IndexMap;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    struct Nothing;

    impl Lookup for Nothing {
        fn tag(&self, _: &str) -> Result<Option<Value>, Fault> {
            Ok(None)
        }
    }

    fn filled(values: &[(&str, &str)]) -> Result<Vec<String>, Fault> {
        let mut options: Options = values.iter().map(|(n, v)| (n.to_string(), Value::bare(*v))).collect();
        fill(&mut options, &HashSet::from(["off"]), &Nothing, &mut Found::default())?;
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

    /// The plain way: every value again from its begin until nothing changes any more.
    fn plainly(values: &mut IndexMap<String, String>) -> Option<()> {
        let mut counts: HashMap<(String, String), usize> = HashMap::new();
        loop {
            let before = values.clone();
            for name in before.keys().filter(|name| *name != "off") {
                let mut text = values[name].clone();
                let mut from = 0;
                while let Some((start, tag)) = next_tag(&text, from) {
                    let (tag, behind) = (tag.to_owned(), start + tag.len() + 2);
                    if tag == *name {
                        return None;
                    }
                    let Some(meant) = values.get(&tag).filter(|_| tag != "off") else {
                        from = behind;
                        continue;
                    };
                    let count = counts.entry((name.clone(), tag.clone())).or_default();
                    *count += 1;
                    if *count > MAX_REPEATS || text.len() > 1_000_000 {
                        return None;
                    }
                    text = text.replace(&format!("<{tag}>"), meant);
                    from = start;
                }
                values.insert(name.clone(), text);
            }
            if *values == before {
                return Some(());
            }
        }
    }

    proptest! {
        #[test]
        fn rounds_over_what_is_open_find_the_same_as_rounds_over_everything(
            texts in vec(vec(select(&["<", ">", " ", "a", "b", "c", "<a>", "<b>", "<c>", "<d>", "<off>", "<ab>"][..]), 0..7), 5)
        ) {
            let names = ["a", "b", "ab", "c", "off"];
            let texts = texts.iter().map(|pieces| pieces.concat());
            let mut values: IndexMap<String, String> = names.map(str::to_owned).into_iter().zip(texts).collect();
            let given: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let got = filled(&given).ok();
            let expected = plainly(&mut values).map(|()| values.into_values().collect::<Vec<_>>());
            prop_assert_eq!(got, expected);
        }
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
