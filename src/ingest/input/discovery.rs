//! Expands the inputs of an ingest (files, folders, globs, standard input) to files.

use std::collections::{BTreeMap, HashMap, HashSet};
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
    /// Returns the name that ingest summaries and messages use: `-` for standard input. Bytes of a
    /// path that are not UTF-8 are written as `\xe9`, so that different files have different names.
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

/// The files that were found, and the inputs without files.
#[derive(Debug, Default)]
pub struct FoundInputs {
    /// The files, each once, sorted by path, and standard input last.
    pub files: Vec<Input>,
    /// Errors of inputs that do not exist, cannot be read or belong to a store.
    pub problems: Vec<Error>,
    /// The files of folders that are not read.
    pub unread: UnreadFiles,
}

/// The files of input folders that are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadFiles {
    /// Folders without log files.
    pub folders_without_logs: Vec<FolderWithoutLogs>,
    /// Logs with an unsupported compression. Only those in folders that also have other logs are
    /// listed.
    pub unread_logs: Vec<PathBuf>,
    /// Number of other files by extension, in lower case and without the dot. The extension is
    /// empty for names without one.
    pub skipped: BTreeMap<String, u64>,
}

/// A folder that was given as an input and has no log files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderWithoutLogs {
    /// The folder.
    pub folder: PathBuf,
    /// A file in the folder or its subfolders that is not named like a log.
    pub other_file: Option<PathBuf>,
}

/// Returns the files of the given inputs. An input that does not exist becomes a problem of the
/// result.
///
/// - `-` is standard input.
/// - A file is read regardless of its name, even if the name contains glob characters.
/// - A folder is searched recursively for `*.ndjson`, `*.jsonl`, `*.json`, `*.log`, `*.csv` and
///   `*.tsv`, each also with `.gz`, `.zst`, `.xz` or `.bz2`. Symbolic links are followed; each
///   folder is searched once.
/// - A glob (`*`, `?`, `[…]`, `**`) expands to the files and folders that it matches.
///
/// Files of `store` and of any other `wa` store are not returned.
pub fn find_inputs(inputs: &[PathBuf], store: &Path) -> FoundInputs {
    let mut search = Search {
        store: store.canonicalize().ok(),
        found: FoundInputs::default(),
        files: HashSet::new(),
        dirs: HashMap::new(),
        input_folders: 0,
        in_store: HashMap::new(),
        skipped: Vec::new(),
    };
    for input in inputs {
        search.add(input);
    }
    search.finish()
}

struct Search {
    store: Option<PathBuf>,
    found: FoundInputs,
    /// The canonical paths of the files, so that a file with two names is read once.
    files: HashSet<PathBuf>,
    /// The searched folders by canonical path, each with the index of the input folder whose search
    /// reached it.
    dirs: HashMap<PathBuf, usize>,
    /// Number of input folders so far.
    input_folders: usize,
    /// For each folder, by canonical path, whether it is a store or inside one.
    in_store: HashMap<PathBuf, bool>,
    /// The files that are not named like logs. Another input can name one of them.
    skipped: Vec<PathBuf>,
}

/// The contents of an input folder.
#[derive(Default)]
struct FolderContents {
    has_logs: bool,
    /// The first file that is not named like a log.
    other_file: Option<PathBuf>,
    /// Logs with an unsupported compression.
    unread_logs: Vec<PathBuf>,
}

impl Search {
    fn finish(self) -> FoundInputs {
        let Search { mut found, files, skipped, .. } = self;
        found.files.sort();
        for path in skipped.iter().filter(|path| !files.contains(*path)) {
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            *found.unread.skipped.entry(extension.unwrap_or_default()).or_default() += 1;
        }
        found
    }

    fn add(&mut self, path: &Path) {
        if path == Path::new("-") {
            if !self.found.files.contains(&Input::Stdin) {
                self.found.files.push(Input::Stdin);
            }
            return;
        }
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        match (path.metadata(), pattern) {
            (Ok(_), _) => self.add_input(path),
            (Err(_), Some(pattern)) => self.add_glob(pattern),
            (Err(e), None) => self.add_problem(Error::io("read", path, e)),
        }
    }

