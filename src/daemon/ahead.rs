//! Reading ahead: one thread reads a log and finds the lines that some jail has to look at, while the caller judges those
//! that were found before.
//!
//! To find them is most of the work on a log, and depends on nothing that came before; to judge them does, and stays in
//! order and in one thread. So the outcome is that of one thread, to the byte. Memory is bounded: a few blocks wait.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{Builder, available_parallelism, scope};

use super::pipe::{Candidate, Route};
use crate::source::lines::Lines;

/// Whole lines of a log with what is to be done with them.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The lines, each with its newline; perhaps none where nobody has to look at any.
    pub bytes: &'a [u8],
    /// Those that some jail has to look at.
    pub candidates: &'a [Candidate],
    /// Bytes of the log that have been read so far.
    pub read: u64,
}

/// The same, on its way to the caller's thread.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Vec<u8>,
    candidates: Vec<Candidate>,
    read: u64,
}

/// Reads `log` to its end and calls `each` for its blocks, in order. A last line without its newline counts as whole.
pub fn read(log: impl Read + Send, route: &mut Route, mut each: impl FnMut(Block<'_>)) -> io::Result<()> {
    if available_parallelism().map_or(1, usize::from) == 1 {
        return blocks(log, |bytes, read| {
            each(Block { bytes, candidates: &route.candidates(bytes), read });
            true
        });
    }
    scope(|scope| {
        let (filled, waiting) = mpsc::sync_channel(AHEAD);
        let (empty, returned) = mpsc::channel();
        let reader = Builder::new()
            .name("read ahead".into())
            .spawn_scoped(scope, move || hand_on(log, route, &filled, &returned))?;
        for block in waiting {
            let Ahead { bytes, candidates, read } = &block;
            each(Block { bytes, candidates, read: *read });
            // The reader may have come to the end.
            let _gone = empty.send(block);
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn hand_on(
    log: impl Read,
    route: &mut Route,
    filled: &SyncSender<Ahead>,
    returned: &Receiver<Ahead>,
) -> io::Result<()> {
    blocks(log, |bytes, read| {
        let mut block = returned.try_recv().unwrap_or_default();
        block.candidates = route.candidates(bytes);
        block.bytes.clear();
        // A record that has begun goes on with lines that are no candidates.
        if !block.candidates.is_empty() || route.has_records() {
            block.bytes.extend_from_slice(bytes);
        }
        block.read = read;
        filled.send(block).is_ok()
    })
}

/// Calls `each` for runs of whole lines, with what has been read so far, until it says that nobody listens.
fn blocks(mut log: impl Read, mut each: impl FnMut(&[u8], u64) -> bool) -> io::Result<()> {
    let (mut lines, mut done, mut heard) = (Lines::default(), 0, true);
    while heard {
        match log.read(lines.space()) {
            Ok(0) => break,
            Ok(read) => {
                done += read as u64;
                lines.take(read, &mut |bytes| heard = heard && each(bytes, done));
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    lines.finish(&mut |bytes| heard = heard && each(bytes, done));
    Ok(())
}

/// Blocks that wait to be judged, at most.
const AHEAD: usize = 8;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::config;
    use crate::daemon::pipe::{Pipe, PipeJail};
    use crate::filter::Filter;
    use crate::line::Batch;
    use crate::ticket::Failure;
    use crate::time::{Span, Timestamp};

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn pipe() -> Pipe {
        let jail = |j: &config::JailSettings| PipeJail {
            name: j.name.as_str().into(),
            filter: Filter::new(j, &TimeZone::UTC).ok().unwrap().0,
            unwrap: j.unwrap,
            findtime: Span(i64::MAX),
        };
        Pipe::new(config::load(Path::new("/nonexistent")).jails.iter().map(jail).collect())
    }

    /// What one thread makes of the log, in the same blocks.
    fn by_one(log: impl Read) -> Vec<(Arc<str>, Failure)> {
        let (mut pipe, mut failures) = (pipe(), Vec::new());
        let mut route = pipe.route_to_all();
        blocks(log, |bytes, _| {
            pipe.batch(&mut route, &Batch { bytes, live: false, time: None }, NOW, &mut failures);
            true
        })
        .unwrap();
        failures
    }

    fn by_two(log: impl Read + Send) -> (Vec<(Arc<str>, Failure)>, u64) {
        let (mut pipe, mut failures) = (pipe(), Vec::new());
        let mut route = pipe.route_to_all();
        let mut end = 0;
        read(log, &mut route, |block| {
            let batch = Batch { bytes: block.bytes, live: false, time: None };
            pipe.judge(block.candidates, &batch, NOW, &mut failures);
            end = block.read;
        })
        .unwrap();
        (failures, end)
    }

    /// Each line of the sample logs that come with the tests.
    fn samples() -> Vec<Vec<u8>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
        let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let files = files.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
        files.flat_map(|text| text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        /// Dates are lent to lines without one, sessions and windows are kept: all of it depends on the order.
        #[test]
        fn two_threads_find_what_one_finds(
            picks in prop::collection::vec((any::<prop::sample::Index>(), 1usize..20, any::<bool>()), 50..400),
        ) {
            let samples = samples();
            let mut log = Vec::new();
            for (pick, times, undated) in picks {
                let line = pick.get(&samples);
                for _ in 0..times {
                    log.extend_from_slice(if undated { line.get(22..).unwrap_or_default() } else { line });
                    log.push(b'\n');
                }
            }
            log.extend_from_slice(b"and no end");
            prop_assert_eq!(by_two(&log[..]), (by_one(&log[..]), log.len() as u64));
        }
    }

    #[test]
    fn a_record_goes_on_through_a_block_in_which_nobody_has_to_look_at_a_line() {
        let head =
            "[2026-11-20 09:59:59] NOTICE[12] res_pjsip_session.c:  anonymous: Call (UDP:192.0.2.1:5060) to extension";
        let torn = format!("{head} '9\n");
        let quiet = "x\n".repeat(300);
        let whole = format!("{head} '900972599580679' rejected because extension not found in context 'default'.\n")
            .replace("2.1:", "2.2:");
        let log = || torn.as_bytes().chain(quiet.as_bytes()).chain(whole.as_bytes());
        let one = by_one(log());
        assert!(one.iter().any(|(_, failure)| failure.who.to_string() == "192.0.2.2"));
        assert_eq!(by_two(log()).0, one);
    }

    #[test]
    fn a_log_that_cannot_be_read_is_an_error_after_what_could_be() {
        struct Broken(u8);
        impl Read for Broken {
            fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(io::ErrorKind::Interrupted.into()),
                    2..100 => {
                        space[..2].copy_from_slice(b"a\n");
                        Ok(2)
                    }
                    _ => Err(io::ErrorKind::NotFound.into()),
                }
            }
        }
        let mut seen = 0;
        let read = read(Broken(0), &mut pipe().route_to_all(), |block| seen = block.read);
        assert_eq!((read.map_err(|e| e.kind()), seen), (Err(io::ErrorKind::NotFound), 196));
    }
}
