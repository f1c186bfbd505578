//! A `datepattern` with its directives (`%Y`, `%Exd`, …) as a regular expression, and as the name that fail2ban shows.

/// The pattern in the two forms that are needed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The regular expression, without boundaries.
    pub regex: String,
    /// The pattern with its directives spelled out: `Year-Month-Day 24hour:Minute:Second`.
    pub name: String,
    /// Names of days or months stand in it, so case is ignored.
    pub ignore_case: bool,
}

/// The years that `%ExY` accepts, by their first three digits; made of the present year.
///
/// Never fewer than those of 2026, so that a replay with the clock of its log does not refuse what comes later in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decades {
    last: i32,
}

impl Decades {
    /// 2000 up to the decade of three years from `year`.
    pub fn of_year(year: i32) -> Decades {
        Decades { last: ((year + 3) / 10).clamp(202, 299) }
    }

    fn regex(self) -> String {
        let one = |tens: i32| match tens {
            0 => "0".to_owned(),
            _ => format!("[{}]", (0..=tens).map(|digit| digit.to_string()).collect::<String>()),
        };
        let rows: Vec<String> = (20..=self.last / 10)
            .map(|hundreds| {
                format!("{hundreds}{}\\d", one(if hundreds == self.last / 10 { self.last % 10 } else { 9 }))
            })
            .collect();
        rows.join("|")
    }
}

/// Replaces the directives of a pattern. `None`: an unknown directive or a lone percent sign.
pub fn expand(pattern: &str, decades: Decades) -> Option<Expanded> {
    let mut out = Expanded { regex: String::new(), name: String::new(), ignore_case: false };
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (text, after) = rest.split_at(at);
        out.regex.push_str(text);
        out.name.push_str(text);
        let strict = after.starts_with("%Ex");
        let letter = after[if strict { 3 } else { 1 }..].chars().next()?;
        rest = &after[if strict { 3 } else { 1 } + letter.len_utf8()..];
        if letter == '%' && !strict {
            out.regex.push('%');
            out.name.push('%');
            continue;
        }
        let regex = if strict { strict_regex(letter, decades) } else { regex(letter) }?;
        out.regex.push_str(&regex);
        out.name.push_str(&spelled(letter, strict));
        out.ignore_case |= !strict && "aAbBpc".contains(letter);
    }
    out.regex.push_str(rest);
    out.name.push_str(rest);
    Some(out)
}

fn regex(letter: char) -> Option<String> {
    let inner = match letter {
        'a' => "mon|tue|wed|thu|fri|sat|sun",
        'A' => "wednesday|thursday|saturday|tuesday|monday|friday|sunday",
        'b' => "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec",
        'B' => "september|february|november|december|january|october|august|march|april|june|july|may",
        'd' => r"[1-2]\d|[0 ]?[1-9]|3[0-1]",
        'f' => "[0-9]{1,6}",
        'H' => r"[0-1]?\d|2[0-3]",
        'k' => return Some(r" ?(?P<H>[0-2]?\d)".into()),
        'I' => "1[0-2]|0[1-9]|[1-9]",
        'l' => return Some(r" ?(?P<I>1?\d)".into()),
        'j' => r"36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]",
        'm' => "0?[1-9]|1[0-2]",
        'M' => r"[0-5]?\d",
        'p' => "am|pm",
        'S' => r"[0-5]?\d|6[0-1]",
        'U' | 'W' => r"5[0-3]|[0-4]\d|\d",
        'V' => r"5[0-3]|0[1-9]|[1-4]\d|\d",
        'w' => "[0-6]",
        'u' => "[1-7]",
        'y' => r"\d\d",
        'Y' | 'G' => r"\d{4}",
        'z' => r"Z|UTC|GMT|[+-][01]\d(?::?\d{2})?",
        'Z' => "Z|[A-Z]{3,5}",
        'c' => return joined(&["a", r"\s+", "b", r"\s+", "d", r"\s+", "H", ":", "M", ":", "S", r"\s+", "Y"]),
        'x' => return joined(&["m", "/", "d", "/", "y"]),
        'X' => return joined(&["H", ":", "M", ":", "S"]),
        _ => return None,
    };
    Some(format!("(?P<{letter}>{inner})"))
}

