//! What disks and permissions do: each case has its sentence.

use crate::harness::{Place, Run};

const LINE: &str = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
                    \"timestamp\":\"2026-11-09T12:00:00Z\"}\n";

fn with_store() -> Place {
    let place = Place::new();
    place.write("log.ndjson", format!("{LINE}no json\n"));
    place.wa("ingest log.ndjson").exits(0).warns("created the store ./wa-store");
    place
}

/// Commands that only read the store, and what each says where all is well.
const READERS: [(&str, &str); 8] = [
    ("report summary --as-of latest --format json", "\"total_sessions\": 1"),
    ("report performance --as-of latest", "Performance"),
    ("report sessions --as-of latest", "Sessions"),
    ("events --days 3 --format ndjson", "message_sent"),
    ("status", "events"),
    ("files sessions", ".parquet"),
    ("export", "message_sent"),
    ("verify", "all is as it must be"),
];

/// Commands that change it.
const WRITERS: [&str; 5] =
    ["ingest log.ndjson", "gc", "forget --user nobody", "anonymize --older-than 1d", "rebuild"];

#[test]
fn missing_key_is_not_replaced() {
    let place = with_store();
    std::fs::remove_file(place.path("wa-store/key")).unwrap();
    place.write("log.ndjson", LINE.replace("\"s\"", "\"t\""));
    for command in ["ingest log.ndjson", "forget --user nobody"] {
        place.wa(command).exits(1).warns("the key file ./wa-store/key is missing").warns("WA_KEY_FILE");
        assert!(!place.path("wa-store/key").exists(), "{command}");
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
        let place = with_store();
        place.wa("forget --user nobody").exits(0);
        place.wa("gc").exits(0);
        place.wa("--store other init").exits(0);
        let mut paths = all(&place.path("wa-store"));
        assert!(paths.len() > 15, "{paths:?}");
        paths.extend(all(&place.path("other")));
        for path in paths {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "{}", path.display());
        }
    }

    #[test]
    fn linked_partition_stays_linked_and_loses_orphans() {
        let place = with_store();
        let partition = place.path("wa-store/events/event_date=2026-11-09");
        let elsewhere = place.path("elsewhere");
        std::fs::rename(&partition, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &partition).unwrap();
        // A folder that no named file lies in, and a link to nothing at all.
        std::fs::create_dir(place.path("mine")).unwrap();
        place.write("mine/note", "mine");
        std::os::unix::fs::symlink(place.path("mine"), place.path("wa-store/events/mine")).unwrap();
        std::os::unix::fs::symlink(place.path("gone"), place.path("wa-store/events/gone")).unwrap();
        place.write("elsewhere/left.parquet", "left by a crash");
        place.wa("verify").exits(1).says("left.parquet");
        place.wa("gc").exits(0);
        assert!(partition.symlink_metadata().unwrap().is_symlink());
        assert!(!elsewhere.join("left.parquet").exists());
        assert!(place.path("mine/note").exists());
        assert!(!place.path("wa-store/events/gone").is_symlink());
        place.wa("verify").exits(0).says("all is as it must be");
        // The other disk is not there for a while: the link waits for it.
        std::fs::rename(&elsewhere, place.path("away")).unwrap();
        place.wa("gc").exits(0);
        assert!(partition.is_symlink());
        std::fs::rename(place.path("away"), &elsewhere).unwrap();
        place.wa("verify").exits(0).says("all is as it must be");
    }

    /// Runs `wa` as somebody who may not write in the place: root, who may do anything, becomes nobody.
    fn run_as_other(place: &Place, arguments: &str) -> (Option<i32>, String, String) {
        let mut command = place.command();
        if std::fs::metadata(place.path(".")).unwrap().uid() == 0 {
            // The program may lie where nobody may go.
            let program = place.path("wa-program");
            if !program.exists() {
                std::fs::copy(env!("CARGO_BIN_EXE_wa"), &program).unwrap();
            }
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            command = std::process::Command::new(program);
            command.env_clear().current_dir(place.path(".")).args(arguments).uid(65_534).gid(65_534);
        }
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn read_only_store_is_reported_but_not_changed() {
        let place = with_store();
        set_mode(&place.path("."), 0o755);
        for path in all(&place.path("wa-store")) {
            set_mode(&path, if path.is_dir() { 0o555 } else { 0o444 });
        }
        for (reader, says) in READERS {
            let (status, out, err) = run_as_other(&place, reader);
            assert!(status == Some(0) && out.contains(says), "{reader}: {status:?}\n{out}\n{err}");
        }
        for writer in WRITERS {
            let (status, out, err) = run_as_other(&place, writer);
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
        for path in all(&place.path("wa-store")) {
            set_mode(&path, if path.is_dir() { 0o700 } else { 0o600 });
        }
        // As it is made, it is nobody's but its owner's: others do not even see what is in it.
        if std::fs::metadata(place.path(".")).unwrap().uid() == 0 {
            let (status, _, err) = run_as_other(&place, "report summary");
            assert_eq!(status, Some(1));
            assert!(err.contains("Permission denied") && err.contains("hint: check the owner"), "{err}");
        }
    }
}

#[test]
fn missing_store_is_created_by_ingest_only() {
    let place = with_store();
    std::fs::remove_dir_all(place.path("wa-store")).unwrap();
    let readers = READERS.map(|(reader, _)| reader);
    for command in readers.into_iter().chain(WRITERS).filter(|command| !command.starts_with("ingest")) {
        let run = place.wa(command).exits(1);
        run.warns("there is no wa store in ./wa-store").warns("hint: name the store with --store DIR");
        assert!(!place.path("wa-store").exists(), "{command}");
    }
    place.wa("ingest log.ndjson").exits(0).warns("created the store ./wa-store");
    // Said once.
    let again = place.wa("ingest log.ndjson").exits(0);
    assert!(!again.stderr.contains("created the store"), "{again}");
}

#[test]
fn missing_data_file_is_named() {
    let place = with_store();
    std::fs::remove_dir_all(place.path("wa-store/sessions")).unwrap();
    place
        .wa("report events --days 3")
        .exits(1)
        .warns("cannot open ./wa-store/sessions/session_date=2026-11-09/")
        .warns("hint: a file of the store is missing: put it back from a backup");
    place.wa("verify").exits(1).says("sessions/session_date=2026-11-09/");
}

#[test]
fn store_of_a_newer_version_is_an_error() {
    let place = with_store();
    let path = place.path("wa-store/manifest.json");
    let mut manifest = wa::store::manifest::Manifest::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    manifest.version += 1;
    std::fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
    let before = std::fs::read(&path).unwrap();
    for command in READERS.map(|(reader, _)| reader).into_iter().chain(WRITERS) {
        let run: Run = place.wa(command).exits(1);
        run.warns("cannot use the store ./wa-store: the store is of version 2, and this program knows")
            .warns("hint: use a newer wa");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!place.path("wa-store/staging").exists());
}

#[test]
fn folder_with_other_files_is_not_used_as_store() {
    let place = with_store();
    place.write("holiday/photo.jpg", "");
    for command in ["ingest log.ndjson", "init"] {
        place
            .wa(&format!("--store holiday {command}"))
            .exits(1)
            .warns("holiday is not a wa store and contains other files (\"photo.jpg\")")
            .warns("hint: name an empty or a new folder with --store");
    }
    for command in READERS.map(|(reader, _)| reader).into_iter().chain(["gc", "rebuild"]) {
        place.wa(&format!("--store holiday {command}")).exits(1).warns("there is no wa store in holiday");
    }
    assert_eq!(std::fs::read_dir(place.path("holiday")).unwrap().count(), 1);
    // A file is none either.
    place.wa("--store log.ndjson ingest log.ndjson").exits(1).warns("log.ndjson");
    place.wa("--store log.ndjson status").exits(1).warns("log.ndjson");
    // An empty folder is; and other things that come into a store later do no harm.
    // One at the root of a disk is as empty as that of a Mac.
    std::fs::create_dir_all(place.path("empty/lost+found")).unwrap();
    place.write("empty/.DS_Store", "");
    place.wa("--store empty ingest log.ndjson").exits(0);
    place.write("empty/notes.txt", "mine");
    place.wa("--store empty gc").exits(0);
    assert_eq!(place.read("empty/notes.txt"), "mine");
}
