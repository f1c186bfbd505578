//! One filter: its file's options, the parameters in brackets and a jail's own options, with all tags filled in.
//!
//! fail2ban reads a filter twice for a jail and once for `fail2ban-regex`, with slightly different results where
//! `[Init]` and `[Definition]` share a name; both ways are kept.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::brackets;
use super::include::{self, Layers};
use super::ini::Options;
use super::interpolate::{Fault, Scope};
use super::merge::Merged;
use super::tags::{self, Lookup};
use super::tree::Tree;
use super::value::Value;
use super::{FilterSettings, Origin, Problem, Severity};
use crate::text;

/// The options of a filter file that do something; everything else in it is material for tags.
pub const OPTIONS: [&str; 7] =
    ["usedns", "prefregex", "maxlines", "failregex", "ignoreregex", "datepattern", "journalmatch"];

/// `name[parameters]`, read from an option.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// The filter's name, or the path of a file.
    pub name: String,
    /// Its parameters; names as written.
    pub parameters: Options,
    /// Where it was written.
    pub origin: Origin,
}

impl Reference {
    /// Takes an option's value apart.
    pub fn parse(value: &Value) -> Result<Reference, Fault> {
        let read = brackets::parse(value.text()).map_err(|(at, message)| Fault {
            origin: value.origin_at(at),
            message: format!("`{}` cannot be read: {message}", value.text()),
            hint: Some("write `name[option=value, other=\"a, b\"]`".to_owned()),
        })?;
        let parameters = read.parameters.into_iter().map(|(name, range)| (name.to_owned(), value.slice(range)));
        Ok(Reference { name: read.name.to_owned(), parameters: parameters.collect(), origin: value.origin() })
    }
}

/// A filter's files, and what the passes over them have made of its parameters.
pub struct FilterFile {
    merged: Merged,
    name: String,
    /// Parameters as they were given, with `logtype`.
    given: Options,
    /// The same and what `[Init]` added to them.
    parameters: Options,
    early: Options,
    /// What should be known about the files although they can be used.
    pub remarks: Vec<Problem>,
}

/// What goes wrong with a filter: the jail that wants it is left out.
pub type Refused = Vec<Problem>;

impl FilterFile {
    /// Reads the files. `logtype` is the parameter of that name where neither the parameters nor the filter say it;
    /// `early` are the jail's options `enabled`, `backend` and `filter`.
    pub fn open(tree: &Tree, wanted: &Reference, logtype: Option<&str>, early: Options) -> Result<FilterFile, Refused> {
        let stem = stem(tree, &wanted.name);
        let Layers { merged, problems, found } = include::read(tree, &include::layers(tree, &stem));
        if !found {
            let known = names(tree);
            let meant = text::did_you_mean(&wanted.name, known.iter().map(String::as_str));
            let message = format!("there is no filter `{}`", wanted.name);
            let problem = Problem::new(Severity::Error, wanted.origin.clone(), message);
            let looked = format!("neither `{}.conf` nor a stock filter of that name exists", stem.display());
            let blank = wanted.name.ends_with(char::is_whitespace).then(|| "no blank may stand before `[`".to_owned());
            let hint = blank.or(meant).unwrap_or(looked);
            return Err(vec![problem.hint(hint)]);
        }
        let problems = problems.into_iter().map(|problem| Problem { jail: None, ..problem });
        let (bad, remarks): (Vec<_>, Vec<_>) = problems.partition(|problem| problem.severity == Severity::Error);
        if !bad.is_empty() {
            return Err(bad);
        }
        let mut parameters = wanted.parameters.clone();
        if let Some(logtype) = logtype
            && !parameters.contains_key("logtype")
            && merged.own("Definition", "logtype").is_none()
        {
            parameters.insert("logtype".to_owned(), Value::bare(logtype));
        }
        Ok(FilterFile { merged, name: wanted.name.clone(), given: parameters.clone(), parameters, early, remarks })
    }

    /// The filter of a jail that has none: only what the jail itself says.
    pub fn none() -> FilterFile {
        FilterFile {
            merged: Merged::default(),
            name: String::new(),
            given: Options::new(),
            parameters: Options::new(),
            early: Options::new(),
            remarks: Vec::new(),
        }
    }

