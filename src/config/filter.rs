//! One filter: its file's options, the parameters in brackets and a jail's own options, with all tags filled in.
//!
//! fail2ban reads a filter twice for a jail and once for `fail2ban-regex`, with slightly different results where
//! `[Init]` and `[Definition]` share a name; both ways are kept.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use indexmap::IndexMap;

use super::brackets;
use super::include::{self, Layers};
use super::ini::Options;
use super::interpolate::{Fault, Scope};
use super::material::{Material, init, lower};
use super::number::int;
use super::tags;
use super::tree::Tree;
use super::value::Value;
use super::{FilterSettings, Origin, Original, Problem, RecordSettings, Severity, SignSettings};
use crate::text;

/// The options of a filter file that do something, in fail2ban's order; everything else in it is material for tags.
pub const OPTIONS: [&str; 7] =
    ["usedns", "prefregex", "ignoreregex", "failregex", "maxlines", "datepattern", "journalmatch"];

/// Those of our own, which fail2ban passes over.
const OURS: [&str; 8] = [
    "eventregex",
    "neighbours",
    "recordregex",
    "recordroom",
    "trustregex",
    "eventtrustregex",
    "restartregex",
    "eventrestartregex",
];

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
        let read = brackets::parse(value.text()).map_err(|(at, wrong)| Fault {
            hint: Some("write `name[option=value, other=\"a, b\"]`".to_owned()),
            original: wrong.original.clone(),
            ..Fault::new(value.origin_at(at), format!("`{}` cannot be read: {wrong}", value.text()))
        })?;
        let parameters = read.parameters.into_iter().map(|(name, range)| (name.to_owned(), value.slice(range)));
        Ok(Reference { name: read.name.to_owned(), parameters: parameters.collect(), origin: value.origin() })
    }
}

/// A filter's files, and what the passes over them have made of its parameters.
pub struct FilterFile {
    layers: Rc<Layers>,
    name: String,
    /// As they were given, with `logtype` and what `[Init]` added to them.
    parameters: Options,
    found: tags::Found,
    /// What should be known about the files although they can be used.
    pub remarks: Vec<Problem>,
}

/// What goes wrong with a filter: the jail that wants it is left out.
pub type Refused = Vec<Problem>;

impl FilterFile {
    /// Reads the files. `logtype` is the parameter of that name where neither the parameters nor the filter say it.
    pub fn open(tree: &Tree, wanted: &Reference, logtype: Option<&str>) -> Result<FilterFile, Refused> {
        let stem = stem(tree, &wanted.name);
        let layers = include::named(tree, &stem);
        if !layers.found {
            let known = names(tree);
            let meant = text::did_you_mean(&wanted.name, known.iter().map(String::as_str));
            let message = format!("there is no filter `{}`", wanted.name);
            let problem = Problem::new(Severity::Error, wanted.origin.clone(), message);
            let looked = format!("neither `{}.conf` nor a stock filter of that name exists", stem.display());
            let blank = wanted.name.ends_with(char::is_whitespace).then(|| "no blank may stand before `[`".to_owned());
            let hint = blank.or(meant).unwrap_or(looked);
            return Err(vec![problem.hint(hint).fail2ban(Original::SkipsJail)]);
        }
        let problems = layers.problems.iter().map(|problem| Problem { jail: None, ..problem.clone() });
        let (bad, remarks): (Vec<_>, Vec<_>) = problems.partition(|problem| problem.severity == Severity::Error);
        if !bad.is_empty() {
            let worst = |problem: Problem| problem.fail2ban.max(Original::SkipsJail);
            return Err(bad.into_iter().map(|p| Problem { fail2ban: worst(p.clone()), ..p }).collect());
        }
        let mut parameters = wanted.parameters.clone();
        if let Some(logtype) = logtype
            && parameters.get("logtype").is_none_or(|value| value.text().is_empty())
            && layers.merged.own("Definition", "logtype").is_none()
        {
            parameters.insert("logtype".to_owned(), Value::bare(logtype));
        }
        Ok(FilterFile { layers, name: wanted.name.clone(), parameters, found: tags::Found::default(), remarks })
    }

    /// The filter of a jail that has none: only what the jail itself says.
    pub fn none() -> FilterFile {
        FilterFile {
            layers: Rc::default(),
            name: String::new(),
            parameters: Options::default(),
            found: tags::Found::default(),
            remarks: Vec::new(),
        }
    }

    /// The pass before a jail's options are read: everything in the filter, for `%(known/x)s` in the jail. `early` are its
    /// options `enabled`, `backend` and `filter`.
    pub fn known(&mut self, early: &Options) -> Result<Options, Fault> {
        self.pass(early, true)
    }

