//! The bytes that `journalctl` writes become its lines, one for each entry; memory is bounded whatever it writes.

use memchr::memchr;

/// The longest line that is handed on. A byte of a message takes six at most.
pub const MAX_RECORD: usize = 1024 * 1024;

/// An unfinished line between two reads.
#[derive(Debug, Default)]
pub struct Records {
    buffer: Vec<u8>,
    /// The unfinished line is too long, and passed over up to its end.
    skipping: bool,
}

impl Records {
    /// Hands on every line that is complete now, without its newline; `None` stands for one that is too long.
    pub fn take(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Option<&[u8]>)) {
        while let Some(newline) = memchr(b'\n', bytes) {
            let line = &bytes[..newline];
            bytes = &bytes[newline + 1..];
            if std::mem::take(&mut self.skipping) {
                sink(None);
            } else if self.buffer.is_empty() {
                sink(Some(line));
            } else {
                self.buffer.extend_from_slice(line);
                sink(Some(&self.buffer));
                self.buffer = Vec::new();
            }
        }
        if !self.skipping {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() > MAX_RECORD {
                self.buffer = Vec::new();
                self.skipping = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(text: &[u8], chunk: usize) -> Vec<Option<Vec<u8>>> {
        let mut records = Records::default();
        let mut out = Vec::new();
        for bytes in text.chunks(chunk) {
            records.take(bytes, &mut |line| out.push(line.map(<[u8]>::to_vec)));
            assert!(records.buffer.len() <= MAX_RECORD);
        }
        out
    }

    #[test]
    fn lines_do_not_depend_on_the_reads() {
        for chunk in [1, 2, 3, 100] {
            let lines = play(b"one\n\ntwo\nunfinished", chunk);
            assert_eq!(lines, [Some(b"one".to_vec()), Some(Vec::new()), Some(b"two".to_vec())], "{chunk}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_not() {
        let text = [&b"a\n"[..], &vec![b'x'; 3 * MAX_RECORD], b"\nb\n"].concat();
        assert_eq!(play(&text, 32 * 1024), [Some(b"a".to_vec()), None, Some(b"b".to_vec())]);
    }
}
