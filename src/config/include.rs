//! Which files make up a configuration, in which order: layers (`.conf`, `.d/`, `.local`) and `[INCLUDES]`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ini::{DEFAULT, Ini};
use super::interpolate::Scope;
use super::merge::Merged;
use super::tree::{File, Tree};
use super::{Origin, Original, Problem, Severity};

/// What the files of one name say together.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Their sections.
    pub merged: Merged,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
    /// Whether there is any file.
    pub found: bool,
}

/// The layers of `stem`: `stem.conf`, `stem.d/*.conf`, `stem.local`, `stem.d/*.local`; later wins.
pub fn layers(tree: &Tree, stem: &Path) -> Vec<PathBuf> {
    let with = |end: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mut files = vec![with(".conf")];
    files.extend(tree.list(&with(".d"), ".conf"));
    files.push(with(".local"));
    files.extend(tree.list(&with(".d"), ".local"));
    files.retain(|file| tree.exists(file));
    files
}

/// Reads the layers of `stem` with everything that they include; once, however many ask for it.
pub fn named(tree: &Tree, stem: &Path) -> Rc<Layers> {
    tree.remember(stem, || read(tree, &layers(tree, stem)))
}

/// Reads files with everything that they include and merges them in order. As in fail2ban, one that cannot be read is left
/// out with a warning as long as another one can be read; when there is no other it is an error.
pub fn read(tree: &Tree, files: &[PathBuf]) -> Layers {
    let mut flat = Flat { tree, order: Vec::new(), problems: Vec::new(), full: false };
    flat.list(files, &mut Vec::new());
    let mut layers = Layers { found: !flat.order.is_empty(), problems: flat.problems, ..Layers::default() };
    let any = flat.order.iter().any(|file| !file.unreadable);
    for file in &flat.order {
        layers.merged.add(&file.ini);
        for problem in &file.problems {
            let severity = if any && file.unreadable { Severity::Warning } else { problem.severity };
            let problem = Problem { severity, ..problem.clone() };
            if !layers.problems.contains(&problem) {
                layers.problems.push(problem);
            }
        }
    }
    layers
}

/// Files that one configuration may consist of, a file that is included twice counting twice.
const MAX_FILES: usize = 1000;

/// Includes inside includes.
const MAX_DEPTH: usize = 64;

struct Flat<'a> {
    tree: &'a Tree,
    order: Vec<Rc<File>>,
    problems: Vec<Problem>,
    full: bool,
}