    /// The pass before a jail's options are read: everything in the filter, for `%(known/x)s` in the jail.
    pub fn known(&mut self) -> Result<Options, Fault> {
        self.pass(&Options::new(), true)
    }

    /// The pass that counts. `jail` are the options that the jail itself sets; they come before the filter's.
    pub fn settings(&mut self, jail: &Options) -> Result<(FilterSettings, Option<Value>), Fault> {
        let combined = self.pass(jail, false)?;
        let filters = |name: &str| {
            let wanted = !jail.contains_key(name) || self.parameters.contains_key(name);
            combined.get(name).filter(|_| wanted)
        };
        let first = |name: &str| filters(name).or_else(|| jail.get(name));
        let both = |name: &str| {
            let mut lines: Vec<_> = filters(name).into_iter().flat_map(Value::lines).collect();
            lines.extend(jail.get(name).into_iter().flat_map(Value::lines));
            lines
        };
        let datepattern = jail.get("datepattern").or_else(|| filters("datepattern"));
        let settings = FilterSettings {
            name: self.name.clone(),
            prefregex: first("prefregex").filter(|value| !value.text().is_empty()).map(Value::whole),
            failregex: both("failregex"),
            ignoreregex: both("ignoreregex"),
            datepattern: datepattern.into_iter().flat_map(Value::lines).collect(),
            maxlines: first("maxlines").map(maxlines).transpose()?.unwrap_or_default(),
            journalmatch: both("journalmatch"),
        };
        Ok((settings, first("usedns").cloned()))
    }

    /// One reading: options, then `[Init]`, then tags.
    fn pass(&mut self, jail: &Options, everything: bool) -> Result<Options, Fault> {
        let mut vars = lower(&self.early);
        vars.extend(lower(jail));
        vars.extend(lower(&self.parameters));
        let mut combined = Options::new();
        let mut wanted: Vec<&str> = OPTIONS.to_vec();
        if let Some(definition) = self.merged.sections.get("Definition").filter(|_| everything) {
            wanted.extend(definition.options.keys().map(String::as_str).filter(|name| !OPTIONS.contains(name)));
        }
        let definition = Scope::new(&self.merged, "Definition").with(&vars);
        for name in wanted {
            let own = self.merged.own("Definition", name).filter(|_| everything);
            let value = match own {
                Some(raw) if !OPTIONS.contains(&name) || vars.contains_key(name) => {
                    Some(Scope::new(&self.merged, "Definition").expand(name, raw)?)
                }
                _ if self.merged.raw("Definition", name).is_none() => None,
                _ if vars.contains_key(name) => Some(vars[name].clone()),
                _ => definition.get(name)?,
            };
            combined.extend(value.map(|value| (name.to_owned(), value)));
        }
        if let Some(init) = self.merged.sections.get("Init") {
            let scope = Scope::new(&self.merged, "Init");
            for (name, raw) in &init.options {
                let value = scope.expand(name, raw)?;
                combined.insert(format!("known/{name}"), value.clone());
                self.parameters.entry(name.clone()).or_insert(value);
            }
        }
        combined.extend(self.parameters.clone());
        let mut vars = lower(&self.early);
        vars.extend(lower(&self.given));
        tags::fill(&mut combined, &Material { merged: &self.merged, vars: &vars })?;
        Ok(combined)
    }
}

/// The filter `name[parameters]`, or the file at a path, read once, as `fail2ban-regex` does; `logtype` is `file` unless
/// somebody says otherwise.
pub fn filter(dir: &Path, name: &str) -> Result<FilterSettings, Refused> {
    let wanted = match name.contains('/') && Path::new(name).exists() {
        true => Reference { name: name.to_owned(), ..Reference::default() },
        false => Reference::parse(&Value::bare(name)).map_err(refuse)?,
    };
    once(&Tree::new(dir), &wanted, Some("file"))
}

/// The filter `name` with parameters, read once; `logtype` is not set for it.
pub fn filter_with(dir: &Path, name: &str, parameters: &IndexMap<String, String>) -> Result<FilterSettings, Refused> {
    let parameters = parameters.iter().map(|(name, text)| (name.clone(), Value::bare(text))).collect();
    let wanted = Reference { name: name.to_owned(), parameters, origin: Origin::default() };
    once(&Tree::new(dir), &wanted, None)
}

