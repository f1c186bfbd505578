//! How long a ban lasts: `bantime` and its growth with every earlier ban (`bantime.increment` and its family).
//!
//! The length is decided before the firewall acts, so that the first entry is the right one. fail2ban bans first and
//! prolongs a little later.

use crate::config::Increment;
use crate::expr::ExprError;
use crate::time::{Bantime, Span};

/// The length of a ban for somebody who was banned `before` times; `None`: the jail's own `bantime`, whatever that is.
///
/// `random` gives numbers from 0 up to 1, for `bantime.rndtime` and `random.random()`. As in fail2ban, a first ban has
/// no random part, and the random part may exceed `maxtime`. A formula without a value is an error.
pub fn grown(
    bantime: Bantime,
    increment: &Increment,
    before: u32,
    random: &mut dyn FnMut() -> f64,
) -> Result<Option<Bantime>, ExprError> {
    let Bantime::For(base) = bantime else { return Ok(None) };
    if !increment.enabled || before == 0 {
        return Ok(None);
    }
    let base = base.as_secs_f64();
    let mut secs = if let Some(last) = increment.multipliers.len().checked_sub(1) {
        base * increment.factor * increment.multipliers[last.min(before as usize)]
    } else {
        let names = [("ban.Time", base), ("ban.Count", f64::from(before)), ("banFactor", increment.factor)];
        increment.formula.eval_with(&names, random)?.max(base)
    };
    if let Some(max) = increment.maxtime {
        secs = secs.min(max.as_secs_f64());
    }
    if let Some(range) = increment.rndtime {
        secs += random() * range.as_secs_f64();
    }
    Ok(Some(Bantime::For(Span::from_secs_f64(secs))))
}

/// An `Option<Bantime>` in half the room: there may be a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(i64);

impl Length {
    const NONE: i64 = i64::MIN;
    const FOREVER: i64 = i64::MAX;

    /// What it stands for.
    pub fn get(self) -> Option<Bantime> {
        match self.0 {
            Length::NONE => None,
            Length::FOREVER => Some(Bantime::Forever),
            micros => Some(Bantime::For(Span(micros))),
        }
    }
}

impl From<Option<Bantime>> for Length {
    fn from(bantime: Option<Bantime>) -> Length {
        Length(match bantime {
            None => Length::NONE,
            Some(Bantime::Forever) => Length::FOREVER,
            Some(Bantime::For(span)) => span.0.clamp(Length::NONE + 1, Length::FOREVER - 1),
        })
    }
}

/// How many failures one failure of somebody who was banned `before` times stands for (1: it stands for itself).
/// The second value is the number as fail2ban writes it.
pub fn weight(before: u32, maxretry: u32) -> (u32, String) {
    if before == 0 {
        return (1, "1".into());
    }
    let weight = 2_u32.pow(before.min(20)) / 2 + 1;
    if weight > maxretry { (maxretry.max(1), maxretry.to_string()) } else { (weight, format!("{weight}.0")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;

    fn lengths(base: i64, increment: &Increment) -> Vec<f64> {
        (1..=7).map(|n| length(base, increment, n, 0.5)).collect()
    }

    fn length(base: i64, increment: &Increment, before: u32, random: f64) -> f64 {
        let bantime = Bantime::For(Span::from_secs(base));
        let grown = grown(bantime, increment, before, &mut || random).expect("it has a value");
        grown.unwrap_or(bantime).as_secs_f64()
    }

    fn on() -> Increment {
        Increment { enabled: true, ..Increment::default() }
    }

    #[test]
    fn bans_grow_as_fail2bans_do() {
        let many = [1.0, 5.0, 30.0, 60.0, 300.0, 720.0, 1440.0, 2880.0].to_vec();
        let hour = Some(Span::from_secs(3600));
        for (what, base, increment, expected) in [
            ("default", 600, on(), [1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 38400.0, 76800.0]),
            (
                "factor 2",
                600,
                Increment { factor: 2.0, ..on() },
                [2400.0, 4800.0, 9600.0, 19200.0, 38400.0, 76800.0, 153_600.0],
            ),
            (
                "factor 0.5",
                600,
                Increment { factor: 0.5, ..on() },
                [600.0, 1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 38400.0],
            ),
            (
                "maxtime",
                600,
                Increment { maxtime: hour, ..on() },
                [1200.0, 2400.0, 3600.0, 3600.0, 3600.0, 3600.0, 3600.0],
            ),
            (
                "multipliers",
                600,
                Increment { multipliers: [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].to_vec(), ..on() },
                [1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 38400.0, 38400.0],
            ),
            (
                "many multipliers",
                60,
                Increment { multipliers: many.clone(), ..on() },
                [300.0, 1800.0, 3600.0, 18000.0, 43200.0, 86400.0, 172_800.0],
            ),
            (
                "many multipliers, factor 2",
                60,
                Increment { multipliers: many, factor: 2.0, ..on() },
                [600.0, 3600.0, 7200.0, 36000.0, 86400.0, 172_800.0, 345_600.0],
            ),
            (
                "formula below bantime",
                600,
                Increment { formula: Expr::parse("ban.Time * 0.5").expect("is well formed"), ..on() },
                [600.0; 7],
            ),
        ] {
            assert_eq!(lengths(base, &increment), expected, "{what}");
        }
        assert_eq!(length(600, &on(), 25, 0.5), 629_145_600.0);
    }

    #[test]
    fn the_exponential_formula_grows_as_in_the_manual() {
        let formula = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)";
        let increment = Increment { formula: Expr::parse(formula).expect("is well formed"), ..on() };
        for (n, expected) in [(1, 1630.97), (2, 4433.43), (3, 12051.3), (4, 32758.9), (5, 89047.9)] {
            let got = length(600, &increment, n, 0.5);
            assert!((got - expected).abs() < 0.1, "{n}: {got}");
        }
    }

    #[test]
    fn the_random_part_comes_after_the_cap_and_never_on_a_first_ban() {
        let increment = Increment { rndtime: Some(Span::from_secs(600)), ..on() };
        assert_eq!(length(600, &increment, 0, 0.9), 600.0);
        assert_eq!(length(600, &increment, 1, 0.0), 1200.0);
        assert_eq!(length(600, &increment, 1, 0.25), 1350.0);
        let capped = Increment { maxtime: Some(Span::from_secs(3600)), ..increment };
        assert_eq!(length(600, &capped, 5, 0.5), 3900.0);
    }

    #[test]
    fn nothing_grows_when_switched_off_or_permanent() {
        assert_eq!(grown(Bantime::For(Span::from_secs(600)), &Increment::default(), 5, &mut || 0.5), Ok(None));
        assert_eq!(grown(Bantime::Forever, &on(), 5, &mut || 0.5), Ok(None));
    }

    #[test]
    fn a_formula_without_a_value_is_an_error() {
        let increment = Increment { formula: Expr::parse("1/0").expect("is well formed"), ..on() };
        assert!(grown(Bantime::For(Span::from_secs(600)), &increment, 1, &mut || 0.5).is_err());
    }

    #[test]
    fn who_is_known_to_be_bad_counts_for_more() {
        for (before, maxretry, expected) in [
            (0, 5, (1, "1")),
            (1, 5, (2, "2.0")),
            (2, 5, (3, "3.0")),
            (3, 5, (5, "5.0")),
            (4, 5, (5, "5")),
            (99, 5, (5, "5")),
        ] {
            assert_eq!(weight(before, maxretry), (expected.0, expected.1.to_owned()), "{before}");
        }
    }
}
