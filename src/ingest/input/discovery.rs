//! Which files an ingest reads: files, globs, directories and standard input.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// Returns the name used in accounts and messages: `-` for standard input; bytes of a path that are not
    /// UTF-8 as `\xe9`, so that different files have different names.
    pub fn name(&self) -> String {
        let Input::File(path) = self else { return "-".to_owned() };
        let mut name = String::new();
        for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
            name.push_str(chunk.valid());
            name.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        name
    }
}

/// What was found, and what was not.
#[derive(Debug, Default)]
pub struct FoundInputs {
    /// The inputs, sorted by name, standard input last; each file once.
    pub files: Vec<Input>,
    /// Inputs that are not there or cannot be looked into.
    pub problems: Vec<Error>,
    /// Folders in which no file has the name of a log.
    pub folders_without_logs: Vec<FolderWithoutLogs>,
}

/// A folder that was named, and holds no logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderWithoutLogs {
    /// The folder.
    pub folder: PathBuf,
    /// Some file in it or below that has another name.
    pub other: Option<PathBuf>,
}

/// Finds the files that inputs name; what is not there is a problem among others, not the end.
///
/// - `-` is standard input.
/// - A file is taken whatever its name, even where that has the signs of a glob.
/// - A directory is searched, with all below it, for `*.ndjson`, `*.jsonl`, `*.json` and `*.log`, each
///   also with `.gz` or `.zst`. Symbolic links are followed, each directory being searched once.
/// - A glob (`*`, `?`, `[…]`, `**`) stands for the files and directories that it matches.
///
/// Nothing is taken from `store`, nor from any other `wa` store.
pub fn find(inputs: &[PathBuf], store: &Path) -> FoundInputs {
    let mut search = Search {
        store: store.canonicalize().ok(),
        found: FoundInputs::default(),
        files: HashSet::new(),
        dirs: HashMap::new(),
        named: 0,
        within: HashMap::new(),
    };
    for input in inputs {
        search.input(input);
    }
    let mut found = search.found;
    found.files.sort();
    found
}

struct Search {
    store: Option<PathBuf>,
    found: FoundInputs,
    /// The real paths of what was found: two names of one file are one file.
    files: HashSet<PathBuf>,
    /// The folders that were searched, by their real paths: for the how manieth that was named.
    dirs: HashMap<PathBuf, usize>,
    named: usize,
    /// Whether folders, by their real paths, are stores or lie in one.
    within: HashMap<PathBuf, bool>,
}

/// What was seen in a folder.
#[derive(Default)]
struct Seen {
    logs: bool,
    /// The first file of another name.
    other: Option<PathBuf>,
}

impl Search {
    fn input(&mut self, path: &Path) {
        if path == Path::new("-") {
            if !self.found.files.contains(&Input::Stdin) {
                self.found.files.push(Input::Stdin);
            }
            return;
        }
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        match (path.metadata(), pattern) {
            (Ok(_), _) => self.named(path),
            (Err(_), Some(pattern)) => self.glob(pattern),
            (Err(e), None) => self.problem(Error::io("read", path, e)),
        }
    }

    fn glob(&mut self, pattern: &str) {
        let options = glob::MatchOptions { case_sensitive: true, ..glob::MatchOptions::new() };
        let paths = match glob::glob_with(pattern, options) {
            Ok(paths) => paths,
            Err(e) => {
                let error = Error::usage(format!("cannot understand the pattern {pattern}")).caused_by(e);
                return self.problem(error.hint("write [[] for a bracket that stands for itself"));
            }
        };
        let mut none = true;
        for path in paths {
            none = false;
            match path {
                Ok(path) => self.named(&path),
                Err(e) => {
                    let path = e.path().to_owned();
                    self.problem(Error::io("read", &path, e.into()));
                }
            }
        }
        if none {
            let error = Error::failed(format!("no file matches {pattern}"));
            self.problem(error.hint("check the folder, and quote the pattern if the shell changed it"));
        }
    }