fn joined(parts: &[&str]) -> Option<String> {
    let part = |(at, text): (usize, &&str)| match text.chars().next() {
        Some(letter) if at % 2 == 0 => regex(letter),
        _ => Some((*text).to_owned()),
    };
    parts.iter().enumerate().map(part).collect()
}

fn strict_regex(letter: char, decades: Decades) -> Option<String> {
    let inner = match letter {
        'd' => r"[1-2]\d|0[1-9]|3[0-1]".to_owned(),
        'm' => "0[1-9]|1[0-2]".to_owned(),
        'H' => r"[0-1]\d|2[0-3]".to_owned(),
        'k' => return Some(r" ?(?P<H>[0-1]?\d|2[0-3])".into()),
        'l' => return Some(r" ?(?P<I>1[0-2]|\d)".into()),
        'M' => r"[0-5]\d".to_owned(),
        'S' => r"[0-5]\d|6[0-1]".to_owned(),
        'y' => r"\d{2}".to_owned(),
        'Y' => decades.regex(),
        'z' => format!(r"(?:{ZONE})?[+-][01]\d(?::?\d{{2}})?|{ZONE}"),
        'Z' => ZONE.to_owned(),
        _ => return None,
    };
    Some(format!("(?P<{letter}>{inner})"))
}

fn spelled(letter: char, strict: bool) -> String {
    let word = match letter {
        'a' => "DAY",
        'A' => "DAYNAME",
        'b' => "MON",
        'B' => "MONTH",
        'd' => "Day",
        'H' => "24hour",
        'I' => "12hour",
        'j' => "Yearday",
        'm' => "Month",
        'M' => "Minute",
        'p' => "AMPM",
        'S' => "Second",
        'U' | 'W' => "Yearweek",
        'w' => "Weekday",
        'y' => "Year2",
        'Y' => "Year",
        'z' => "Zone offset",
        'f' => "Microseconds",
        'Z' => "Zone name",
        _ if strict => return format!("%Ex{letter}"),
        _ => return format!("%{letter}"),
    };
    format!("{}{word}", if strict { "Ex" } else { "" })
}

const ZONE: &str = "[A-Z](?:[A-Z]{2,4})?";

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Option<Expanded> {
        expand(pattern, Decades::of_year(2026))
    }

    #[test]
    fn names_spell_the_directives_out() {
        for (pattern, name) in [
            ("%Y-%m-%d %H:%M:%S", "Year-Month-Day 24hour:Minute:Second"),
            ("(?:%a )?%b %d %k:%M:%S(?: %ExY)?", "(?:DAY )?MON Day %k:Minute:Second(?: ExYear)?"),
            ("%Exk %Exz%%", "%Exk ExZone offset%"),
            ("%%Y", "%Y"),
        ] {
            assert_eq!(expanded(pattern).map(|e| e.name).as_deref(), Some(name));
        }
    }

    #[test]
    fn unknown_directives_are_refused() {
        for pattern in ["%q", "10%", "%Y%", "%Ey", "%Exf", "%Ex", "%(x)s", "%é"] {
            assert_eq!(expanded(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn every_directive_compiles() {
        for letter in "aAbBcdfGHIjklmMpSUuVwWxXyYzZ".chars() {
            let regex = expanded(&format!("%{letter}")).unwrap().regex;
            assert!(crate::filter::backtrack::Program::new(&regex).is_ok(), "{letter}");
        }
    }

    #[test]
    fn the_window_of_years_moves_with_the_present() {
        for (year, regex) in
            [(2005, r"20[012]\d"), (2026, r"20[012]\d"), (2027, r"20[0123]\d"), (2098, r"20[0123456789]\d|210\d")]
        {
            assert_eq!(Decades::of_year(year).regex(), regex);
        }
    }
}
