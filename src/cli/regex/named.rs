//! What FILTER means on the command line: a filter's name, its file, or a failregex.

use std::path::Path;

use indexmap::IndexMap;

use crate::config::filter::{FilterFile, Reference};
use crate::config::tree::Tree;
use crate::config::{self, FilterSettings, Problem, Severity, Spanned, brackets};
use crate::error::{Error, Kind};

use super::{Args, Refused, python};

/// The filter that FILTER names, or one made of it as a failregex; what it is goes into `header`.
pub fn read_filter(args: &Args, conf: &Path, header: &mut Vec<String>) -> Result<FilterSettings, Refused> {
    if looks_like_a_name(&args.filter)
        && let Some(found) = named_filter(&args.filter, conf, header)
    {
        return found;
    }
    header.push(format!("Use   failregex line : {}", short(&args.filter)));
    Ok(FilterSettings { failregex: vec![Spanned::bare(&args.filter)], ..FilterSettings::default() })
}

/// `None` if there is no such filter: then it is a failregex.
fn named_filter(filter: &str, conf: &Path, header: &mut Vec<String>) -> Option<Result<FilterSettings, Refused>> {
    let bracketed = match brackets::parse(filter) {
        Ok(bracketed) => bracketed,
        Err((_, message)) => {
            let message = format!("wrong filter name or options: `{filter}` cannot be read: {message}");
            return Some(Err(Refused::said(Error::new(Kind::Usage, message))));
        }
    };
    let options = &filter[bracketed.name.len()..];
    let name = bracketed.name;
    let stem = name.strip_suffix(".conf").or(name.strip_suffix(".local")).unwrap_or(name);
    let is_path = Path::new(name).is_file() && name.contains('/');
    let (conf, wanted, shown) = match (is_path, folder(stem)) {
        // A file where filters lie is the filter of that name there.
        (true, Some((conf, name))) => {
            (conf, name.to_owned(), format!("filter file : {name}, basedir: {}", conf.display()))
        }
        (true, None) => {
            let stem = std::path::absolute(stem).map_or_else(|_| stem.to_owned(), |path| path.display().to_string());
            (conf, stem, format!("file : {name}"))
        }
        (false, _) => {
            let name = stem.strip_prefix("filter.d/").unwrap_or(stem);
            (conf, name.to_owned(), format!("filter file : {name}, basedir: {}", conf.display()))
        }
    };
    match config::filter(conf, &format!("{wanted}{options}")) {
        Ok(settings) => {
            header.push(format!("Use   failregex {shown}"));
            if !bracketed.parameters.is_empty() {
                let given: IndexMap<_, _> =
                    bracketed.parameters.iter().map(|(name, at)| (*name, &filter[at.clone()])).collect();
                let given = python::dict(given.iter().map(|(name, value)| (*name, python::text(value))));
                header.push(format!("Use   filter options : {given}"));
            }
            Some(Ok(settings))
        }
        Err(problems) if is_path || problems.iter().any(|p| p.origin.line > 0) => {
            let error = first(&problems);
            if !loads(conf, &wanted) {
                let reason = format!("failed to load filter {name}");
                return Some(Err(Refused { reason, ..Refused::said(error) }));
            }
            header.push(format!("Use   failregex {shown}"));
            Some(Err(Refused::traced(error)))
        }
        Err(_) => None,
    }
}

/// Whether the filter's files can be read, whatever is wrong with what they say.
fn loads(conf: &Path, name: &str) -> bool {
    let wanted = Reference { name: name.to_owned(), ..Reference::default() };
    FilterFile::open(&Tree::new(conf), &wanted, None).is_ok()
}

/// `conf` and `name` of `conf/filter.d/name`.
fn folder(stem: &str) -> Option<(&Path, &str)> {
    let (folder, name) = stem.rsplit_once('/')?;
    let folder = Path::new(folder);
    (folder.file_name()? == "filter.d").then_some((folder.parent()?, name))
}

/// `name`, `name[options]`, a path: letters, digits, `/`, `_`, `-`, `.`.
fn looks_like_a_name(text: &str) -> bool {
    let name = text.split('[').next().unwrap_or(text);
    let options = &text[name.len()..];
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.'))
        && (options.is_empty() || options.ends_with(']'))
}

/// The worst of some problems, as what stops a request.
pub fn first(problems: &[Problem]) -> Error {
    let worst = problems.iter().find(|p| p.severity == Severity::Error).or(problems.first());
    let Some(problem) = worst else { return Error::new(Kind::Config, "the filter cannot be used") };
    let place = problem.origin.to_string();
    let text = if place.is_empty() { problem.message.clone() } else { format!("{place}: {}", problem.message) };
    Error { kind: Kind::Config, message: text, hint: problem.hint.clone() }
}

/// At most 53 characters.
pub fn short(text: &str) -> String {
    if text.chars().count() <= 53 {
        return text.to_owned();
    }
    text.chars().take(50).chain("...".chars()).collect()
}