    /// Takes a file or directory that was named, by itself or by a glob.
    fn named(&mut self, path: &Path) {
        let is_dir = path.is_dir();
        if self.in_store(path, is_dir) {
            let error = Error::new(
                ErrorKind::Usage,
                format!("cannot ingest {}: it belongs to a wa store", path.display()),
            );
            return self.problem(error.hint("name the logs; `wa export` writes what a store holds"));
        }
        match path.metadata() {
            Ok(_) if is_dir => self.directory(path),
            // A pipe is a file like any other when somebody names it.
            Ok(_) => self.file(path),
            Err(e) => self.problem(Error::io("read", path, e)),
        }
    }

    fn directory(&mut self, top: &Path) {
        self.named += 1;
        let mut pending = vec![top.to_owned()];
        let problems = self.found.problems.len();
        let mut seen = Seen::default();
        while let Some(dir) = pending.pop() {
            let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            if self.within_store(&real) {
                continue;
            }
            if let Some(before) = self.dirs.insert(real, self.named) {
                // Searched for another one that was named, of which it was said if there was nothing.
                seen.logs |= before != self.named;
                continue;
            }
            match list(&dir) {
                Ok(paths) => paths.into_iter().for_each(|path| self.entry(path, &mut pending, &mut seen)),
                Err(e) => self.problem(e),
            }
        }
        if !seen.logs && self.found.problems.len() == problems {
            let folder = top.to_owned();
            self.found.folders_without_logs.push(FolderWithoutLogs { folder, other: seen.other });
        }
    }

    fn entry(&mut self, path: PathBuf, pending: &mut Vec<PathBuf>, seen: &mut Seen) {
        match path.metadata() {
            Ok(about) if about.is_dir() => pending.push(path),
            // What a pipe or device in a folder would give, nobody has asked for.
            Ok(about) if about.is_file() && is_log(&path) => {
                seen.logs = true;
                // A link may lead into a store.
                if !self.in_store(&path, false) {
                    self.file(&path);
                }
            }
            Ok(about) if about.is_file() => drop(seen.other.get_or_insert(path)),
            Ok(_) => {}
            Err(e) if is_log(&path) => self.problem(Error::io("read", &path, e)),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: &Path) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.files.insert(real) {
            self.found.files.push(Input::File(path.to_owned()));
        }
    }

    /// Tells whether a file or folder belongs to a store, whatever links lead to it.
    fn in_store(&mut self, path: &Path, is_dir: bool) -> bool {
        // What has no real path, such as a pipe, lies in no folder.
        let Ok(real) = path.canonicalize() else { return false };
        let dir = if is_dir { Some(real.as_path()) } else { real.parent() };
        dir.is_some_and(|dir| self.within_store(dir))
    }

    /// Tells whether a folder, by its real path, is a store or lies in one; each folder is looked at once.
    fn within_store(&mut self, dir: &Path) -> bool {
        if let Some(within) = self.within.get(dir) {
            return *within;
        }
        let is_one = self.store.as_deref() == Some(dir) || is_store(dir);
        let within = is_one || dir.parent().is_some_and(|above| self.within_store(above));
        self.within.insert(dir.to_owned(), within);
        within
    }

