//! An in-memory file system that counts its operations, injects a fault at any of them, and
//! simulates power cuts.
//!
//! The bytes of a file are durable once the file is synced. The entries of a folder (new, renamed
//! or removed) are durable once the folder is synced. All other changes can be lost in a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rng::Rng;
use wa::store::file_system::{DirEntry, FileSystem, OpenFile, SyncAll};

/// A fault to inject, at an operation counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This operation fails; later operations succeed.
    Error(u64),
    /// From this operation on, creating files and folders fails because the disk is full.
    Full(u64),
    /// This operation and all later ones fail, as after a crash.
    Stop(u64),
}

/// The changes that survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surviving {
    /// All changes, as when the process is killed.
    Everything,
    /// Only synced changes, as after a power cut.
    Synced,
    /// Synced changes and a random part of all other changes, selected by a seed, as after a power
    /// cut.
    Random(u64),
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File { now: Arc<Vec<u8>>, durable: Option<Arc<Vec<u8>>> },
    Dir { now: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
}

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    operations: u64,
    fault: Option<Fault>,
    log: Vec<String>,
    /// The operations that need space.
    needing_space: BTreeSet<u64>,
    /// The minimum number of files that are synced together; `None` if files are always synced one
    /// by one.
    min_grouped_files: Option<usize>,
    /// Total size of the files written since the file system was created or copied, and its maximum
    /// so far.
    bytes: u64,
    peak_bytes: u64,
}

/// An in-memory file system.
#[derive(Debug)]
pub struct MemoryFileSystem(Mutex<State>);

enum Verdict {
    Go,
    Fail,
    Full,
}

impl MemoryFileSystem {
    /// Creates an empty file system: a root folder.
    pub fn new() -> Arc<MemoryFileSystem> {
        let root = Node::Dir { now: BTreeMap::new(), durable: BTreeMap::new() };
        Arc::new(MemoryFileSystem(Mutex::new(State { nodes: vec![root], ..State::default() })))
    }

