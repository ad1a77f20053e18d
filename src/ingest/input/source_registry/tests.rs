use super::super::fingerprint::hash;
use super::*;

/// Returns the entry of a file that was ingested up to `consumed`.
fn source(path: &str, bytes: &[u8], consumed: usize) -> SourceFile {
    let window = WINDOW as usize;
    SourceFile {
        path: path.to_owned(),
        size: bytes.len() as u64,
        head: hash(&bytes[..consumed.min(window)]),
        tail: hash(&bytes[bytes.len().saturating_sub(window)..]),
        consumed: consumed as u64,
        consumed_tail: hash(&bytes[consumed.saturating_sub(window)..consumed]),
        content: Some(content_text(xxhash_rust::xxh3::xxh3_128(&bytes[..consumed]))),
        status: None,
        lines: 7,
        whole: true,
        compressed: false,
        all_have_ids: true,
        has_future_lines: false,
        options: "o".to_owned(),
        map: None,
        read_at: 5,
    }
}

/// Returns the rules of an ingest with one preset.
fn rules(options: &str) -> ReadRules {
    ReadRules { options: options.into(), given: None, candidates: vec!["known".into()] }
}

/// The outcome of a plan.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Skip,
    Resume(u64),
    Read,
}
use Outcome::{Read, Resume, Skip};

