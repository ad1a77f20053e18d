//! The threads that read and parse: from inputs to parsed blocks, numbered in order.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::backpressure::Backpressure;
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BLOCK_SIZE, BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::source_registry::{Fingerprint, ReadPlan, SourceFile, SourceRegistry};
use crate::ingest::parse::{ParseOptions, Parsed, Parser};
use crate::ingest::summary::FileOutcome;

/// By how much parsers are nicer than the other threads: of a processor that both want, they get a quarter.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;
/// One of so many parsers goes on while a batch is put into the store: parsing is a quarter of the work.
const FEW: usize = 3;
/// How many blocks may wait to be parsed.
const UNPARSED: usize = 2;
/// The size of a piece in which what becomes of a block is handed on: a few times what a block of usual lines
/// comes to, so that these are in one.
const PIECE: usize = 4 * BLOCK_SIZE;

/// What is to be read.
#[derive(Debug)]
pub struct Inputs {
    /// The inputs, in order.
    pub files: Vec<Input>,
    /// Files read before.
    pub known: SourceRegistry,
    /// Read files that are known, too.
    pub force: bool,
    /// Fingerprint of the options that matter for what is stored.
    pub fingerprint: String,
}

impl Inputs {
    /// Returns the bytes of all files, as far as they have sizes.
    pub fn bytes(&self) -> u64 {
        let size = |input: &Input| match input {
            Input::File(path) => std::fs::metadata(path).map_or(0, |about| about.len()),
            Input::Stdin => 0,
        };
        self.files.iter().map(size).sum()
    }
}

/// What to keep of a file.
#[derive(Debug)]
pub struct Note {
    /// What it is known by.
    pub file: SourceFile,
    /// What it takes the place of: see [`SourceRegistry::note`].
    pub continued: Vec<String>,
}

/// How a file ended.
#[derive(Debug, Default)]
pub struct End {
    /// What kept it from being read to its end.
    pub error: Option<Error>,
    /// It could not even be opened.
    pub nothing_read: bool,
    /// What to keep of it, to know it again.
    pub note: Option<Box<Note>>,
}

/// What the threads send on; numbered, since parsers overtake each other.
#[derive(Debug)]
pub enum Message {
    /// A file begins.
    Begin {
        /// Its number.
        file: usize,
        /// Its name.
        name: String,
        /// What is being done with it.
        outcome: FileOutcome,
        /// The open file, where it is one that can be known again.
        handle: Option<File>,
        /// How many bytes of it are passed over.
        passed: u64,
    },
    /// A piece of a block of its lines.
    Piece {
        /// The file's number.
        file: usize,
        /// What they hold.
        parsed: Box<Parsed>,
        /// How much [room](super::backpressure) it has ahead of the store.
        room: usize,
        /// What the whole block was, where this is its last piece.
        block: Option<BlockRead>,
    },
    /// It ends.
    End {
        /// The file's number.
        file: usize,
        /// How.
        end: End,
    },
}

impl Message {
    /// Tells whether no other message has its number after it.
    pub fn is_last(&self) -> bool {
        !matches!(self, Message::Piece { block: None, .. })
    }
}

/// A block whose lines were parsed.
#[derive(Clone, Copy, Debug)]
pub struct BlockRead {
    /// How many bytes of the file were read for it, as they are stored.
    pub bytes: u64,
    /// How far the file is read with them.
    pub reached: Reached,
}

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    /// Offset of the end of the last whole line.
    pub consumed: u64,
    /// Number of whole lines.
    pub lines: u64,
    /// The file is plain: it can be read on from there.
    pub plain: bool,
}

/// A message and its number.
pub type Numbered = (u64, Message);
type Unparsed = (u64, usize, RawBlock, BlockRead);

/// Starts a thread that reads and some that parse; `done` receives what comes of it. While the store takes in
/// a batch, the parsers use what it leaves of the processors for the next, as long as there is [room](super::backpressure). They
/// stop when that is closed.
pub fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    inputs: &'env Inputs,
    options: &'env ParseOptions,
    enricher: &'env Enricher,
    backpressure: &'env Backpressure,
    done: Sender<Numbered>,
) {
    let (raw, queue) = sync_channel::<Unparsed>(UNPARSED);
    let queue = Arc::new(Mutex::new(queue));
    // The memory of blocks that are parsed, for those that are read next: it is in the cache yet.
    let (spare, spared) = sync_channel(UNPARSED);
    let parsers = std::thread::available_parallelism().map_or(1, |n| n.get());
    for parser in 0..parsers {
        let is_one_of_few = parser < parsers.div_ceil(FEW);
        let (queue, done, spare) =
            (queue.clone(), Done { backpressure, sender: done.clone() }, spare.clone());
        scope.spawn(move || parse_all(&queue, is_one_of_few, options, enricher, &done, &spare));
    }
    scope.spawn(move || {
        let mut feed = Feed { inputs, raw, done: Done { backpressure, sender: done }, spared, next: 0 };
        for (number, input) in inputs.files.iter().enumerate() {
            if feed.file(number, input).is_none() {
                break;
            }
        }
    });
}

