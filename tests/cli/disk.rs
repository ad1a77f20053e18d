//! Disks and permissions: each problem has its own message.

use crate::harness::{Run, Sandbox};

const LINE: &str = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
                    \"timestamp\":\"2026-11-09T12:00:00Z\"}\n";

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", format!("{LINE}no json\n"));
    sandbox.wa("ingest log.ndjson").exits(0).warns("created the store ./wa-store");
    sandbox
}

/// Commands that only read the store, each with an excerpt of its usual output.
const READERS: [(&str, &str); 8] = [
    ("report summary --as-of latest --format json", "\"total_sessions\": 1"),
    ("report performance --as-of latest", "Performance"),
    ("report sessions --as-of latest", "Sessions"),
    ("events --days 3 --format ndjson", "message_sent"),
    ("status", "events"),
    ("files sessions", ".parquet"),
    ("export", "message_sent"),
    ("verify", "no differences found"),
];

/// Commands that change the store.
const WRITERS: [&str; 5] =
    ["ingest log.ndjson", "gc", "forget --user nobody", "anonymize --older-than 1d", "rebuild"];

#[test]
fn missing_key_is_not_replaced() {
    let sandbox = with_store();
    std::fs::remove_file(sandbox.path("wa-store/key")).unwrap();
    sandbox.write("log.ndjson", LINE.replace("\"s\"", "\"t\""));
    for command in ["ingest log.ndjson", "forget --user nobody"] {
        sandbox.wa(command).exits(1).warns("the key file ./wa-store/key is missing").warns("WA_KEY_FILE");
        assert!(!sandbox.path("wa-store/key").exists(), "{command}");
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};

    use super::*;

    fn all(dir: &Path) -> Vec<PathBuf> {
        let mut found = vec![dir.to_owned()];
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => found.extend(all(&entry.path())),
                false => found.push(entry.path()),
            }
        }
        found
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn store_files_are_readable_by_the_owner_only() {
        let sandbox = with_store();
        sandbox.wa("forget --user nobody").exits(0);
        sandbox.wa("gc").exits(0);
        sandbox.wa("--store other init").exits(0);
        let mut paths = all(&sandbox.path("wa-store"));
        assert!(paths.len() > 15, "{paths:?}");
        paths.extend(all(&sandbox.path("other")));
        for path in paths {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "{}", path.display());
        }
    }

    #[test]
    fn linked_partition_stays_linked_and_loses_orphans() {
        let sandbox = with_store();
        let partition = sandbox.path("wa-store/events/event_date=2026-11-09");
        let elsewhere = sandbox.path("elsewhere");
        std::fs::rename(&partition, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &partition).unwrap();
        // A linked folder without files of the manifest, and a dangling link.
        std::fs::create_dir(sandbox.path("mine")).unwrap();
        sandbox.write("mine/note", "mine");
        std::os::unix::fs::symlink(sandbox.path("mine"), sandbox.path("wa-store/events/mine")).unwrap();
        std::os::unix::fs::symlink(sandbox.path("gone"), sandbox.path("wa-store/events/gone")).unwrap();
        sandbox.write("elsewhere/left.parquet", "left by a crash");
        sandbox.wa("verify").exits(1).says("left.parquet");
        sandbox.wa("gc").exits(0);
        assert!(partition.symlink_metadata().unwrap().is_symlink());
        assert!(!elsewhere.join("left.parquet").exists());
        assert!(sandbox.path("mine/note").exists());
        assert!(!sandbox.path("wa-store/events/gone").is_symlink());
        sandbox.wa("verify").exits(0).says("no differences found");
        // The link survives while the other disk is not mounted.
        std::fs::rename(&elsewhere, sandbox.path("away")).unwrap();
        sandbox.wa("gc").exits(0);
        assert!(partition.is_symlink());
        std::fs::rename(sandbox.path("away"), &elsewhere).unwrap();
        sandbox.wa("verify").exits(0).says("no differences found");
    }

    /// Runs `wa` as a user without write permission. Root switches to an unprivileged user.
    fn run_as_other(sandbox: &Sandbox, arguments: &str) -> (Option<i32>, String, String) {
        let mut command = sandbox.command();
        if std::fs::metadata(sandbox.path(".")).unwrap().uid() == 0 {
            // That user may lack access to the folder of the binary.
            let program = sandbox.path("wa-program");
            if !program.exists() {
                std::fs::copy(env!("CARGO_BIN_EXE_wa"), &program).unwrap();
            }
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            command = std::process::Command::new(program);
            command.env_clear().current_dir(sandbox.path(".")).args(arguments).uid(65_534).gid(65_534);
        }
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn read_only_store_is_reported_but_not_changed() {
        let sandbox = with_store();
        set_mode(&sandbox.path("."), 0o755);
        for path in all(&sandbox.path("wa-store")) {
            set_mode(&path, if path.is_dir() { 0o555 } else { 0o444 });
        }
        for (reader, says) in READERS {
            let (status, out, err) = run_as_other(&sandbox, reader);
            assert!(status == Some(0) && out.contains(says), "{reader}: {status:?}\n{out}\n{err}");
        }
        for writer in WRITERS {
            let (status, out, err) = run_as_other(&sandbox, writer);
            assert_eq!((status, out.as_str()), (Some(1), ""), "{writer}\n{err}");
            assert!(
                err.contains("cannot open the lock ./wa-store/lock: Permission denied"),
                "{writer}: {err}"
            );
            assert!(
                err.contains("hint: check the owner and the permissions of that path"),
                "{writer}: {err}"
            );
        }
        for path in all(&sandbox.path("wa-store")) {
            set_mode(&path, if path.is_dir() { 0o700 } else { 0o600 });
        }
        // A new store is accessible to its owner only.
        if std::fs::metadata(sandbox.path(".")).unwrap().uid() == 0 {
            let (status, _, err) = run_as_other(&sandbox, "report summary");
            assert_eq!(status, Some(1));
            assert!(err.contains("Permission denied") && err.contains("hint: check the owner"), "{err}");
        }
    }
}