    fn problem(&mut self, error: Error) {
        self.found.problems.push(error);
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let error = |e| Error::io("search", dir, e);
    let entries = std::fs::read_dir(dir).map_err(error)?;
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(error)?;
    // In order, so that of two names of one file the same one is taken every time.
    paths.sort();
    Ok(paths)
}

/// Tells whether a file's name is that of a log; it need not be UTF-8.
fn is_log(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let name = name.as_encoded_bytes().to_ascii_lowercase();
    let name = name.strip_suffix(b".gz").or_else(|| name.strip_suffix(b".zst")).unwrap_or(&name);
    [".ndjson", ".jsonl", ".json", ".log"].iter().any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Tells whether a directory is a store: its manifest says so, or it has a manifest beside settings.
fn is_store(dir: &Path) -> bool {
    let path = dir.join("manifest.json");
    // To open a pipe is to wait for its writer.
    if !path.is_file() {
        return false;
    }
    let Ok(manifest) = std::fs::File::open(path) else { return false };
    let mut head = Vec::new();
    let read = manifest.take(4096).read_to_end(&mut head);
    let marked = memchr::memmem::find(&head, b"\"wa-store\"").is_some();
    read.is_ok() && marked || dir.join("wa.toml").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[&str]) -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            for file in files {
                let path = folder.0.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "{}").unwrap();
            }
            folder
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).display().to_string()
        }

        /// Finds, and returns the names relative to the folder.
        fn find(&self, inputs: &[&str]) -> (Vec<String>, Vec<String>) {
            let inputs: Vec<_> =
                inputs.iter().map(|i| if *i == "-" { "-".into() } else { self.path(i).into() }).collect();
            let found = find(&inputs, &self.0.path().join("store"));
            let strip = |text: String| text.replace(&(self.0.path().display().to_string() + "/"), "");
            let files = found.files.iter().map(|f| strip(f.name())).collect();
            (files, found.problems.iter().map(|p| strip(p.to_string())).collect())
        }
    }

    #[test]
    fn a_directory_gives_the_logs_in_it_and_below_sorted_by_name() {
        let folder = Folder::with(&[
            "b.ndjson",
            "a.jsonl.gz",
            "sub/deep/c.json.zst",
            "sub/d.LOG",
            "e.txt",
            "f.gz",
            "g.ndjson.bz2",
            "ndjson",
        ]);
        let (files, problems) = folder.find(&["."]);
        assert_eq!(files.len(), 4, "{files:?}");
        let (files, _) = folder.find(&[""]);
        assert_eq!(files, ["a.jsonl.gz", "b.ndjson", "sub/d.LOG", "sub/deep/c.json.zst"]);
        assert!(problems.is_empty());
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_a_named_file_needs_no_suffix() {
        let folder = Folder::with(&["b.ndjson", "a.txt", "sub/c.log"]);
        let (files, _) = folder.find(&["b.ndjson", "-", "a.txt", "sub/../b.ndjson", "*.ndjson", "sub", "-"]);
        assert_eq!(files, ["a.txt", "b.ndjson", "sub/c.log", "-"]);
    }

    #[test]
    fn a_folder_without_logs_is_named_with_a_file_of_another_name() {
        let folder =
            Folder::with(&["rotated/deep/widget.ndjson.1", "rotated/deep/widget.ndjson.2", "logs/a.log"]);
        fs::create_dir(folder.path("empty")).unwrap();
        let find = |inputs: &[&str]| {
            let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.path(input).into()).collect();
            find(&inputs, &folder.0.path().join("store")).folders_without_logs
        };
        let other = Some(folder.path("rotated/deep/widget.ndjson.1").into());
        let rotated = FolderWithoutLogs { folder: folder.path("rotated").into(), other };
        let empty = FolderWithoutLogs { folder: folder.path("empty").into(), other: None };
        assert_eq!(find(&["rotated", "empty", "logs"]), [rotated, empty]);
        // One log is enough, and so is one that was named before.
        assert_eq!(find(&[""]), []);
        assert_eq!(find(&["logs/a.log", "logs"]), []);
    }

    #[test]
    fn globs_match_and_a_file_with_such_a_name_is_itself() {
        let folder = Folder::with(&["a1.log", "a2.log", "b1.log", "x[1].log", "deep/er/a3.log"]);
        assert_eq!(folder.find(&["a?.log"]).0, ["a1.log", "a2.log"]);
        assert_eq!(folder.find(&["[b-z]1.log"]).0, ["b1.log"]);
        assert_eq!(folder.find(&["**/a*.log"]).0, ["a1.log", "a2.log", "deep/er/a3.log"]);
        assert_eq!(folder.find(&["x[1].log"]).0, ["x[1].log"]);
        assert_eq!(folder.find(&["d*"]).0, ["deep/er/a3.log"]);
    }

    #[test]
    fn what_is_not_there_is_a_problem_and_the_rest_is_found() {
        let folder = Folder::with(&["a.log"]);
        let (files, problems) = folder.find(&["missing.log", "a.log", "*.ndjson", "x[.log"]);
        assert_eq!(files, ["a.log"]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("cannot read missing.log"), "{problems:?}");
        assert_eq!(problems[1], "no file matches *.ndjson");
        assert!(problems[2].starts_with("cannot understand the pattern x[.log"), "{problems:?}");
    }

    #[test]
    fn no_store_is_read_neither_the_own_nor_another() {
        let folder =
            Folder::with(&["a.log", "store/rejects/r.ndjson", "other/rejects/r.ndjson", "not/manifest.json"]);
        fs::write(folder.path("other/manifest.json"), "{\n \"format\": \"wa-store\"}").unwrap();
        let (files, problems) = folder.find(&[""]);
        assert_eq!(files, ["a.log", "not/manifest.json"]);
        assert!(problems.is_empty());
        let parts = ["store", "store/rejects/r.ndjson", "other", "other/rejects", "other/rejects/*.ndjson"];
        let (files, problems) = folder.find(&parts);
        assert!(files.is_empty());
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.ends_with("it belongs to a wa store")), "{problems:?}");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_into_a_store() {
        use std::os::unix::fs::symlink;
        let folder = Folder::with(&["logs/a.log", "store/rejects/r.ndjson", "other/rejects/r.ndjson"]);
        fs::write(folder.path("other/manifest.json"), "{\"format\":\"wa-store\"}").unwrap();
        for store in ["store", "other"] {
            symlink(folder.path(&format!("{store}/rejects")), folder.path(&format!("logs/{store}"))).unwrap();
            let link = folder.path(&format!("logs/{store}.ndjson"));
            symlink(folder.path(&format!("{store}/rejects/r.ndjson")), link).unwrap();
        }
        assert_eq!(folder.find(&["logs"]), (vec!["logs/a.log".to_owned()], vec![]));
        let (files, problems) =
            folder.find(&["logs/store", "logs/other", "logs/store.ndjson", "logs/other.ndjson"]);
        assert_eq!((files.len(), problems.len()), (0, 4), "{problems:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf_8_is_one_like_any_other() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::with(&["a.log"]);
        let names: [&[u8]; 3] = [b"caf\xe8.LOG.gz", b"caf\xe9.log", b"\xff.txt"];
        let path = |name: &[u8]| folder.0.path().join(OsStr::from_bytes(name));
        names.iter().for_each(|name| fs::write(path(name), "{}").unwrap());
        assert_eq!(
            folder.find(&[""]),
            (vec!["a.log".into(), "caf\\xe8.LOG.gz".into(), "caf\\xe9.log".into()], vec![])
        );
        let found = find(&[path(b"\xff.txt"), path(b"\xfe*")], Path::new("store"));
        assert_eq!(found.files, [Input::File(path(b"\xff.txt"))]);
        assert_eq!(found.problems.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_a_folder_is_not_opened_whatever_it_is_called() {
        let folder = Folder::with(&["a.log"]);
        for name in ["manifest.json", "b.log"] {
            let made = std::process::Command::new("mkfifo").arg(folder.path(name)).status().unwrap();
            assert!(made.success());
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(folder.find(&[""])));
        let found = receiver.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(found, Ok((vec!["a.log".to_owned()], vec![])));
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_ends_and_a_broken_link_is_a_problem() {
        use std::os::unix::fs::symlink;
        let folder = Folder::with(&["a.log", "sub/b.log"]);
        symlink(folder.path(""), folder.path("sub/up")).unwrap();
        symlink(folder.path("a.log"), folder.path("sub/a-again.log")).unwrap();
        symlink(folder.path("nowhere"), folder.path("sub/broken.log")).unwrap();
        let (files, problems) = folder.find(&[""]);
        assert_eq!(files, ["a.log", "sub/b.log"]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("cannot read sub/broken.log"), "{problems:?}");
    }
}