fn once(tree: &Tree, wanted: &Reference, logtype: Option<&str>) -> Result<FilterSettings, Refused> {
    let mut file = FilterFile::open(tree, wanted, logtype, Options::new())?;
    let (settings, _) = file.settings(&Options::new()).map_err(refuse)?;
    Ok(settings)
}

fn refuse(fault: Fault) -> Refused {
    vec![fault.problem(Severity::Error)]
}

/// Where the files of a filter lie, without the extension.
fn stem(tree: &Tree, name: &str) -> PathBuf {
    if name.contains('/') {
        let file = name.strip_suffix(".conf").or_else(|| name.strip_suffix(".local"));
        return PathBuf::from(file.unwrap_or(name));
    }
    tree.dir().join("filter.d").join(name)
}

/// The filters that there are.
fn names(tree: &Tree) -> Vec<String> {
    let own = tree.list(&tree.dir().join("filter.d"), ".conf");
    let own = own.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let stock = super::stock::list("filter.d").filter_map(|name| name.strip_prefix("filter.d/")?.strip_suffix(".conf"));
    own.chain(stock.map(str::to_owned)).collect()
}

fn lower(options: &Options) -> Options {
    options.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect()
}

fn maxlines(value: &Value) -> Result<usize, Fault> {
    let lines = super::number::int(value.text()).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    lines.ok_or_else(|| Fault {
        origin: value.origin(),
        message: format!("`maxlines` has to be a whole number from 1 on, not `{}`", value.text()),
        hint: None,
    })
}

/// Where a tag's value comes from when it is no option: another section, or an option that does nothing by itself.
struct Material<'a> {
    merged: &'a Merged,
    vars: &'a Options,
}

