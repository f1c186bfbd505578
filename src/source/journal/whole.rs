//! The journal from its first entry to its last, for a tool that examines it once.

use std::io::{self, Read};
use std::process::{Command, Stdio};

use super::entry::Entry;
use super::records::Records;
use super::{BLOCK, FIELDS, PROGRAM, SAID};
use crate::config::Journal;
use crate::time::Timestamp;

/// Hands on every entry that `asked` asks for, oldest first: when it was written, and its line without the newline.
/// Entries that are too long or no JSON are passed over. What `journalctl` complains about is the error.
pub fn read_all(asked: &Journal, sink: &mut dyn FnMut(Timestamp, &[u8])) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the journal has no other stable interface than its program")]
    let mut command = Command::new(PROGRAM);
    command
        .args(["-o", "json", "--all", "--quiet", "--no-pager"])
        .arg(format!("--output-fields={FIELDS}"))
        .args(&asked.options)
        .arg("--")
        .args(asked.arguments())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (mut out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let mut records = Records::default();
    let mut block = vec![0; BLOCK];
    let read = loop {
        match out.read(&mut block) {
            Ok(0) => break Ok(()),
            Ok(n) => records.take(&block[..n], &mut |json| {
                if let Some(entry) = json.and_then(Entry::parse) {
                    sink(entry.written, entry.line.strip_suffix(b"\n").unwrap_or(&entry.line));
                }
            }),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
    };
    let mut said = Vec::new();
    // What it complains about fits into the pipe, so it does not wait for this.
    let heard = read.is_ok().then(|| err.take(SAID as u64).read_to_end(&mut said));
    let _ended = child.kill();
    let status = child.wait()?;
    read?;
    heard.transpose()?;
    let said = String::from_utf8_lossy(&said);
    match said.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(why) if !status.success() => Err(io::Error::other(format!("`{PROGRAM}` says: {why}"))),
        _ => Ok(()),
    }
}