/// Returns the outcome of the plan for a file, and the number of reads that the plan needed.
fn plan(files: &SourceRegistry, path: &str, bytes: &[u8]) -> (Outcome, usize) {
    let mut parts = 0;
    let rules = rules("o");
    let plan = files.plan_with(path, bytes.len() as u64, &rules, |offset, buffer| {
        parts += 1;
        let rest = &bytes[offset as usize..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    });
    let outcome = match plan.unwrap() {
        ReadPlan::Skip(_) => Skip,
        ReadPlan::Resume { hash, lines, .. } => {
            assert_eq!(hash.digest(), xxhash_rust::xxh3::xxh3_128(&bytes[..hash.length() as usize]));
            assert_eq!(lines, 7);
            Resume(hash.length())
        }
        ReadPlan::Full => Read,
    };
    (outcome, parts)
}

fn all(files: impl IntoIterator<Item = SourceFile>) -> SourceRegistry {
    let mut all = SourceRegistry::default();
    files.into_iter().for_each(|file| all.record(file, &[]));
    all
}

#[test]
fn lookup_among_many_files_reads_three_parts() {
    let name = |n: u32| format!("{n}.ndjson");
    let short = |n: u32| format!("{{\"id\":{n:08}}}\n").into_bytes();
    // All files have the same size and the same tail.
    let long = |n: u32| [short(n), vec![b'x'; 70_000]].concat();
    let files = (0..1000).map(|n| source(&name(n), &short(n), short(n).len()));
    let files = all(files.chain((1000..1050).map(|n| source(&name(n), &long(n), 66_000))));
    for n in 0..1000 {
        let (plan, parts) = plan(&files, &name(n), &short(n));
        assert_eq!(plan, Skip, "{n}");
        // Tail, head, and the content of one candidate.
        assert!(parts <= 3, "{n}: {parts}");
    }
    for n in 1000..1050 {
        assert_eq!(plan(&files, "renamed", &long(n)), (Skip, 3), "{n}");
    }
    // A file that is not in the registry, and a file of a size that no file in the registry has.
    assert_eq!(plan(&files, "new", &short(5000)).0, Read);
    assert!(plan(&files, "new", &short(5000)).1 <= 2);
    assert_eq!(plan(&files, "new", b"{}\n"), (Read, 0));
}

#[test]
fn grown_file_is_resumed() {
    let (short, long) = (b"{\"a\":1}\n{\"b".as_slice(), vec![b'y'; 70_000]);
    let files = all([source("short", short, 8), source("long", &long, 70_000)]);
    let grown = |bytes: &[u8]| [bytes, b"more\n"].concat();
    assert_eq!(plan(&files, "short", &grown(short)).0, Resume(8));
    assert_eq!(plan(&files, "other", &grown(short)).0, Read);
    assert_eq!(plan(&files, "short", b"{\"A\":1}\n{\"b\":2}\n").0, Read);
    assert_eq!(plan(&files, "long", &grown(&long)).0, Resume(70_000));
    assert_eq!(plan(&files, "rotated", &grown(&long)).0, Resume(70_000));
    // The longest beginning that still matches has precedence.
    let mut longer = files.clone();
    longer.record(source("copy", &grown(&long), 70_005), &[]);
    assert_eq!(plan(&longer, "rotated", &grown(&grown(&long))).0, Resume(70_005));
    assert_eq!(plan(&longer, "rotated", &[&*long, b"other\n"].concat()).0, Resume(70_000));
    // The unfinished last line is still unfinished.
    assert_eq!(plan(&files, "moved", short), (Skip, 3));
}

#[test]
fn file_with_other_options_is_not_skipped() {
    let version = |sha256: &str| Some(MapVersion { name: "my.toml".into(), sha256: sha256.into() });
    let bytes = b"{\"a\":1}\n";
    let file = source("a", bytes, 8);
    for (file, expected) in [
        (file.clone(), Skip),
        (SourceFile { options: "p".into(), ..file.clone() }, Read),
        // Read by a map that has changed since, and by a map that has not.
        (SourceFile { map: version("other"), ..file.clone() }, Read),
        (SourceFile { map: version("known"), ..file.clone() }, Skip),
        (SourceFile { has_future_lines: true, ..file.clone() }, Read),
        (SourceFile { whole: false, ..file.clone() }, Resume(8)),
        (SourceFile { whole: false, all_have_ids: false, ..file.clone() }, Read),
        (SourceFile { whole: false, compressed: true, ..file.clone() }, Read),
        // Written by an earlier version.
        (SourceFile { content: None, ..file.clone() }, Read),
    ] {
        assert_eq!(plan(&all([file.clone()]), "a", bytes).0, expected, "{file:?}");
    }
}

#[test]
fn recorded_file_replaces_its_earlier_state() {
    let mut files = all([source("a", b"one\n", 4), source("b", b"two\n", 4)]);
    let mut grown = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut grown, b"one\nmore\n").unwrap();
    let continued = files.heads_continued_by("a", &grown).unwrap();
    assert_eq!(files.heads_continued_by("b", &grown).unwrap(), Vec::<String>::new());
    files.record(source("a", b"one\nmore\n", 9), &continued);
    assert_eq!(files.len(), 2);
    assert_eq!(plan(&files, "a", b"one\n").0, Read);
    files.record(source("c", b"two\n", 4), &[]);
    assert_eq!(files.len(), 2);
    assert_eq!(plan(&files, "b", b"two\n").0, Skip);
    let written = files.to_bytes().unwrap();
    assert!(written.starts_with(b"{\"files\":[{\"path\":\"a\",\"size\":9,"));
    assert_eq!(SourceRegistry::from_bytes(&written).unwrap().to_bytes().unwrap(), written);
    assert_eq!(files.rename(|path| (path == "c").then(|| "d".to_owned())), 1);
    // A file that was read in part is replaced once it has been read further.
    files.record(SourceFile { whole: false, ..source("e", b"four\nfive\n", 5) }, &[]);
    files.record(source("e", b"four\nfive\n", 10), &[]);
    assert_eq!(files.len(), 3);
}

#[test]
fn rotated_file_stays_in_the_registry() {
    let mut files = all([source("log", b"monday\n", 7)]);
    for (day, before) in [(b"tuesday\n".as_slice(), b"monday\n".as_slice()), (b"wednesday\n", b"tuesday\n")] {
        files.record(source("log", day, day.len()), &[]);
        assert_eq!(plan(&files, "log", day).0, Skip);
        assert_eq!(plan(&files, "log.1", before).0, Skip);
    }
    assert_eq!(plan(&files, "log.2", b"monday\n").0, Skip);
}

#[test]
fn file_that_changed_in_its_middle_is_read() {
    let line = b"{\"a\":1}\n";
    let before = line.repeat(40_000);
    let mut after = before.clone();
    let middle = after.len() / 2;
    after[middle] ^= 1;
    let files = all([source("a", &before, before.len())]);
    assert_eq!(plan(&files, "a", &before).0, Skip);
    assert_eq!(plan(&files, "a", &after).0, Read);
    let grown = |bytes: &[u8]| [bytes, line].concat();
    assert_eq!(plan(&files, "a", &grown(&before)).0, Resume(before.len() as u64));
    assert_eq!(plan(&files, "a", &grown(&after)).0, Read);
    // Both files have the same size, head and tail. Each keeps its entry.
    let mut both = files;
    both.record(source("b", &after, after.len()), &[]);
    assert_eq!((plan(&both, "a", &before).0, plan(&both, "b", &after).0), (Skip, Skip));
    // The longest matching part has precedence, although a longer entry has the same head and tail.
    let mut shorter = all([source("a", &before, 8)]);
    shorter.record(source("c", &before, before.len()), &[]);
    assert_eq!(plan(&shorter, "a", &grown(&after)).0, Resume(8));
}