impl Flat<'_> {
    /// Queues files, each with its `.local` twin unless that stands in the list itself.
    fn list(&mut self, files: &[PathBuf], ancestors: &mut Vec<PathBuf>) {
        for path in files {
            self.file(path, ancestors);
            let twin = path.with_extension("local");
            if !files.contains(&twin) && self.tree.exists(&twin) {
                self.file(&twin, ancestors);
            }
        }
    }

    fn file(&mut self, path: &Path, ancestors: &mut Vec<PathBuf>) {
        if self.full {
            return;
        }
        let Some(file) = self.tree.file(path) else { return };
        if !ancestors.is_empty() && file.unreadable {
            let problems = file.problems.iter().cloned();
            self.problems.extend(problems.map(|problem| Problem { severity: Severity::Warning, ..problem }));
            return;
        }
        if self.order.len() >= MAX_FILES || ancestors.len() >= MAX_DEPTH {
            self.full = true;
            let origin = Origin { path: path.into(), ..Origin::default() };
            let problem = Problem::new(Severity::Error, origin, "files include each other without end");
            let problem = problem.fail2ban(Original::Stops);
            self.problems.push(problem.hint("look for a file that is included by what it includes"));
            return;
        }
        let before = self.includes(&file.ini, path, "before", ancestors);
        let after = self.includes(&file.ini, path, "after", ancestors);
        ancestors.push(path.to_owned());
        self.list(&before, ancestors);
        self.order.push(file);
        self.list(&after, ancestors);
        ancestors.pop();
    }

    fn includes(&mut self, ini: &Ini, path: &Path, option: &str, ancestors: &[PathBuf]) -> Vec<PathBuf> {
        if !ini.sections.get("INCLUDES").is_some_and(|section| section.options.contains_key(option)) {
            return Vec::new();
        }
        let mut alone = Merged::default();
        for name in [DEFAULT, "INCLUDES"] {
            if let Some(section) = ini.sections.get(name) {
                alone.add_section(name, section);
            }
        }
        let value = match Scope::new(&alone, "INCLUDES").get(option) {
            Ok(value) => value.unwrap_or_default(),
            Err(fault) => {
                self.problems.push(fault.problem(Severity::Error));
                return Vec::new();
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut paths = Vec::new();
        for name in value.lines() {
            let wanted = folder.join(&name.text);
            if !self.tree.exists(&wanted) && !name.text.ends_with(".local") {
                let message = format!("the included file `{}` is not there", name.text);
                self.problems.push(Problem::new(Severity::Note, name.origin, message));
            } else if !ancestors.contains(&wanted) {
                paths.push(wanted);
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files that each add their own name to `order`, and gives the names in the order in which they were read.
    fn order(files: &[(&str, &str, &str)], top: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, before, after) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            let text = format!("[INCLUDES]\nbefore = {before}\nafter = {after}\n[a]\nx = {name}\n");
            std::fs::write(path, text).expect("a file");
        }
        let tree = Tree::new(dir.path());
        let files = layers(&tree, &dir.path().join(top));
        let mut flat = Flat { tree: &tree, order: Vec::new(), problems: Vec::new(), full: false };
        flat.list(&files, &mut Vec::new());
        let name = |file: &Rc<File>| file.ini.sections["a"].options["x"].origin().path;
        flat.order
            .iter()
            .map(|file| name(file).strip_prefix(dir.path()).expect("it lies there").display().to_string())
            .collect()
    }

    #[test]
    fn includes_are_read_depth_first_with_their_local_twins() {
        let files = [
            ("t.conf", "common.conf\n sub/x.conf", "aft.conf"),
            ("t.local", "", ""),
            ("common.conf", "", ""),
            ("common.local", "", ""),
            ("sub/x.conf", "../common.conf", ""),
            ("aft.conf", "", ""),
        ];
        let expected = [
            "common.conf",
            "common.local",
            "sub/../common.conf",
            "sub/../common.local",
            "sub/x.conf",
            "t.conf",
            "aft.conf",
            "t.local",
        ];
        assert_eq!(order(&files, "t"), expected);
    }

    #[test]
    fn files_of_one_name_are_put_together_once() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("t.conf"), "[a]\nx = 1\n").expect("a file");
        let tree = Tree::new(dir.path());
        let [first, again] = [0, 1].map(|_| named(&tree, &dir.path().join("t")));
        assert!(Rc::ptr_eq(&first, &again) && first.merged.own("a", "x").is_some());
        assert!(!named(&tree, &dir.path().join("none")).found);
    }

    #[test]
    fn what_includes_itself_comes_to_an_end() {
        let files = [("a.conf", "b.conf", ""), ("b.conf", "a.conf", "c.conf"), ("c.conf", "a.conf", "")];
        assert_eq!(order(&files, "a"), ["b.conf", "c.conf", "a.conf"]);
        assert_eq!(order(&[("s.conf", "s.conf", "")], "s"), ["s.conf", "s.conf"]);
        let files = [("u.conf", "c.conf\n v.conf", "v.conf"), files[0], files[1], files[2], ("v.conf", "no.conf", "")];
        assert_eq!(order(&files, "u"), ["b.conf", "a.conf", "c.conf", "v.conf", "u.conf", "v.conf"]);
    }

    #[test]
    fn ever_new_names_for_the_same_file_come_to_an_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = dir.path().join("t.conf");
        let name = dir.path().file_name().expect("it has a name").display();
        let text = format!("[INCLUDES]\nbefore = ./t.conf\n ../{name}/t.conf\n ../{name}/./t.conf\n");
        std::fs::write(&top, text).expect("a file");
        let layers = read(&Tree::new(dir.path()), &[top]);
        assert!(layers.problems.iter().any(|p| p.severity == Severity::Error), "{:?}", layers.problems);
    }

    #[test]
    fn layers_come_in_the_order_of_their_weight() {
        let files = ["t.local", "t.d/b.conf", "t.conf", "t.d/a.local", "t.d/a.conf", "t.d/.hidden.conf"];
        let files = files.map(|name| (name, "", ""));
        assert_eq!(order(&files, "t"), ["t.conf", "t.d/a.conf", "t.d/b.conf", "t.local", "t.d/a.local"]);
    }
}