/// The way to whoever puts blocks into the store.
struct Done<'a> {
    backpressure: &'a Backpressure,
    sender: Sender<Numbered>,
}

impl Done<'_> {
    /// Sends a piece when there is room for it; `None` where nobody listens any more.
    fn piece(&self, number: u64, file: usize, parsed: Parsed, block: Option<BlockRead>) -> Option<()> {
        let mut parsed = Box::new(parsed);
        let rows = &mut parsed.block.rows;
        if rows.capacity() > rows.len() / 8 * 9 {
            rows.shrink_to_fit();
        }
        let room = parsed.size();
        let message = Message::Piece { file, parsed, room, block };
        self.backpressure.enter(number, room).then(|| self.sender.send((number, message)).ok())?
    }
}

impl Drop for Done<'_> {
    /// Has all threads stop where one panics: they would wait for its block for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.backpressure.closing());
        }
    }
}

fn parse_all(
    queue: &Mutex<Receiver<Unparsed>>,
    is_one_of_few: bool,
    options: &ParseOptions,
    enricher: &Enricher,
    done: &Done<'_>,
    spare: &SyncSender<Vec<u8>>,
) {
    give_way();
    let mut parser = Parser::default();
    loop {
        if !is_one_of_few {
            done.backpressure.wait_for_batch();
        }
        let received = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, file, raw, block)) = received else { return };
        let mut emit = |parsed| {
            // Where nobody listens, the last piece says so.
            let _ = done.piece(number, file, parsed, None);
        };
        let (last, bytes_read) = parser.parse_in_chunks(raw, options, enricher, PIECE, &mut emit);
        // Where the reader has memory enough, it goes.
        let _ = spare.try_send(bytes_read);
        if done.piece(number, file, last, Some(block)).is_none() {
            return;
        }
    }
}

/// Has the kernel prefer other threads to this one, which has something to do nearly always: who puts a batch into
/// the store is not to wait for it. Not by much: where another program is at work, all would wait for the parsers.
#[cfg(target_os = "linux")]
fn give_way() {
    // Where it is not allowed, it only takes longer.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

struct Feed<'a> {
    inputs: &'a Inputs,
    raw: SyncSender<Unparsed>,
    done: Done<'a>,
    spared: Receiver<Vec<u8>>,
    next: u64,
}

