//! A record of FreeSWITCH's log.
//!
//! Its head says which source file wrote it; its text begins with the date, the level and the same file. A sender's text
//! may hold line breaks and whole records, but cannot change the head. Some records have no such beginning (`EXECUTE …`
//! of a call); nothing of interest is among them.

use super::Rendered;

/// A record as a line; `None`: its text does not begin with what its head says.
pub fn line(file: &[u8], number: &[u8], text: &[u8]) -> Option<Rendered> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let place = [b" ", file, b":", number, b" "].concat();
    // The date, the idle time and the level are not a sender's.
    let head = &text[..text.len().min(LONGEST_HEAD)];
    let at = memchr::memmem::find(head, &place).filter(|at| head[..*at].ends_with(b"]"))?;
    let level = head[..at].iter().rposition(|byte| *byte == b'[').map(|open| &head[open + 1..at - 1])?;
    let plain = !file.is_empty() && level.iter().all(u8::is_ascii_uppercase);
    let message = &text[at + place.len()..];
    plain.then(|| {
        Rendered::new("ESL", "log").field("file", file).field("line", number).field("level", level).text(message)
    })
}

/// The longest beginning of a record: a date, an idle time, a level, a file's name and a line's number.
const LONGEST_HEAD: usize = 200;