    /// Creates an empty file system that syncs all files of a commit together if there are at least
    /// `files`.
    pub fn with_grouped_sync(files: usize) -> Arc<MemoryFileSystem> {
        let disk = MemoryFileSystem::new();
        disk.state().min_grouped_files = Some(files);
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy with the same content, no fault and an operation count of 0.
    pub fn copy(&self) -> Arc<MemoryFileSystem> {
        let state = self.state();
        state.with_nodes(state.nodes.clone())
    }

    /// Sets or clears the fault.
    pub fn inject(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Returns the number of operations.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns whether an operation needed space. Only such operations fail on a full disk.
    pub fn needed_space(&self, operation: u64) -> bool {
        self.state().needing_space.contains(&operation)
    }

    /// Returns the maximum total size of all files at any time, without the files that a copy
    /// started with.
    pub fn peak_bytes(&self) -> u64 {
        self.state().peak_bytes
    }

    /// Returns whether two file systems have the same content and the same durable content.
    pub fn same_content(&self, other: &MemoryFileSystem) -> bool {
        self.state().nodes == other.state().nodes
    }

    /// Returns the last `n` operations, for messages.
    pub fn last_operations(&self, n: usize) -> String {
        let state = self.state();
        state.log[state.log.len().saturating_sub(n)..].join("\n")
    }

    /// Returns the file system as found after a crash.
    pub fn after_crash(&self, surviving: Surviving) -> Arc<MemoryFileSystem> {
        let state = self.state();
        let mut rng = Rng(match surviving {
            Surviving::Random(seed) => seed,
            _ => 0,
        });
        let mut nodes = Vec::new();
        state.survive(0, surviving, &mut rng, &mut nodes);
        state.with_nodes(nodes)
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

    /// Changes the bytes of a file without an operation.
    ///
    /// # Panics
    /// Panics if there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let node = state.find(path).unwrap();
        let Node::File { now, durable } = &mut state.nodes[node] else {
            panic!("{} is a folder", path.display())
        };
        let mut bytes = now.as_ref().clone();
        change(&mut bytes);
        *now = Arc::new(bytes);
        *durable = Some(now.clone());
    }

    /// Counts an operation, and returns its result according to the fault.
    fn begin(&self, operation: &str, path: &Path) -> (MutexGuard<'_, State>, Verdict) {
        let mut state = self.state();
        state.operations += 1;
        let number = state.operations;
        state.log.push(format!("{number:>5} {operation} {}", path.display()));
        let needs_space = matches!(operation, "write" | "create folder");
        if needs_space {
            state.needing_space.insert(number);
        }
        let verdict = match state.fault {
            Some(Fault::Error(at)) if number == at => Verdict::Fail,
            Some(Fault::Stop(at)) if number >= at => Verdict::Fail,
            Some(Fault::Full(at)) if number >= at && needs_space => Verdict::Full,
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
    /// Returns a file system with these nodes, no fault and an operation count of 0.
    fn with_nodes(&self, nodes: Vec<Node>) -> Arc<MemoryFileSystem> {
        let min_grouped_files = self.min_grouped_files;
        Arc::new(MemoryFileSystem(Mutex::new(State { nodes, min_grouped_files, ..State::default() })))
    }

    fn dir(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Dir { now, .. } => Ok(now),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Subtracts the size of a file that is no longer reachable.
    fn subtract(&mut self, node: usize) {
        if let Node::File { now, .. } = &self.nodes[node] {
            self.bytes = self.bytes.saturating_sub(now.len() as u64);
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

    /// Returns the node of the folder that contains a path, and the file name.
    fn parent_and_name(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = names(path).pop().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().unwrap_or(Path::new("/")))?, name))
    }

    fn file(&self, path: &Path) -> io::Result<Arc<Vec<u8>>> {
        match &self.nodes[self.find(path)?] {
            Node::File { now, .. } => Ok(now.clone()),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Copies the surviving part of a node into `nodes`, and returns its index there.
    fn survive(&self, node: usize, surviving: Surviving, rng: &mut Rng, nodes: &mut Vec<Node>) -> usize {
        let number = nodes.len();
        match &self.nodes[node] {
            Node::File { now, durable } => {
                let is_volatile = durable.as_ref() != Some(now);
                let bytes = match surviving {
                    Surviving::Everything => now.clone(),
                    Surviving::Synced => durable.clone().unwrap_or_default(),
                    Surviving::Random(_) if is_volatile => match rng.below(3) {
                        0 => now.clone(),
                        1 => durable.clone().unwrap_or_default(),
                        _ => Arc::new(now[..rng.below(now.len() as u64 + 1) as usize].to_vec()),
                    },
                    Surviving::Random(_) => now.clone(),
                };
                nodes.push(Node::File { now: bytes.clone(), durable: Some(bytes) });
            }
            Node::Dir { now, durable } => {
                nodes.push(Node::Dir { now: BTreeMap::new(), durable: BTreeMap::new() });
                let mut entries = BTreeMap::new();
                let all: BTreeSet<&String> = now.keys().chain(durable.keys()).collect();
                for name in all {
                    let entry = match surviving {
                        Surviving::Everything => now.get(name),
                        Surviving::Synced => durable.get(name),
                        Surviving::Random(_) if rng.below(2) == 0 => now.get(name),
                        Surviving::Random(_) => durable.get(name),
                    };
                    if let Some(child) = entry {
                        entries.insert(name.clone(), self.survive(*child, surviving, rng, nodes));
                    }
                }
                nodes[number] = Node::Dir { now: entries.clone(), durable: entries };
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

impl FileSystem for MemoryFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("create folder", dir);
        // An existing folder needs no space.
        if state.find(dir).is_ok() && !matches!(verdict, Verdict::Fail) {
            return Ok(());
        }
        verdict.check()?;
        let mut node = 0;
        for name in names(dir) {
            node = match state.dir(node)?.get(&name) {
                Some(child) => *child,
                None => {
                    state.nodes.push(Node::Dir { now: BTreeMap::new(), durable: BTreeMap::new() });
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
        let (dir, name) = state.parent_and_name(path)?;
        if state.dir(dir)?.contains_key(&name) {
            verdict.check()?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // A failed write leaves part of the file.
        let written = match verdict {
            Verdict::Go => bytes,
            _ => &bytes[..bytes.len() / 2],
        };
        state.bytes += written.len() as u64;
        state.peak_bytes = state.peak_bytes.max(state.bytes);
        state.nodes.push(Node::File { now: Arc::new(written.to_vec()), durable: None });
        let node = state.nodes.len() - 1;
        state.dir(dir)?.insert(name, node);
        verdict.check()
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("sync", path);
        verdict.check()?;
        let node = state.find(path)?;
        if let Node::File { now, durable } = &mut state.nodes[node] {
            *durable = Some(now.clone());
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("sync folder", dir);
        verdict.check()?;
        let node = state.find(dir)?;
        match &mut state.nodes[node] {
            Node::Dir { now, durable } => durable.clone_from(now),
            Node::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn min_grouped_files(&self) -> usize {
        self.state().min_grouped_files.unwrap_or(usize::MAX)
    }

    fn open_sync_all(&self, _dir: &Path) -> io::Result<Option<SyncAll>> {
        Ok(Some(SyncAll::default()))
    }

    fn sync_all(&self, _all: &SyncAll) -> io::Result<()> {
        let (mut state, verdict) = self.begin("sync all", Path::new("/"));
        verdict.check()?;
        for node in &mut state.nodes {
            match node {
                Node::File { now, durable } => *durable = Some(now.clone()),
                Node::Dir { now, durable } => durable.clone_from(now),
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("rename", to);
        verdict.check()?;
        let ((old_dir, old), (new_dir, new)) = (state.parent_and_name(from)?, state.parent_and_name(to)?);
        state.dir(new_dir)?;
        let node = state.dir(old_dir)?.remove(&old).ok_or(io::ErrorKind::NotFound)?;
        if let Some(replaced) = state.dir(new_dir)?.insert(new, node) {
            state.subtract(replaced);
        }
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Counts as one operation, even if an existing file makes it fail.
        if self.state().find(to).is_ok() {
            return self.begin("rename", to).1.check().and(Err(io::ErrorKind::AlreadyExists.into()));
        }
        self.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("remove", path);
        verdict.check()?;
        let (dir, name) = state.parent_and_name(path)?;
        let node = state.dir(dir)?.remove(&name).ok_or(io::ErrorKind::NotFound)?;
        state.subtract(node);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.begin("remove folder", path);
        verdict.check()?;
        let node = state.find(path)?;
        if !state.dir(node)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (dir, name) = state.parent_and_name(path)?;
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

#[test]
fn unsynced_changes_are_lost_in_a_power_cut_only() {
    let disk = MemoryFileSystem::new();
    let path = |name: &str| Path::new("/store").join(name);
    disk.create_dir_all(&path("a")).unwrap();
    disk.write_new(&path("a/synced"), b"12345").unwrap();
    disk.sync_file(&path("a/synced")).unwrap();
    disk.write_new(&path("a/empty"), b"12345").unwrap();
    disk.sync_dir(&path("a")).unwrap();
    disk.sync_dir(Path::new("/store")).unwrap();
    disk.write_new(&path("a/late"), b"12345").unwrap();
    // The entry of /store in / is not synced, so the whole folder is lost.
    assert!(disk.after_crash(Surviving::Synced).files().is_empty());
    disk.sync_dir(Path::new("/")).unwrap();
    let cut = disk.after_crash(Surviving::Synced);
    assert_eq!(cut.files(), BTreeSet::from([path("a/empty"), path("a/synced")]));
    assert_eq!(cut.read(&path("a/synced")).unwrap(), b"12345");
    assert_eq!(cut.read(&path("a/empty")).unwrap(), b"");
    assert_eq!(disk.after_crash(Surviving::Everything).files().len(), 3);
}
