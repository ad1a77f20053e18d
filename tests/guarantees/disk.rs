//! A disk in memory that knows what a power cut would leave, counts its operations, and fails or
//! stops at any one of them.
//!
//! A file's bytes are safe once the file is synced; a folder's entries (new, renamed, removed) once
//! that folder is synced. What is not safe may or may not survive a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wa::store::file_system::{DirEntry, FileSystem, OpenFile};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This one operation fails; those after it work.
    Error(u64),
    /// From this operation on there is no room: what makes files or folders fails.
    Full(u64),
    /// This operation and all after it fail: nothing more happens.
    Stop(u64),
}

/// What is left after everything has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Everything: only the process ended.
    Everything,
    /// Only what was synced.
    Synced,
    /// What was synced, and of the rest what chance leaves.
    Some(u64),
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File { now: Arc<Vec<u8>>, safe: Option<Arc<Vec<u8>>> },
    Dir { now: BTreeMap<String, usize>, safe: BTreeMap<String, usize> },
}

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    operations: u64,
    fault: Option<Fault>,
    log: Vec<String>,
    /// Which of the operations make something: those that need room.
    making: BTreeSet<u64>,
}

/// The disk.
#[derive(Debug)]
pub struct MemoryDisk(Mutex<State>);

enum Verdict {
    Go,
    Fail,
    Full,
}