impl Feed<'_> {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn send(&mut self, message: Message) -> Option<()> {
        let number = self.number();
        self.done.sender.send((number, message)).ok()
    }

    /// Reads one input; `None` where nobody listens any more.
    fn file(&mut self, file: usize, input: &Input) -> Option<()> {
        if !self.done.backpressure.begin_file() {
            return None;
        }
        let name = input.name();
        let (opened, plan) = match input {
            Input::Stdin => (None, ReadPlan::Read),
            Input::File(path) => match self.look(path, &name) {
                Ok((opened, plan)) => (Some(opened), plan),
                Err(error) => {
                    self.send(Message::Begin {
                        file,
                        name,
                        outcome: FileOutcome::Read,
                        handle: None,
                        passed: 0,
                    })?;
                    let end = End { error: Some(error), nothing_read: true, note: None };
                    return self.send(Message::End { file, end });
                }
            },
        };
        let outcome = match &plan {
            ReadPlan::Skip => FileOutcome::Known,
            ReadPlan::Resumed { offset, .. } => FileOutcome::Resumed { from: *offset },
            ReadPlan::Read => FileOutcome::Read,
        };
        if plan == ReadPlan::Skip {
            let passed = opened.and_then(|opened| opened.metadata().ok()).map_or(0, |about| about.len());
            self.send(Message::Begin { file, name, outcome, handle: None, passed })?;
            return self.send(Message::End { file, end: End::default() });
        }
        let [noted, handle] = [(); 2].map(|()| match (input, &opened) {
            (Input::File(path), Some(opened)) => again(opened, path),
            _ => None,
        });
        let mut passed = match plan {
            ReadPlan::Resumed { offset, .. } => offset,
            _ => 0,
        };
        self.send(Message::Begin { file, name: name.clone(), outcome, handle, passed })?;
        // The very file that was looked at: by now its name may be that of another one.
        let reader = match (input, opened, &plan) {
            (Input::File(path), Some(opened), ReadPlan::Resumed { offset, lines }) => {
                BlockReader::resume(path, opened, *offset, lines + 1)
            }
            (Input::File(path), Some(opened), _) => BlockReader::from_file(path, opened),
            _ => BlockReader::open(input),
        };
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(error) => {
                let end = End { error: Some(error), nothing_read: true, note: None };
                return self.send(Message::End { file, end });
            }
        };
        let mut reached = match plan {
            ReadPlan::Resumed { offset, lines } => Reached { consumed: offset, lines, plain: true },
            _ => Reached::default(),
        };
        let mut error = None;
        loop {
            match reader.next_block_into(self.spared.try_recv().unwrap_or_default()) {
                Ok(Some(raw)) => {
                    reached = reach(&raw, reader.is_plain_file());
                    let bytes = reader.consumed().saturating_sub(passed);
                    passed += bytes;
                    let number = self.number();
                    self.raw.send((number, file, raw, BlockRead { bytes, reached })).ok()?;
                }
                Ok(None) => break,
                Err(e) => {
                    error = Some(e);
                    break;
                }
            }
        }
        let note = match (input, noted) {
            (Input::File(path), Some(handle)) if error.is_none() => {
                self.note(path, &name, &handle, &reader, &reached).unwrap_or(None)
            }
            _ => None,
        };
        self.send(Message::End { file, end: End { error, nothing_read: false, note } })
    }

    fn look(&self, path: &Path, name: &str) -> Result<(File, ReadPlan)> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let about = file.metadata().map_err(|e| Error::io("look at", path, e))?;
        if !about.is_file() {
            // A pipe or a device has no size and cannot be known again.
            return Ok((file, ReadPlan::Read));
        }
        if self.inputs.force {
            return Ok((file, ReadPlan::Read));
        }
        let plan = self.inputs.known.plan(name, &file, &self.inputs.fingerprint);
        Ok((file, plan.map_err(|e| Error::io("read", path, e))?))
    }

    /// Returns what to keep of a file; `None` where it is not the one that was read any more.
    fn note(
        &self,
        path: &Path,
        name: &str,
        handle: &File,
        reader: &BlockReader,
        reached: &Reached,
    ) -> std::io::Result<Option<Box<Note>>> {
        let compressed = !reader.is_plain_file();
        let size = handle.metadata()?.len();
        let consumed = if compressed { size } else { reached.consumed };
        if !same_file(handle, path)? || (compressed && reader.size() != Some(size)) {
            return Ok(None);
        }
        let known = known_file(name, handle, Reached { consumed, ..*reached }, &self.inputs.fingerprint)?;
        let continued = self.inputs.known.continued_by(name, handle)?;
        // What came after the reader's last look is new to the next ingest.
        Ok(known.map(|known| {
            let whole = compressed || known.size == reader.consumed();
            Box::new(Note { file: SourceFile { whole, ..known }, continued })
        }))
    }
}

/// Returns what to keep of a file that was read so far; `None` where it has become shorter.
pub fn known_file(
    name: &str,
    handle: &File,
    reached: Reached,
    fingerprint: &str,
) -> std::io::Result<Option<SourceFile>> {
    Ok(Fingerprint::of(handle, reached.consumed)?.map(|print| SourceFile {
        path: name.to_owned(),
        whole: false,
        size: print.size,
        head: print.head,
        tail: print.tail,
        consumed: reached.consumed,
        consumed_tail: print.consumed_tail,
        lines: reached.lines,
        compressed: !reached.plain,
        own_ids: true,
        future: false,
        options: fingerprint.to_owned(),
        read_at: 0,
    }))
}

/// Returns where the whole lines of a block end.
fn reach(raw: &RawBlock, plain: bool) -> Reached {
    let unfinished = match (raw.unfinished_overlong, raw.unfinished) {
        (Some(long), _) => long.length,
        (None, true) => (raw.bytes.len() - memchr::memrchr(b'\n', &raw.bytes).map_or(0, |at| at + 1)) as u64,
        (None, false) => 0,
    };
    Reached { consumed: raw.end - unfinished, lines: raw.first_line - 1 + raw.lines, plain }
}

/// Returns a handle by which parts of a file can be looked at while it is being read; `None` where that is no
/// regular file.
fn again(file: &File, path: &Path) -> Option<File> {
    let is_file = file.metadata().is_ok_and(|about| about.is_file());
    // But on Unix, a look at a part moves the place where the next read of the same handle begins.
    is_file.then(|| if cfg!(unix) { file.try_clone() } else { File::open(path) })?.ok()
}

/// Tells whether a path still names the file behind a handle: it may have been rotated meanwhile.
#[cfg(unix)]
fn same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (handle.metadata()?, std::fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    Ok(handle.metadata()?.created()? == std::fs::metadata(path)?.created()?)
}