#[test]
fn unchanged_status_suffices_to_skip_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let status = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        FileStatus::new(&path.metadata().unwrap()).unwrap()
    };
    let (one, other) = (status("one"), status("other"));
    let bytes = b"{\"a\":1}\n";
    let file = SourceFile { status: Some(one.clone()), ..source("a", bytes, 8) };
    let files = all([file.clone()]);
    assert!(files.is_unchanged("a", 8, &one, &rules("o")));
    assert!(!files.is_unchanged("a", 9, &one, &rules("o")));
    assert!(!files.is_unchanged("a", 8, &other, &rules("o")));
    assert!(!files.is_unchanged("a", 8, &one, &rules("p")));
    assert!(!files.is_unchanged("b", 8, &one, &rules("o")));
    for changed in [
        SourceFile { whole: false, ..file.clone() },
        SourceFile { has_future_lines: true, ..file.clone() },
        SourceFile { status: None, ..file.clone() },
    ] {
        assert!(!all([changed.clone()]).is_unchanged("a", 8, &one, &rules("o")), "{changed:?}");
    }
    let written = files.to_bytes().unwrap();
    assert_eq!(SourceRegistry::from_bytes(&written).unwrap(), files);
}

#[test]
fn merged_registries_contain_the_files_of_both_in_any_order() {
    let window = WINDOW as usize;
    let long = vec![b'a'; 3 * window];
    let (growing, grown) =
        (source("grows", &long[..2 * window], 2 * window), source("grows", &long, 3 * window));
    let with_status = SourceFile { status: status(1), ..source("local", b"local", 5) };
    let future = SourceFile { has_future_lines: true, ..source("future", b"future", 6) };
    let other_options = SourceFile { options: "p".into(), ..source("x", b"same", 4) };
    let one = inserted([growing, with_status.clone(), future.clone(), source("x", b"same", 4)]);
    let two = inserted([
        grown,
        SourceFile { status: status(2), ..source("local", b"local", 5) },
        SourceFile { has_future_lines: false, ..future },
        source("copy of x", b"same", 4),
        other_options,
        source("y", b"only here", 9),
    ]);
    let (mut first, mut second) = (one.clone(), two.clone());
    // The grown file, the file without future lines, the file with other options, and the new one.
    assert_eq!(first.merge(two.clone()), 4);
    assert_eq!(second.merge(one.clone()), 0);
    assert_eq!((first.len(), second.len()), (6, 6));
    for merged in [&first, &second] {
        assert_eq!(plan(merged, "elsewhere", &long).0, Skip);
        assert_eq!(plan(merged, "elsewhere", b"future").0, Skip);
        assert_eq!(plan(merged, "elsewhere", b"same").0, Skip);
        assert_eq!(plan(merged, "elsewhere", b"only here").0, Skip);
    }
    // The status of the other store's file is not adopted.
    assert!(first.files.values().any(|file| *file == with_status));
    let mut new = SourceRegistry::default();
    assert_eq!(new.merge(one.clone()), 4);
    assert!(new.files.values().all(|file| file.status.is_none()));
    // Merging again changes nothing.
    let again = first.clone();
    assert_eq!((first.merge(one), first.merge(two)), (0, 0));
    assert_eq!(first, again);
}

/// Returns a registry of these files. Unlike `record`, it keeps files with the same content.
fn inserted(files: impl IntoIterator<Item = SourceFile>) -> SourceRegistry {
    let mut registry = SourceRegistry::default();
    files.into_iter().for_each(|file| registry.insert(file));
    registry
}

/// Returns a status with an inode.
fn status(inode: u64) -> Option<FileStatus> {
    serde_json::from_value(serde_json::json!({"inode": inode, "modified": 1, "changed": 1})).ok()
}