impl MemoryDisk {
    /// Makes an empty disk: a root folder.
    pub fn new() -> Arc<MemoryDisk> {
        let root = Node::Dir { now: BTreeMap::new(), safe: BTreeMap::new() };
        Arc::new(MemoryDisk(Mutex::new(State { nodes: vec![root], ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy with the same content, no fault and no operations counted.
    pub fn copy(&self) -> Arc<MemoryDisk> {
        let state = self.state();
        let copy = State { nodes: state.nodes.clone(), ..State::default() };
        Arc::new(MemoryDisk(Mutex::new(copy)))
    }

    /// Sets or clears the fault.
    pub fn fail(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Returns the number of operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Tells whether an operation needed room: no other is refused by a full disk.
    pub fn made(&self, operation: u64) -> bool {
        self.state().making.contains(&operation)
    }

    /// Tells whether two disks have the same content, and the same of it is safe.
    pub fn is_like(&self, other: &MemoryDisk) -> bool {
        self.state().nodes == other.state().nodes
    }

    /// Returns the last operations, for messages.
    pub fn last_operations(&self, n: usize) -> String {
        let state = self.state();
        state.log[state.log.len().saturating_sub(n)..].join("\n")
    }

    /// Returns the disk as it is found when the machine starts again.
    pub fn after(&self, left: Left) -> Arc<MemoryDisk> {
        let state = self.state();
        let mut chance = Chance(match left {
            Left::Some(seed) => seed,
            _ => 0,
        });
        let mut nodes = Vec::new();
        state.survive(0, left, &mut chance, &mut nodes);
        Arc::new(MemoryDisk(Mutex::new(State { nodes, ..State::default() })))
    }

    /// Returns the paths of all files.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let state = self.state();
        let mut files = BTreeSet::new();
        let mut pending = vec![(0, PathBuf::from("/"))];
        while let Some((node, path)) = pending.pop() {
            match &state.nodes[node] {
                Node::File { .. } => {
                    files.insert(path);
                }
                Node::Dir { now, .. } => {
                    pending.extend(now.iter().map(|(name, node)| (*node, path.join(name))));
                }
            }
        }
        files
    }

    /// Changes a file's bytes behind everybody's back.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let node = state.find(path).unwrap();
        let Node::File { now, safe } = &mut state.nodes[node] else {
            panic!("{} is a folder", path.display())
        };
        let mut bytes = now.as_ref().clone();
        change(&mut bytes);
        *now = Arc::new(bytes);
        *safe = Some(now.clone());
    }

    /// Counts an operation and says whether it works.
    fn begin(&self, what: &str, path: &Path) -> (MutexGuard<'_, State>, Verdict) {
        let mut state = self.state();
        state.operations += 1;
        let number = state.operations;
        state.log.push(format!("{number:>5} {what} {}", path.display()));
        let makes = matches!(what, "write" | "create folder");
        if makes {
            state.making.insert(number);
        }
        let verdict = match state.fault {
            Some(Fault::Error(at)) if number == at => Verdict::Fail,
            Some(Fault::Stop(at)) if number >= at => Verdict::Fail,
            Some(Fault::Full(at)) if number >= at && makes => Verdict::Full,
            _ => Verdict::Go,
        };
        (state, verdict)
    }
}

impl Verdict {
    fn check(self) -> io::Result<()> {
        match self {
            Verdict::Go => Ok(()),
            Verdict::Fail => Err(io::Error::other("the disk failed")),
            Verdict::Full => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }
}

impl State {
    fn dir(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Dir { now, .. } => Ok(now),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for name in names(path) {
            node = match &self.nodes[node] {
                Node::Dir { now, .. } => *now.get(&name).ok_or(io::ErrorKind::NotFound)?,
                Node::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
            };
        }
        Ok(node)
    }

    /// Returns the folder of a path, and its name in it.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = names(path).pop().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().unwrap_or(Path::new("/")))?, name))
    }

    fn file(&self, path: &Path) -> io::Result<Arc<Vec<u8>>> {
        match &self.nodes[self.find(path)?] {
            Node::File { now, .. } => Ok(now.clone()),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Copies what survives of a node into `nodes`, and returns its number there.
    fn survive(&self, node: usize, left: Left, chance: &mut Chance, nodes: &mut Vec<Node>) -> usize {
        let number = nodes.len();
        match &self.nodes[node] {
            Node::File { now, safe } => {
                let unsafe_bytes = safe.as_ref() != Some(now);
                let bytes = match left {
                    Left::Everything => now.clone(),
                    Left::Synced => safe.clone().unwrap_or_default(),
                    Left::Some(_) if unsafe_bytes => match chance.below(3) {
                        0 => now.clone(),
                        1 => safe.clone().unwrap_or_default(),
                        _ => Arc::new(now[..chance.below(now.len() as u64 + 1) as usize].to_vec()),
                    },
                    Left::Some(_) => now.clone(),
                };
                nodes.push(Node::File { now: bytes.clone(), safe: Some(bytes) });
            }
            Node::Dir { now, safe } => {
                nodes.push(Node::Dir { now: BTreeMap::new(), safe: BTreeMap::new() });
                let mut entries = BTreeMap::new();
                let all: BTreeSet<&String> = now.keys().chain(safe.keys()).collect();
                for name in all {
                    let kept = match left {
                        Left::Everything => now.get(name),
                        Left::Synced => safe.get(name),
                        Left::Some(_) if chance.below(2) == 0 => now.get(name),
                        Left::Some(_) => safe.get(name),
                    };
                    if let Some(child) = kept {
                        entries.insert(name.clone(), self.survive(*child, left, chance, nodes));
                    }
                }
                nodes[number] = Node::Dir { now: entries.clone(), safe: entries };
            }
        }
        number
    }
}

fn names(path: &Path) -> Vec<String> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

impl FileSystem for MemoryDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("create folder", dir);
        // A folder that is there already takes no room.
        if state.find(dir).is_ok() && !matches!(verdict, Verdict::Fail) {
            return Ok(());
        }
        verdict.check()?;
        let mut node = 0;
        for name in names(dir) {
            node = match state.dir(node)?.get(&name) {
                Some(child) => *child,
                None => {
                    state.nodes.push(Node::Dir { now: BTreeMap::new(), safe: BTreeMap::new() });
                    let child = state.nodes.len() - 1;
                    state.dir(node)?.insert(name, child);
                    child
                }
            };
        }
        state.dir(node).map(|_| ())
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (mut state, verdict) = self.begin("write", path);
        let (dir, name) = state.place(path)?;
        if state.dir(dir)?.contains_key(&name) {
            verdict.check()?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // A write that fails leaves a part of the file.
        let written = match verdict {
            Verdict::Go => bytes,
            _ => &bytes[..bytes.len() / 2],
        };
        state.nodes.push(Node::File { now: Arc::new(written.to_vec()), safe: None });
        let node = state.nodes.len() - 1;
        state.dir(dir)?.insert(name, node);
        verdict.check()
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("sync", path);
        verdict.check()?;
        let node = state.find(path)?;
        if let Node::File { now, safe } = &mut state.nodes[node] {
            *safe = Some(now.clone());
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("sync folder", dir);
        verdict.check()?;
        let node = state.find(dir)?;
        match &mut state.nodes[node] {
            Node::Dir { now, safe } => safe.clone_from(now),
            Node::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("rename", to);
        verdict.check()?;
        let ((old_dir, old), (new_dir, new)) = (state.place(from)?, state.place(to)?);
        state.dir(new_dir)?;
        let node = state.dir(old_dir)?.remove(&old).ok_or(io::ErrorKind::NotFound)?;
        state.dir(new_dir)?.insert(new, node);
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        // One operation, be it refused by the disk or by what is there.
        if self.state().find(to).is_ok() {
            return self.begin("rename", to).1.check().and(Err(io::ErrorKind::AlreadyExists.into()));
        }
        self.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("remove", path);
        verdict.check()?;
        let (dir, name) = state.place(path)?;
        state.dir(dir)?.remove(&name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("remove folder", path);
        verdict.check()?;
        let node = state.find(path)?;
        if !state.dir(node)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (dir, name) = state.place(path)?;
        state.dir(dir)?.remove(&name);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let (state, verdict) = self.begin("list", dir);
        verdict.check()?;
        match state.find(dir) {
            Ok(node) => match &state.nodes[node] {
                Node::Dir { now, .. } => Ok(now
                    .iter()
                    .map(|(name, child)| DirEntry {
                        name: name.clone(),
                        is_dir: matches!(state.nodes[*child], Node::Dir { .. }),
                        is_link: false,
                    })
                    .collect()),
                Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (state, verdict) = self.begin("read", path);
        verdict.check()?;
        state.file(path).map(|bytes| bytes.as_ref().clone())
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        let (state, verdict) = self.begin("open", path);
        verdict.check()?;
        state.file(path).map(|bytes| OpenFile::Bytes(bytes.as_ref().clone()))
    }
}

/// Numbers by chance, the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`; 0 where `n` is.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next().checked_rem(n).unwrap_or(0)
    }
}

#[test]
fn what_is_not_synced_is_gone_after_a_power_cut_and_there_after_a_killed_process() {
    let disk = MemoryDisk::new();
    let path = |name: &str| Path::new("/store").join(name);
    disk.create_dir_all(&path("a")).unwrap();
    disk.write_new(&path("a/synced"), b"12345").unwrap();
    disk.sync_file(&path("a/synced")).unwrap();
    disk.write_new(&path("a/empty"), b"12345").unwrap();
    disk.sync_dir(&path("a")).unwrap();
    disk.sync_dir(Path::new("/store")).unwrap();
    disk.write_new(&path("a/late"), b"12345").unwrap();
    // The entry of /store in / is not synced: all of it goes.
    assert!(disk.after(Left::Synced).files().is_empty());
    disk.sync_dir(Path::new("/")).unwrap();
    let cut = disk.after(Left::Synced);
    assert_eq!(cut.files(), BTreeSet::from([path("a/empty"), path("a/synced")]));
    assert_eq!(cut.read(&path("a/synced")).unwrap(), b"12345");
    assert_eq!(cut.read(&path("a/empty")).unwrap(), b"");
    assert_eq!(disk.after(Left::Everything).files().len(), 3);
}
