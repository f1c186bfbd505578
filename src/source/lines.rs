//! Bytes as they were read become whole lines.
//!
//! A [`Lines`] lends its free space to whoever reads, and hands on the longest run of whole lines after each read. The
//! beginning of a line whose newline has not come yet is carried over. Memory is bounded whatever is written: of a
//! line longer than [`MAX_LINE`] its first [`MAX_LINE`] bytes are handed on as a line, and the rest is passed over up to
//! the next newline. The outcome does not depend on how the bytes were split into reads.

use memchr::{memchr, memrchr};

/// The longest line that is handed on whole, without its newline.
pub const MAX_LINE: usize = 64 * 1024;

/// The most that is read at once.
pub const BLOCK: usize = 256 * 1024;

/// The lines of one log, between two reads.
#[derive(Debug, Default)]
pub struct Lines {
    /// The unfinished line first, then free space.
    buffer: Vec<u8>,
    filled: usize,
    /// How much free space the next read gets: grows under load, so that a quiet log costs little memory.
    want: usize,
    /// The unfinished line was too long and has been handed on already.
    skipping: bool,
    unfinished: u64,
    cut: u64,
}

impl Lines {
    /// Where the next bytes go: at most [`BLOCK`] bytes, never none.
    pub fn space(&mut self) -> &mut [u8] {
        self.want = self.want.clamp(LITTLE, BLOCK);
        let end = self.filled + self.want;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// Takes the first `n` bytes of [`Lines::space`] as read and hands on whole lines, each with its newline.
    pub fn take(&mut self, n: usize, sink: &mut dyn FnMut(&[u8])) {
        if n == self.want {
            self.want *= 2;
        }
        let end = self.filled + n;
        let mut line = 0;
        if self.skipping {
            match memchr(b'\n', &self.buffer[..end]) {
                Some(newline) => line = newline + 1,
                None => {
                    self.unfinished += n as u64;
                    return;
                }
            }
            self.skipping = false;
        }
        let mut start = line;
        while line < end {
            let window = &self.buffer[line..end.min(line + MAX_LINE + 1)];
            if let Some(newline) = memrchr(b'\n', window) {
                line += newline + 1;
                continue;
            }
            if window.len() <= MAX_LINE {
                break;
            }
            let over = line + MAX_LINE;
            self.buffer[over] = b'\n';
            sink(&self.buffer[start..=over]);
            self.cut += 1;
            match memchr(b'\n', &self.buffer[over + 1..end]) {
                Some(newline) => line = over + 1 + newline + 1,
                None => {
                    self.skipping = true;
                    self.unfinished = (end - line) as u64;
                    self.filled = 0;
                    return;
                }
            }
            start = line;
        }
        if line > start {
            sink(&self.buffer[start..line]);
        }
        self.buffer.copy_within(line..end, 0);
        self.filled = end - line;
        self.unfinished = self.filled as u64;
    }

    /// Hands on the unfinished line as if its newline had come: nothing more will be written.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.filled > 0 {
            self.buffer.truncate(self.filled);
            self.buffer.push(b'\n');
            sink(&self.buffer);
        }
        *self = Lines { cut: self.cut, ..Lines::default() };
    }

    /// Gives back what a burst needed.
    pub fn rest(&mut self) {
        self.want = LITTLE;
        if self.buffer.len() > 2 * LITTLE + self.filled {
            self.buffer.truncate(self.filled);
            self.buffer.shrink_to_fit();
        }
    }

    /// Bytes of the unfinished line, those included that were handed on or passed over because it is too long.
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Lines that were too long, so far.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

const LITTLE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn play(reads: &[&[u8]]) -> (Vec<Vec<u8>>, Lines) {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for read in reads {
            feed(&mut lines, read, &mut out);
        }
        (out, lines)
    }

    fn feed(lines: &mut Lines, mut bytes: &[u8], out: &mut Vec<Vec<u8>>) {
        while !bytes.is_empty() {
            let space = lines.space();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            lines.take(n, &mut |batch| {
                assert_eq!(batch.last(), Some(&b'\n'));
                out.extend(batch.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec));
            });
        }
    }

    #[test]
    fn a_line_in_two_writes_is_one_line() {
        let (out, lines) = play(&[b"a\nFailed password for inv", b"alid user x\nb"]);
        assert_eq!(out, [&b"a\n"[..], b"Failed password for invalid user x\n"]);
        assert_eq!(lines.unfinished(), 1);
    }

    #[test]
    fn only_a_newline_ends_a_line() {
        let (out, _) = play(&[b"a\r\0b\xe2\x80\xa8c\x0b\xff\r\n\n"]);
        assert_eq!(out, [&b"a\r\0b\xe2\x80\xa8c\x0b\xff\r\n"[..], b"\n"]);
    }

    #[test]
    fn a_line_of_the_greatest_length_is_whole_and_one_byte_more_is_cut() {
        for (length, cut) in [(MAX_LINE, 0), (MAX_LINE + 1, 1), (BLOCK * 3, 1)] {
            let mut text = b"first\n".to_vec();
            text.extend(std::iter::repeat_n(b'x', length));
            text.extend(b"\nlast\n");
            for chunk in [1000, 16 * 1024, BLOCK] {
                let (out, lines) = play(&text.chunks(chunk).collect::<Vec<_>>());
                assert_eq!(out.len(), 3, "{length} {chunk}");
                assert_eq!(out[1].len(), MAX_LINE + 1);
                assert_eq!(out[2], b"last\n");
                assert_eq!(lines.cut(), cut);
                assert_eq!(lines.unfinished(), 0);
            }
        }
    }

    #[test]
    fn a_stream_without_newlines_needs_little_memory() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let block = vec![b'x'; BLOCK];
        for _ in 0..80 {
            feed(&mut lines, &block, &mut out);
            assert!(lines.capacity() <= 2 * (BLOCK + MAX_LINE), "{}", lines.capacity());
        }
        assert_eq!(lines.unfinished(), 80 * BLOCK as u64);
        feed(&mut lines, b"\nnext\n", &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(lines.unfinished(), 0);
        lines.rest();
        assert!(lines.capacity() <= 3 * LITTLE);
    }

    #[test]
    fn the_end_of_a_log_ends_its_last_line() {
        let (mut out, mut lines) = play(&[b"a\nb"]);
        lines.finish(&mut |batch| out.push(batch.to_vec()));
        lines.finish(&mut |batch| out.push(batch.to_vec()));
        assert_eq!(out, [b"a\n", b"b\n"]);
    }
}
