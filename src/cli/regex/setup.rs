//! From what was typed to what is needed: the filter, compiled, and what is said about it.
//!
//! Options are looked at in fail2ban-regex's order, so that what it says before it refuses something is the same.

use std::path::Path;

use jiff::tz::TimeZone;

use super::named::{first, read_filter, short};
use super::report::Links;
use super::{Args, Refused, given};
use crate::config::{FilterSettings, Problem, Spanned, UseDns};
use crate::error::{Error, Kind};
use crate::filter::Filter;
use crate::filter::date::{DatePatternError, Detector, Zones};
use crate::filter::failregex::expand;
use crate::zone;

/// A filter as the options want it.
pub struct Setup {
    /// Ready for a log.
    pub filter: Filter,
    /// What it was made of.
    pub settings: FilterSettings,
    /// What is used, one line each.
    pub header: Vec<String>,
    /// The expressions with their tags expanded.
    pub links: Links,
    /// Whether names are looked up.
    pub looks_up: bool,
}

impl Setup {
    /// Reads the options and the filter.
    pub fn read(args: &Args, conf: &Path, zone: &TimeZone) -> Result<Setup, Refused> {
        let mut header = Vec::new();
        match read(args, conf, zone, &mut header) {
            Ok((filter, settings, usedns)) => {
                let expanded = filter.expanded().map(str::to_owned);
                let failregex = settings.failregex.iter().map(|r| r.text.clone()).zip(expanded).collect();
                let expanded = |r: &Spanned| (r.text.clone(), expand(&r.text, usedns));
                let links = Links { failregex, ignoreregex: settings.ignoreregex.iter().map(expanded).collect() };
                let looks_up = given(&args.usedns).is_some() && matches!(usedns, UseDns::Yes | UseDns::Warn);
                Ok(Setup { filter, settings, header, links, looks_up })
            }
            Err(refused) => Err(Refused { header, ..refused }),
        }
    }
}

fn read(
    args: &Args,
    conf: &Path,
    zone: &TimeZone,
    header: &mut Vec<String>,
) -> Result<(Filter, FilterSettings, UseDns), Refused> {
    let zones = Zones { local: zone.clone(), logtimezone: logtimezone(args)? };
    let maxlines = maxlines(args)?;
    if let Some(lines) = maxlines {
        header.push(format!("Use         maxlines : {lines}"));
    }
    let datepattern: Vec<Spanned> = match given(&args.datepattern) {
        Some(pattern) => pattern.lines().filter(|line| !line.is_empty()).map(Spanned::bare).collect(),
        None => Vec::new(),
    };
    say_datepattern(&datepattern, &zones, header)?;
    let mut settings = read_filter(args, conf, header)?;
    match maxlines {
        Some(lines) => settings.maxlines = lines,
        None if settings.maxlines > 0 => header.push(format!("Use         maxlines : {}", settings.maxlines)),
        None => {}
    }
    if datepattern.is_empty() {
        say_datepattern(&settings.datepattern, &zones, header)?;
    } else {
        settings.datepattern = datepattern;
    }
    let usedns = usedns(args)?;
    let compile = |settings: &FilterSettings, encoding: &str| {
        Filter::of(settings, usedns, encoding, zones.clone()).map_err(|problems| wrong(&problems))
    };
    if let Some(text) = &args.ignoreregex {
        // What is wrong with the filter is said before anything is said of this.
        compile(&settings, "auto")?;
        settings.ignoreregex = vec![Spanned::bare(text)];
        header.push(format!("Use ignoreregex line : {}", short(text)));
    }
    let (filter, _) = compile(&settings, given(&args.encoding).unwrap_or("auto"))?;
    let filter = filter.for_tools(!args.no_check_all && args.form().is_none());
    Ok((if args.verbose() { filter.telling_prefix() } else { filter }, settings, usedns))
}

fn wrong(problems: &[Problem]) -> Refused {
    let reason = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
    let traced = reason.starts_with("unknown encoding");
    Refused { header: Vec::new(), error: first(problems), reason, traced }
}

/// Names the templates that a pattern became.
fn say_datepattern(patterns: &[Spanned], zones: &Zones, header: &mut Vec<String>) -> Result<(), Refused> {
    if patterns.is_empty() {
        return Ok(());
    }
    let patterns: Vec<&str> = patterns.iter().map(|p| &*p.text).collect();
    let detector = Detector::new(&patterns, zones.clone()).map_err(|e| {
        let error = Error::new(Kind::Usage, e.to_string());
        match e {
            DatePatternError::Directive { pattern } => {
                let reason = format!(
                    "failed to set datepattern `{pattern}` (may be an invalid format or unescaped percent char): {}",
                    "a percent sign with an unknown letter, or none, behind it"
                );
                Refused { reason, ..Refused::said(error) }
            }
            _ => Refused::traced(error),
        }
    })?;
    let names: Vec<String> = detector.templates().take(3).map(|t| t.name).collect();
    let name = if names.len() < 3 { names.first().map_or("", String::as_str) } else { "Default Detectors" };
    header.push(format!("Use      datepattern : {} : {name}", patterns.join("\n")));
    Ok(())
}

fn logtimezone(args: &Args) -> Result<Option<i32>, Refused> {
    let Some(text) = given(&args.timezone) else { return Ok(None) };
    let unknown = || Error::new(Kind::Usage, format!("unknown or unsupported time zone: `{text}`"));
    zone::offset(text).map(Some).ok_or_else(|| Refused::said(unknown().hint("write `UTC`, `CET` or `+0200`")))
}

/// `None`: the filter's own.
fn maxlines(args: &Args) -> Result<Option<usize>, Refused> {
    let Some(lines) = args.maxlines.filter(|lines| *lines != 0) else { return Ok(None) };
    let wrong = |_| Refused::said(Error::new(Kind::Usage, "`maxlines` has to be 1 or more"));
    usize::try_from(lines).map(Some).map_err(wrong)
}

fn usedns(args: &Args) -> Result<UseDns, Refused> {
    match given(&args.usedns).map(str::to_lowercase).as_deref() {
        _ if args.raw => Ok(UseDns::Raw),
        None | Some("warn") => Ok(UseDns::Warn),
        Some("yes") => Ok(UseDns::Yes),
        Some("no") => Ok(UseDns::No),
        Some("raw") => Ok(UseDns::Raw),
        Some(typed) => {
            let error = Error::new(Kind::Usage, format!("`{typed}` is no way to use names"));
            Err(Refused::said(error.hint("one of `yes`, `no`, `warn`, `raw`")))
        }
    }
}