    /// The pass that counts. `jail` are the options that the jail itself sets; they come before the filter's.
    pub fn settings(&mut self, jail: &Options) -> Result<Filled, Fault> {
        let filter = self.pass(jail, false)?;
        let first = |name: &str| filter.get(name).or_else(|| jail.get(name));
        let both = |name: &str| {
            let mut lines: Vec<_> = filter.get(name).into_iter().flat_map(Value::lines).collect();
            lines.extend(jail.get(name).into_iter().flat_map(Value::lines));
            lines
        };
        let number = |options: &Options| options.get("maxlines").filter(|value| int(value.text()).is_some()).cloned();
        let maxlines = number(&filter).or_else(|| number(jail)).or_else(|| first("maxlines").cloned());
        let datepattern = jail.get("datepattern").or_else(|| filter.get("datepattern"));
        let settings = FilterSettings {
            name: self.name.clone(),
            prefregex: first("prefregex").filter(|value| !value.text().is_empty()).map(Value::whole),
            failregex: both("failregex"),
            ignoreregex: both("ignoreregex"),
            eventregex: both("eventregex"),
            datepattern: datepattern.into_iter().flat_map(Value::lines).collect(),
            maxlines: 0,
            journalmatch: both("journalmatch"),
            record: RecordSettings {
                regex: both("recordregex"),
                room: first("recordroom").and_then(|value| usize::try_from(int(value.text())?).ok()),
            },
            signs: SignSettings {
                trust: both("trustregex"),
                event_trust: both("eventtrustregex"),
                restart: both("restartregex"),
                event_restart: both("eventrestartregex"),
            },
        };
        let (usedns, neighbours) = (first("usedns").cloned(), first("neighbours").cloned());
        let own = filter.into_iter().filter(|(name, _)| OPTIONS.contains(&name.as_str())).collect();
        Ok(Filled { settings, usedns, neighbours, maxlines, own })
    }

    /// One reading: options, then `[Init]`, then tags. An option that a jail or a parameter sets is not read here, but
    /// may come in again as a parameter.
    fn pass(&mut self, jail: &Options, everything: bool) -> Result<Options, Fault> {
        let merged = &self.layers.merged;
        let mut given = jail.clone();
        given.extend(self.parameters.clone());
        let vars = lower(&given);
        let mut combined = Options::default();
        if let Some(written) = merged.options("Definition") {
            let definition = Scope::new(merged, "Definition");
            for name in OPTIONS.into_iter().chain(OURS).filter(|name| !given.contains_key(*name)) {
                combined.extend(definition.with(&vars).get(name)?.map(|value| (name.to_owned(), value)));
            }
            for (name, raw) in written.iter().filter(|_| everything) {
                if !combined.contains_key(name) {
                    combined.insert(name.clone(), definition.expand(name, raw)?);
                }
            }
        }
        init(merged, &given, &mut self.parameters)?;
        combined.extend(self.parameters.clone());
        // What has a value under a condition of its own (`x?family=inet6`) is decided where it is used: in an action.
        let conditional = combined.keys().filter_map(|name| name.split_once('?')).map(|(name, _)| name.to_owned());
        let conditional: Vec<String> = conditional.collect();
        let ignore: HashSet<&str> = conditional.iter().map(String::as_str).collect();
        tags::fill(&mut combined, &ignore, &Material { merged, vars: &vars }, &mut self.found)?;
        Ok(combined)
    }
}

/// A filter with everything filled in.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// What it looks for, but for `maxlines`.
    pub settings: FilterSettings,
    /// `usedns`, the jail's or the filter's.
    pub usedns: Option<Value>,
    /// `neighbours`, likewise.
    pub neighbours: Option<Value>,
    /// `maxlines`, likewise.
    pub maxlines: Option<Value>,
    /// What the filter itself says of [`OPTIONS`], in fail2ban's order.
    pub own: Options,
}

/// The filter `name[parameters]`, or the file at a path, read once, as `fail2ban-regex` does; `logtype` is `file` unless
/// somebody says otherwise.
pub fn filter(dir: &Path, name: &str) -> Result<FilterSettings, Refused> {
    let wanted = match name.contains('/') && Path::new(name).exists() {
        true => {
            let file = name.strip_suffix(".conf").or_else(|| name.strip_suffix(".local")).unwrap_or(name);
            let file = std::path::absolute(file).map_or_else(|_| file.to_owned(), |path| path.display().to_string());
            Reference { name: file, ..Reference::default() }
        }
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
    let mut file = FilterFile::open(tree, wanted, logtype)?;
    let Filled { mut settings, maxlines, .. } = file.settings(&Options::default()).map_err(refuse)?;
    // Without a jail nobody has a `trusttime`.
    settings.signs = SignSettings::default();
    settings.maxlines = match maxlines.map(|value| (int(value.text()), value)) {
        Some((Some(number), value)) => usize::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| {
            vec![Problem::new(Severity::Error, value.origin(), "`maxlines` has to be a whole number from 1 on")]
        })?,
        _ => 0,
    };
    Ok(settings)
}

fn refuse(fault: Fault) -> Refused {
    vec![fault.problem(Severity::Error)]
}

/// Where the files of a filter lie, without the extension.
fn stem(tree: &Tree, name: &str) -> PathBuf {
    tree.dir().join("filter.d").join(name)
}

/// The filters that there are.
fn names(tree: &Tree) -> Vec<String> {
    let own = tree.list(&tree.dir().join("filter.d"), ".conf");
    let own = own.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let stock = super::stock::list("filter.d").filter_map(|name| name.strip_prefix("filter.d/")?.strip_suffix(".conf"));
    own.chain(stock.map(str::to_owned)).collect()
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
        let opened = FilterFile::open(&Tree::new(dir.path()), &wanted, None);
        let Ok(mut twice) = opened else { panic!("it opens") };
        assert_eq!(twice.known(&Options::default()).expect("it is sound")["failregex"].text(), "DEF INI");
        assert_eq!(twice.settings(&Options::default()).expect("it is sound").settings.failregex[0].text, "INI INI");
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