    fn add_glob(&mut self, pattern: &str) {
        let options = glob::MatchOptions { case_sensitive: true, ..glob::MatchOptions::new() };
        let paths = match glob::glob_with(pattern, options) {
            Ok(paths) => paths,
            Err(e) => {
                let error = Error::usage(format!("invalid glob pattern {pattern}")).caused_by(e);
                return self.add_problem(error.hint("write [[] for a literal bracket"));
            }
        };
        let mut none = true;
        for path in paths {
            none = false;
            match path {
                Ok(path) => self.add_input(&path),
                Err(e) => {
                    let path = e.path().to_owned();
                    self.add_problem(Error::io("read", &path, e.into()));
                }
            }
        }
        if none {
            let error = Error::failed(format!("no file matches {pattern}"));
            self.add_problem(
                error.hint("check the folder, and quote the pattern to keep the shell from expanding it"),
            );
        }
    }

    /// Adds a file or folder that was given as an input or matched by a glob.
    fn add_input(&mut self, path: &Path) {
        let is_dir = path.is_dir();
        if self.belongs_to_store(path, is_dir) {
            let error = Error::new(
                ErrorKind::Usage,
                format!("cannot ingest {}: it belongs to a wa store", path.display()),
            );
            return self
                .add_problem(error.hint("name the log files; `wa export` exports the events of a store"));
        }
        match path.metadata() {
            Ok(_) if is_dir => self.add_folder(path),
            // A pipe that is given explicitly is read like a file.
            Ok(_) => self.add_file(path),
            Err(e) => self.add_problem(Error::io("read", path, e)),
        }
    }

    fn add_folder(&mut self, top: &Path) {
        self.input_folders += 1;
        let mut pending = vec![top.to_owned()];
        let problems = self.found.problems.len();
        let mut contents = FolderContents::default();
        while let Some(dir) = pending.pop() {
            let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            if self.folder_in_store(&real) {
                continue;
            }
            if let Some(before) = self.dirs.insert(real.clone(), self.input_folders) {
                // An earlier input has searched this folder and reported whether it contains logs.
                contents.has_logs |= before != self.input_folders;
                continue;
            }
            match list(&dir) {
                Ok(paths) => {
                    let mut add = |path| self.add_entry(path, &real, &mut pending, &mut contents);
                    paths.into_iter().for_each(&mut add);
                }
                Err(e) => self.add_problem(e),
            }
        }
        if contents.has_logs {
            self.found.unread.unread_logs.append(&mut contents.unread_logs);
        }
        self.skipped.append(&mut contents.unread_logs);
        if !contents.has_logs && self.found.problems.len() == problems {
            let folder = top.to_owned();
            let other_file = contents.other_file;
            self.found.unread.folders_without_logs.push(FolderWithoutLogs { folder, other_file });
        }
    }

    /// Adds an entry of a folder; `dir` is the canonical path of the folder.
    fn add_entry(
        &mut self,
        path: PathBuf,
        dir: &Path,
        pending: &mut Vec<PathBuf>,
        contents: &mut FolderContents,
    ) {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => pending.push(path),
            // Pipes and devices in a folder are not read.
            Ok(metadata) if metadata.is_file() && is_log(&path) => {
                contents.has_logs = true;
                // A link can point into a store.
                if !self.belongs_to_store(&path, false) {
                    self.add_file(&path);
                }
            }
            Ok(metadata) if metadata.is_file() => {
                match path.file_name() {
                    _ if is_unread_log(&path) => contents.unread_logs.push(path.clone()),
                    Some(name) => self.skipped.push(dir.join(name)),
                    None => {}
                }
                contents.other_file.get_or_insert(path);
            }
            Ok(_) => {}
            Err(e) if is_log(&path) => self.add_problem(Error::io("read", &path, e)),
            Err(_) => {}
        }
    }

    fn add_file(&mut self, path: &Path) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.files.insert(real) {
            self.found.files.push(Input::File(path.to_owned()));
        }
    }

    /// Returns whether a file or folder belongs to a store, after resolving links.
    fn belongs_to_store(&mut self, path: &Path, is_dir: bool) -> bool {
        // A path without a canonical form, such as a pipe, is not inside any folder.
        let Ok(real) = path.canonicalize() else { return false };
        let dir = if is_dir { Some(real.as_path()) } else { real.parent() };
        dir.is_some_and(|dir| self.folder_in_store(dir))
    }

    /// Returns whether a folder, by canonical path, is a store or inside one. Results are cached.
    fn folder_in_store(&mut self, dir: &Path) -> bool {
        if let Some(within) = self.in_store.get(dir) {
            return *within;
        }
        let is_itself = self.store.as_deref() == Some(dir) || is_store(dir);
        let within = is_itself || dir.parent().is_some_and(|above| self.folder_in_store(above));
        self.in_store.insert(dir.to_owned(), within);
        within
    }

    fn add_problem(&mut self, error: Error) {
        self.found.problems.push(error);
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let error = |e| Error::io("search", dir, e);
    let entries = std::fs::read_dir(dir).map_err(error)?;
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(error)?;
    // In sorted order, a file with two names is always reported under the same one.
    paths.sort();
    Ok(paths)
}

