//! Where in a log to begin: the first line that may be younger than a moment, found by binary search.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::time::Timestamp;

/// Reads the moment that a line (without its newline) says.
pub type Dater<'a> = dyn FnMut(&[u8]) -> Option<Timestamp> + 'a;

/// The start of a line before which every line is older than `target`, as far as the dates are in order.
///
/// The log counts as older than `target` up to a place only if the next few lines there that have a date all say so: a
/// single odd date (a forged line) moves nothing. Stretches without dates are taken as young.
pub(super) fn first_since(file: &File, size: u64, target: Timestamp, date: &mut Dater<'_>) -> u64 {
    let mut block = vec![0; PROBE];
    let (mut old, mut young) = (0, size);
    while young - old > PROBE as u64 {
        let middle = old + (young - old) / 2;
        match older_at(file, middle, young, target, date, &mut block) {
            Some(line) if line > old => old = line,
            _ => young = middle,
        }
    }
    old
}

/// The start of the first whole line after `from`, if what follows is older than `target`.
fn older_at(file: &File, from: u64, to: u64, target: Timestamp, date: &mut Dater<'_>, block: &mut [u8]) -> Option<u64> {
    let mut at = from;
    let mut newest = None;
    let mut start = None;
    let mut dated = 0;
    for _ in 0..BLOCKS {
        let n = file.read_at(block, at).ok()?;
        let part = &block[..n];
        let first = memchr::memchr(b'\n', part)? + 1;
        let last = memchr::memrchr(b'\n', part)? + 1;
        start = start.or(Some(at + first as u64));
        for line in part[first..last].split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if let Some(time) = date(line) {
                newest = newest.max(Some(time));
                dated += 1;
            }
            if dated == DATED {
                break;
            }
        }
        at += last as u64 - 1;
        if dated == DATED || at >= to || last == first {
            break;
        }
    }
    start.filter(|start| *start < to && newest.is_some_and(|newest| newest < target))
}

const PROBE: usize = 16 * 1024;

/// Probes in a row while there are no dates.
const BLOCKS: usize = 4;

/// Dated lines that must agree.
const DATED: usize = 5;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn date(line: &[u8]) -> Option<Timestamp> {
        let text = std::str::from_utf8(line).ok()?.split(' ').next()?;
        text.parse().ok().map(Timestamp::from_secs)
    }

    fn begin(text: &str, target: i64) -> usize {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
        first_since(&file, text.len() as u64, Timestamp::from_secs(target), &mut date) as usize
    }

    #[test]
    fn nothing_young_is_passed_over_and_little_that_is_old_is_read() {
        let lines: Vec<String> = (0..20_000).map(|n| format!("{} some words that fill the line\n", 1000 + n)).collect();
        let text = lines.concat();
        for target in [0, 1000, 1500, 7777, 20_999, 30_000] {
            let at = begin(&text, target);
            assert!(at == 0 || text.as_bytes()[at - 1] == b'\n');
            let wanted = text.find(&format!("{target} ")).unwrap_or(if target < 1000 { 0 } else { text.len() });
            assert!(at <= wanted && wanted - at <= 2 * PROBE, "{target}: {at} {wanted}");
        }
    }

    #[test]
    fn stretches_without_dates_do_not_break_it() {
        let mut text = String::new();
        for n in 0..3000 {
            text += &format!("{} dated\n", 1000 + n);
            if n % 100 == 0 {
                text += &"  a stack trace without a date\n".repeat(500);
            }
        }
        for target in [1000, 2000, 3990] {
            let at = begin(&text, target);
            let wanted = text.find(&format!("{target} ")).expect("it is there");
            assert!(at <= wanted, "{target}");
        }
        assert!(begin(&text, 3990) > text.len() / 2);
        assert_eq!(begin(&"no date\n".repeat(100_000), 5), 0);
        assert_eq!(begin(&"x".repeat(1_000_000), 5), 0);
        assert_eq!(begin("", 5), 0);
    }

    #[test]
    fn one_forged_old_date_moves_nothing() {
        let mut text = "9000 young\n".repeat(10_000);
        text += "5 forged\n";
        text += &"9000 young\n".repeat(10_000);
        for offset in 0..40 {
            let shifted = format!("{}{text}", "9000 y\n".repeat(offset * 37));
            assert_eq!(begin(&shifted, 8000), 0);
        }
    }
}
