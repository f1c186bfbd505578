//! Logs for the benches, made from a seed: the same numbers, the same bytes.
//!
//! What a PBX writes is mostly the noise of its dialplan. Among it stand the attacks, and lines that look like them and are
//! none: the SecurityEvents of good phones, FreeSWITCH's challenges. A [`Corpus`] says how many of each; its [`Tally`], how
//! many there were in the end. An attack is a line of which fail2ban's filters and the stock ones both make one failure.

#![allow(dead_code, reason = "each bench takes what it needs")]

mod asterisk;
mod freeswitch;
mod random;

use std::io::{self, Write};
use std::net::Ipv4Addr;

use random::Random;

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pbx {
    Asterisk,
    FreeSwitch,
}

/// What a log is to be.
#[derive(Clone, Copy, Debug)]
pub struct Corpus {
    pub pbx: Pbx,
    pub lines: usize,
    /// The share of attacks, 0 to 1.
    pub attacks: f64,
    /// From how many addresses they come, each as often as the others; at most 131,072.
    pub addresses: u32,
    /// The first line's second since 1970, UTC.
    pub start: i64,
    /// How many lines have the same second.
    pub per_second: usize,
    pub seed: u64,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub lines: usize,
    pub bytes: usize,
    pub attacks: usize,
    /// Lines that look like attacks and are none.
    pub look_alikes: usize,
}

impl Corpus {
    /// A usual day: 2 % attacks.
    pub fn mixed(pbx: Pbx, lines: usize) -> Corpus {
        Corpus { pbx, lines, attacks: 0.02, addresses: 5_000, start: START, per_second: 40, seed: SEED }
    }

    /// A quiet one: 0.05 %.
    pub fn quiet(pbx: Pbx, lines: usize) -> Corpus {
        Corpus { attacks: 0.0005, addresses: 100, ..Corpus::mixed(pbx, lines) }
    }

    /// Under attack: 90 % from 50,000 addresses.
    pub fn under_attack(pbx: Pbx, lines: usize) -> Corpus {
        Corpus { attacks: 0.9, addresses: 50_000, per_second: 5_000, ..Corpus::mixed(pbx, lines) }
    }

    /// Writes the log.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<Tally> {
        let (mut random, mut tally) = (Random::new(self.seed), Tally::default());
        let (mut line, mut clock) = (Vec::with_capacity(1024), Clock::new(self.pbx));
        for n in 0..self.lines {
            line.clear();
            let date = clock.date(self.start + (n / self.per_second) as i64);
            let dice = random.share();
            let kind = if dice < self.attacks {
                let address = address(tally.attacks as u32, self.addresses);
                tally.attacks += 1;
                Kind::Attack(address)
            } else if dice < self.attacks + (1.0 - self.attacks) * LOOK_ALIKES / 0.98 {
                tally.look_alikes += 1;
                Kind::LookAlike
            } else {
                Kind::Noise
            };
            match self.pbx {
                Pbx::Asterisk => asterisk::line(kind, date, &mut random, &mut line)?,
                Pbx::FreeSwitch => {
                    // Time goes on, as it does on a real server.
                    let micros = (n % self.per_second * 1_000_000 / self.per_second) as u64;
                    freeswitch::line(kind, date, micros, &mut random, &mut line)?;
                }
            }
            line.push(b'\n');
            tally.bytes += line.len();
            out.write_all(&line)?;
        }
        tally.lines = self.lines;
        Ok(tally)
    }
}

/// What a line is.
#[derive(Clone, Copy)]
enum Kind {
    Attack(Ipv4Addr),
    LookAlike,
    Noise,
}

/// The `n`-th attacker of so many: in no order, and after `addresses` of them the first again.
pub fn address(n: u32, addresses: u32) -> Ipv4Addr {
    let scattered = u64::from(n) * 7_919 % u64::from(addresses);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + scattered as u32)
}

/// An Asterisk log of `lines` lines; one in `every` is an attack.
pub fn log(lines: usize, every: f64) -> Vec<u8> {
    let mut out = Vec::new();
    let corpus = Corpus { attacks: 1.0 / every, addresses: 50_000, ..Corpus::mixed(Pbx::Asterisk, lines) };
    corpus.write(&mut out).expect("memory takes it");
    out
}

/// An Asterisk line that the stock filter matches.
pub fn attack(n: usize) -> String {
    asterisk(Kind::Attack(address(n as u32, 50_000)), n)
}

/// The same by this address in this second since 1970; `n` says of which kind.
pub fn attack_at(address: Ipv4Addr, second: i64, n: usize) -> String {
    line(Kind::Attack(address), second, n)
}

/// One that looks like an attack and is none.
pub fn near_miss(n: usize) -> String {
    asterisk(Kind::LookAlike, n)
}

/// What most of a log is.
pub fn miss(n: usize) -> String {
    asterisk(Kind::Noise, n)
}

/// The `n`-th line, forty a second.
fn asterisk(kind: Kind, n: usize) -> String {
    line(kind, START + (n / 40) as i64, n)
}

fn line(kind: Kind, second: i64, n: usize) -> String {
    let (mut line, mut clock) = (Vec::new(), Clock::new(Pbx::Asterisk));
    asterisk::line(kind, clock.date(second), &mut Random::new(n as u64), &mut line).expect("memory takes it");
    String::from_utf8(line).expect("text")
}

/// Dates as the log writes them; of the second that it was asked for last it remembers the text.
struct Clock {
    form: &'static str,
    second: Option<i64>,
    text: String,
}

impl Clock {
    fn new(pbx: Pbx) -> Clock {
        let form = match pbx {
            Pbx::Asterisk => "[%Y-%m-%d %H:%M:%S] ",
            Pbx::FreeSwitch => "%Y-%m-%d %H:%M:%S",
        };
        Clock { form, second: None, text: String::new() }
    }

    fn date(&mut self, second: i64) -> &str {
        if self.second != Some(second) {
            let time = jiff::Timestamp::from_second(second).expect("a second of this age");
            self.text = time.strftime(self.form).to_string();
            self.second = Some(second);
        }
        &self.text
    }
}

/// Of a usual day's lines.
const LOOK_ALIKES: f64 = 0.16;
/// 2026-11-19 10:00:00 UTC.
const START: i64 = 1_795_082_400;
const SEED: u64 = 5;