/// The suffixes of compressed logs.
const COMPRESSED: [&str; 4] = [".gz", ".zst", ".xz", ".bz2"];

/// The suffixes of compressed files that cannot be read.
const UNSUPPORTED: [&str; 10] =
    [".lz4", ".br", ".lzma", ".lz", ".lzo", ".z", ".zip", ".7z", ".sz", ".snappy"];

/// Returns whether a file is named like a log with an unsupported compression.
fn is_unread_log(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let stem = UNSUPPORTED.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes()));
    stem.is_some_and(is_log_name)
}

/// Returns whether a file is named like a log. The name need not be UTF-8.
pub(crate) fn is_log(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_ascii_lowercase());
    name.is_some_and(|name| is_log_name(&name))
}

/// Returns whether a name in lower case is the name of a log.
fn is_log_name(name: &[u8]) -> bool {
    let name = COMPRESSED.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes())).unwrap_or(name);
    [".ndjson", ".jsonl", ".json", ".log", ".csv", ".tsv"]
        .iter()
        .any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Returns whether a folder is a store: it has the manifest of a store, or a manifest and settings.
fn is_store(dir: &Path) -> bool {
    let path = dir.join("manifest.json");
    // Opening a pipe would block until a writer opens it.
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

        /// Returns the names of files and the problems, relative to the folder.
        fn find(&self, inputs: &[&str]) -> (Vec<String>, Vec<String>) {
            let inputs: Vec<_> =
                inputs.iter().map(|i| if *i == "-" { "-".into() } else { self.path(i).into() }).collect();
            let found = find_inputs(&inputs, &self.0.path().join("store"));
            let strip = |text: String| text.replace(&(self.0.path().display().to_string() + "/"), "");
            let files = found.files.iter().map(|f| strip(f.name())).collect();
            (files, found.problems.iter().map(|p| strip(p.to_string())).collect())
        }
    }

    #[test]
    fn logs_of_unsupported_compression_are_named() {
        let folder = Folder::with(&[
            "a/b.ndjson",
            "a/c.ndjson.lz4",
            "a/sub/d.LOG.Zip",
            "a/e.txt.lz4",
            "a/f.lz4",
            "a/g.json.gz.br",
            "only/h.log.lz4",
        ]);
        let found =
            find_inputs(&["a", "only"].map(|name| folder.path(name).into()), &folder.0.path().join("store"));
        let names = found.unread.unread_logs.iter().map(|path| path.display().to_string());
        let expected = ["a/c.ndjson.lz4", "a/g.json.gz.br", "a/sub/d.LOG.Zip"].map(|name| folder.path(name));
        assert_eq!(names.collect::<Vec<_>>(), expected);
        // A folder without logs has a separate message, which names such a file.
        assert_eq!(found.unread.folders_without_logs.len(), 1);
    }

    #[test]
    fn skipped_files_are_counted_by_extension() {
        let folder = Folder::with(&[
            "a/b.ndjson",
            "a/notes.txt",
            "a/sub/NOTES.TXT",
            "a/sub/widget.ndjson.1",
            "a/.hidden",
            "a/c.ndjson.lz4",
            "only/README",
            "only/d.log.lz4",
            "store/manifest.json",
            "store/e.txt",
        ]);
        let skipped = |inputs: &[&str]| {
            let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.path(input).into()).collect();
            find_inputs(&inputs, &folder.0.path().join("store")).unread.skipped
        };
        let counts = |counts: &[(&str, u64)]| -> BTreeMap<String, u64> {
            counts.iter().map(|(extension, count)| ((*extension).to_owned(), *count)).collect()
        };
        // The warning about compressed logs names `c.ndjson.lz4`. There is none about `d.log.lz4`.
        assert_eq!(skipped(&["a", "only"]), counts(&[("", 2), ("1", 1), ("lz4", 1), ("txt", 2)]));
        // Each file counts once, and not at all if an input names it.
        let named = ["a", "a/sub", "a/sub/../notes.txt", "a/sub/*.1"];
        assert_eq!(skipped(&named), counts(&[("", 1), ("txt", 1)]));
        assert_eq!(skipped(&["a/b.ndjson"]), counts(&[]));
    }

    #[test]
    fn folder_is_searched_recursively_in_order() {
        let folder = Folder::with(&[
            "b.ndjson",
            "a.jsonl.gz",
            "sub/deep/c.json.zst",
            "sub/d.LOG",
            "e.txt",
            "f.gz",
            "g.ndjson.lz4",
            "h.log.xz",
            "i.json.BZ2",
            "j.csv",
            "k.TSV.gz",
            "ndjson",
        ]);
        let (files, problems) = folder.find(&["."]);
        assert_eq!(files.len(), 8, "{files:?}");
        let (files, _) = folder.find(&[""]);
        assert_eq!(
            files,
            [
                "a.jsonl.gz",
                "b.ndjson",
                "h.log.xz",
                "i.json.BZ2",
                "j.csv",
                "k.TSV.gz",
                "sub/d.LOG",
                "sub/deep/c.json.zst"
            ]
        );
        assert!(problems.is_empty());
    }

    #[test]
    fn file_given_twice_is_read_once() {
        let folder = Folder::with(&["b.ndjson", "a.txt", "sub/c.log"]);
        let (files, _) = folder.find(&["b.ndjson", "-", "a.txt", "sub/../b.ndjson", "*.ndjson", "sub", "-"]);
        assert_eq!(files, ["a.txt", "b.ndjson", "sub/c.log", "-"]);
    }

    #[test]
    fn folder_without_logs_reports_another_file() {
        let folder =
            Folder::with(&["rotated/deep/widget.ndjson.1", "rotated/deep/widget.ndjson.2", "logs/a.log"]);
        fs::create_dir(folder.path("empty")).unwrap();
        let without_logs = |inputs: &[&str]| {
            let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.path(input).into()).collect();
            find_inputs(&inputs, &folder.0.path().join("store")).unread.folders_without_logs
        };
        let other_file = Some(folder.path("rotated/deep/widget.ndjson.1").into());
        let rotated = FolderWithoutLogs { folder: folder.path("rotated").into(), other_file };
        let empty = FolderWithoutLogs { folder: folder.path("empty").into(), other_file: None };
        assert_eq!(without_logs(&["rotated", "empty", "logs"]), [rotated, empty]);
        // A single log is enough, even one that an earlier input has named.
        assert_eq!(without_logs(&[""]), []);
        assert_eq!(without_logs(&["logs/a.log", "logs"]), []);
    }

    #[test]
    fn file_with_a_glob_name_is_read_as_a_file() {
        let folder = Folder::with(&["a1.log", "a2.log", "b1.log", "x[1].log", "deep/er/a3.log"]);
        assert_eq!(folder.find(&["a?.log"]).0, ["a1.log", "a2.log"]);
        assert_eq!(folder.find(&["[b-z]1.log"]).0, ["b1.log"]);
        assert_eq!(folder.find(&["**/a*.log"]).0, ["a1.log", "a2.log", "deep/er/a3.log"]);
        assert_eq!(folder.find(&["x[1].log"]).0, ["x[1].log"]);
        assert_eq!(folder.find(&["d*"]).0, ["deep/er/a3.log"]);
    }

    #[test]
    fn missing_inputs_are_problems_and_the_rest_is_found() {
        let folder = Folder::with(&["a.log"]);
        let (files, problems) = folder.find(&["missing.log", "a.log", "*.ndjson", "x[.log"]);
        assert_eq!(files, ["a.log"]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("cannot read missing.log"), "{problems:?}");
        assert_eq!(problems[1], "no file matches *.ndjson");
        assert!(problems[2].starts_with("invalid glob pattern x[.log"), "{problems:?}");
    }

    #[test]
    fn files_of_stores_are_not_read() {
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
    fn links_into_a_store_are_not_followed() {
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
    fn names_that_are_not_utf8_are_read() {
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
        let found = find_inputs(&[path(b"\xff.txt"), path(b"\xfe*")], Path::new("store"));
        assert_eq!(found.files, [Input::File(path(b"\xff.txt"))]);
        assert_eq!(found.problems.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn pipe_in_a_folder_is_not_opened() {
        let folder = Folder::with(&["a.log"]);
        for name in ["manifest.json", "b.log"] {
            let status = std::process::Command::new("mkfifo").arg(folder.path(name)).status().unwrap();
            assert!(status.success());
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(folder.find(&[""])));
        let found = receiver.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(found, Ok((vec!["a.log".to_owned()], vec![])));
    }

    #[cfg(unix)]
    #[test]
    fn link_loops_end_and_broken_links_are_problems() {
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