#[test]
fn missing_store_is_created_by_ingest_only() {
    let sandbox = with_store();
    std::fs::remove_dir_all(sandbox.path("wa-store")).unwrap();
    let readers = READERS.map(|(reader, _)| reader);
    for command in readers.into_iter().chain(WRITERS).filter(|command| !command.starts_with("ingest")) {
        let run = sandbox.wa(command).exits(1);
        run.warns("there is no wa store in ./wa-store").warns("hint: name the store with --store DIR");
        assert!(!sandbox.path("wa-store").exists(), "{command}");
    }
    sandbox.wa("ingest log.ndjson").exits(0).warns("created the store ./wa-store");
    // The message appears once.
    let again = sandbox.wa("ingest log.ndjson").exits(0);
    assert!(!again.stderr.contains("created the store"), "{again}");
}

#[test]
fn missing_data_file_is_named() {
    let sandbox = with_store();
    std::fs::remove_dir_all(sandbox.path("wa-store/sessions")).unwrap();
    sandbox
        .wa("report events --days 3")
        .exits(1)
        .warns("cannot open ./wa-store/sessions/session_date=2026-11-09/")
        .warns("hint: restore the missing file from a backup of the store");
    sandbox.wa("verify").exits(1).says("sessions/session_date=2026-11-09/");
}

#[test]
fn store_of_a_newer_version_is_an_error() {
    let sandbox = with_store();
    let path = sandbox.path("wa-store/manifest.json");
    let mut manifest = wa::store::manifest::Manifest::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    manifest.version += 1;
    std::fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
    let before = std::fs::read(&path).unwrap();
    for command in READERS.map(|(reader, _)| reader).into_iter().chain(WRITERS) {
        let run: Run = sandbox.wa(command).exits(1);
        let newer = wa::store::manifest::VERSION + 1;
        run.warns(&format!(
            "cannot use the store ./wa-store: the store has version {newer}, and this program"
        ))
        .warns("hint: use a newer version of wa");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!sandbox.path("wa-store/staging").exists());
}

#[test]
fn folder_with_other_files_is_not_used_as_store() {
    let sandbox = with_store();
    sandbox.write("holiday/photo.jpg", "");
    for command in ["ingest log.ndjson", "init"] {
        sandbox
            .wa(&format!("--store holiday {command}"))
            .exits(1)
            .warns("holiday is not a wa store and contains other files (\"photo.jpg\")")
            .warns("hint: name an empty or new folder with --store");
    }
    for command in READERS.map(|(reader, _)| reader).into_iter().chain(["gc", "rebuild"]) {
        sandbox.wa(&format!("--store holiday {command}")).exits(1).warns("there is no wa store in holiday");
    }
    assert_eq!(std::fs::read_dir(sandbox.path("holiday")).unwrap().count(), 1);
    // A plain file is not a store either.
    sandbox.wa("--store log.ndjson ingest log.ndjson").exits(1).warns("log.ndjson");
    sandbox.wa("--store log.ndjson status").exits(1).warns("log.ndjson");
    // An empty folder can become a store, and files added to a store later do no harm.
    // Folders that file systems and file managers create do not count as files.
    std::fs::create_dir_all(sandbox.path("empty/lost+found")).unwrap();
    sandbox.write("empty/.DS_Store", "");
    sandbox.wa("--store empty ingest log.ndjson").exits(0);
    sandbox.write("empty/notes.txt", "mine");
    sandbox.wa("--store empty gc").exits(0);
    assert_eq!(sandbox.read("empty/notes.txt"), "mine");
}