impl Lookup for Material<'_> {
    fn tag(&self, tag: &str) -> Result<Option<Value>, Fault> {
        let Some((section, option)) = tag.split_once('/') else {
            let name = tag.to_lowercase();
            return Scope::new(self.merged, "Definition").with(self.vars).get(&name);
        };
        let name = option.to_lowercase();
        let (section, raw) = match section {
            "known" => {
                let known = self.merged.known.get("Definition");
                let known = known.and_then(|known| known.get(&name).or_else(|| self.merged.defaults.get(&name)));
                ("Definition", known.or_else(|| self.merged.raw("Definition", &name)))
            }
            "DEFAULT" | "default" => ("Definition", self.merged.defaults.get(&name)),
            section if self.merged.sections.contains_key(section) => (section, self.merged.raw(section, &name)),
            _ => return Ok(None),
        };
        raw.map(|raw| Scope::new(self.merged, section).with(self.vars).expand(&name, raw)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with `filter.d` files.
    fn world(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("filter.d")).expect("a folder");
        for (name, text) in files {
            std::fs::write(dir.path().join("filter.d").join(name), text).expect("a file");
        }
        dir
    }

    fn regexes(files: &[(&str, &str)], name: &str) -> Result<Vec<String>, String> {
        let settings = filter(world(files).path(), name).map_err(|p| p[0].message.clone())?;
        Ok(settings.failregex.into_iter().map(|r| r.text).collect())
    }

    #[test]
    fn tags_and_parameters_are_filled_in() {
        let file = "[DEFAULT]\nfoo=deffoo\n[Definition]\nfailregex = ^a <maxlines> <datepattern> %(i)s <i> <j> <Sec/a> \
                    <sec/a> <Sec/x> <known/foo> <known/i> <known/x> %(known/foo)s\ndatepattern = FDP\ni = DEF\nj = DEFj\n\
                    [Sec]\na = seca \nx = secx <x>\n[Init]\ni = INI<maxretry>\nk = KK\ndatepattern = IDP\nmaxlines = 9\n";
        let got = regexes(&[("f1.conf", file)], "f1[x=1]");
        let expected = "^a 9 IDP DEF INI<maxretry> DEFj seca <sec/a> secx 1 deffoo INI<maxretry> <known/x> deffoo";
        assert_eq!(got, Ok(vec![expected.to_owned()]));
    }

    #[test]
    fn a_second_pass_lets_init_win() {
        let file = "[Definition]\nfailregex = %(i)s <i>\ni = DEF\n[Init]\ni = INI\n";
        let dir = world(&[("t.conf", file)]);
        let wanted = Reference { name: "t".into(), ..Reference::default() };
        let opened = FilterFile::open(&Tree::new(dir.path()), &wanted, None, Options::new());
        let Ok(mut twice) = opened else { panic!("it opens") };
        assert_eq!(twice.known().expect("it is sound")["failregex"].text(), "DEF INI");
        assert_eq!(twice.settings(&Options::new()).expect("it is sound").0.failregex[0].text, "INI INI");
    }

    #[test]
    fn parameters_follow_the_specification() {
        let mode =
            "[Definition]\nmode = normal\nfailregex = <mdre-<mode>>\nmdre-normal = n\n <HOST>\nmdre-x = x <Host>\n";
        let n = |name| regexes(&[("t.conf", mode), ("l.local", mode)], name);
        assert_eq!(n("t"), Ok(vec!["n".into(), "<HOST>".into()]));
        assert_eq!(n("l"), n("t"));
        assert_eq!(n("t[mode=x]"), Ok(vec!["x <Host>".into()]));
        assert_eq!(n("t[mode=typo]"), Ok(vec!["<mdre-typo>".into()]));
        assert_eq!(n("t[failregex=\"p <mode>\"]"), Ok(vec!["p normal".into()]));
        assert!(n("nosuch").is_err_and(|m| m == "there is no filter `nosuch`"));
        assert!(n("t [mode=x]").is_err_and(|m| m == "there is no filter `t `"));
        assert!(n("t[mode]").is_err());
        let host = [("h.conf", "[Definition]\nhost = HH\nfailregex = ^A <HOST>\n")];
        assert_eq!(regexes(&host, "h"), Ok(vec!["^A HH".into()]));
        let bad = [("b.conf", "[Definition]\nfailregex = <known/bad> <x/y>\nbad=a\n[Init]\nbad=b\n")];
        assert_eq!(regexes(&bad, "b[bad=\"more|<known/bad>\"]"), Ok(vec!["b <x/y>".into()]));
        let twice = [("w.conf", "[Definition]\nfailregex = <bad>\n[Init]\nbad=b\n")];
        assert_eq!(regexes(&twice, "w[bad=\"more|<known/bad>\"]"), Ok(vec!["more|b".into()]));
        let percent = [("p.conf", "[Definition]\nfailregex = <x>\n x%(x)s\n")];
        assert_eq!(regexes(&percent, "p[x=\"%%Y\"]"), Ok(vec!["%%Y".into(), "x%Y".into()]));
    }

    #[test]
    fn logtype_is_set_for_a_filter_that_leaves_it_open() {
        let file = "[DEFAULT]\nlogtype = short\n[Definition]\nfailregex = <lt-<logtype>>\nlt-file=F\nlt-short=S\n";
        let dir =
            world(&[("t.conf", file), ("own.conf", &file.replace("[Definition]", "[Definition]\nlogtype=short"))]);
        let text = |settings: Result<FilterSettings, Refused>| settings.expect("it is sound").failregex[0].text.clone();
        assert_eq!(text(filter(dir.path(), "t")), "F");
        assert_eq!(text(filter(dir.path(), "own")), "S");
        assert_eq!(text(filter_with(dir.path(), "t", &IndexMap::new())), "S");
        let path = dir.path().join("filter.d/t.conf");
        assert_eq!(text(filter(Path::new("/nonexistent"), path.to_str().expect("UTF-8"))), "F");
    }

    #[test]
    fn a_bad_file_refuses_the_filter() {
        let say = |text: &str| regexes(&[("t.conf", text)], "t").expect_err("it is refused");
        assert_eq!(say("[Definition]\nnonsense\n"), "this line is neither `option = value` nor a continuation");
        assert!(say("[Definition]\nfailregex = <failregex>\n").contains("leads back to itself"));
        assert!(say("[Definition]\nfailregex = %d\n").contains("followed by neither"));
        assert!(say("[Definition]\nmaxlines = 0\n").contains("maxlines"));
    }
}
