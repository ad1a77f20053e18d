//! An untrusted or tampered store harms nothing outside its folder.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use wa::store::columns::Table;
use wa::store::manifest::Manifest;

use crate::harness::Sandbox;

const LINE: &str = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
                    \"timestamp\":\"2026-11-09T12:00:00Z\"}\n";

/// Commands that change the store.
const WRITERS: [&str; 7] = [
    "ingest new.ndjson",
    "gc --yes",
    "gc --dry-run",
    "forget --user nobody",
    "forget --session-id s",
    "anonymize --older-than 1d",
    "rebuild",
];

/// Commands that read the store.
const READERS: [&str; 6] =
    ["report summary --as-of latest", "events --days 3", "status", "files events", "export", "verify"];

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", format!("{LINE}no json\n"));
    sandbox.write("new.ndjson", LINE.replace("\"s\"", "\"t\""));
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox
}

/// Changes the manifest and updates its checksum, as an attacker could.
fn forge(sandbox: &Sandbox, change: impl FnOnce(&mut Manifest)) {
    let mut file: serde_json::Value = serde_json::from_str(&sandbox.read("wa-store/manifest.json")).unwrap();
    let mut manifest: Manifest = serde_json::from_value(file["manifest"].take()).unwrap();
    change(&mut manifest);
    sandbox.write("wa-store/manifest.json", manifest.to_bytes().unwrap());
}

/// Returns the paths of the files and links below a folder, with their contents.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(contents(&entry.path())),
            kind if kind.is_file() => found.push((entry.path(), std::fs::read(entry.path()).unwrap())),
            _ => found.push((entry.path(), Vec::new())),
        }
    }
    found.sort();
    found
}

#[test]
fn manifest_path_out_of_the_store_is_rejected_everywhere() {
    let victim = |sandbox: &Sandbox| {
        let absolute = sandbox.path("home/victim.ndjson").display().to_string();
        ["../home/victim.ndjson".to_owned(), absolute, "rejects/../../home/victim.ndjson".to_owned()]
    };
    type Change = fn(&mut Manifest, String);
    let changes: [Change; 4] = [
        |manifest, path| (manifest.rejects[0].path, manifest.rejects[0].written_at) = (path, 0),
        |manifest, path| manifest.tables.get_mut(&Table::Events).unwrap()[0].path = path,
        |manifest, path| manifest.tables.get_mut(&Table::Sessions).unwrap()[0].path = path,
        |manifest, path| manifest.sources.as_mut().unwrap().path = path,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for variant in 0..3 {
            let sandbox = with_store();
            sandbox.write("home/victim.ndjson", "precious");
            forge(&sandbox, |manifest| change(manifest, victim(&sandbox)[variant].clone()));
            let before = contents(&sandbox.path("."));
            // Run every command with the first path. With the other paths, run only the command
            // that removes the most files.
            let commands = if variant == 0 && number == 0 { &WRITERS[..] } else { &WRITERS[1..2] };
            for command in commands.iter().chain(&READERS) {
                sandbox.wa(command).exits(1).warns("the manifest names a file that cannot belong to it");
            }
            let mut after = contents(&sandbox.path("."));
            after.retain(|(path, _)| !path.ends_with("lock"));
            let before: Vec<_> = before.into_iter().filter(|(path, _)| !path.ends_with("lock")).collect();
            assert_eq!(after, before);
        }
    }
}

#[test]
fn link_in_place_of_the_lock_is_not_followed() {
    let sandbox = with_store();
    sandbox.write("victim", "precious");
    std::fs::remove_file(sandbox.path("wa-store/lock")).unwrap();
    for target in ["victim", "gone"] {
        symlink(sandbox.path(target), sandbox.path("wa-store/lock")).unwrap();
        for command in WRITERS {
            let run = sandbox.wa(command).exits(1);
            run.warns("cannot open the lock ./wa-store/lock: it is a symbolic link").warns("hint: remove it");
        }
        std::fs::remove_file(sandbox.path("wa-store/lock")).unwrap();
    }
    assert_eq!(sandbox.read("victim"), "precious");
    assert!(!sandbox.path("gone").exists());
    // A hard link to the file.
    std::fs::hard_link(sandbox.path("victim"), sandbox.path("wa-store/lock")).unwrap();
    sandbox.wa("gc").exits(1).warns("./wa-store/lock is not the lock of a store");
    assert_eq!(sandbox.read("victim"), "precious");
    std::fs::remove_file(sandbox.path("wa-store/lock")).unwrap();
    sandbox.wa("gc").exits(0);
}

#[test]
fn link_in_place_of_a_folder_is_not_followed() {
    for folder in ["staging", "rejects", "state", "events", "sessions", "daily_stats", "visitors"] {
        let sandbox = with_store();
        let link = sandbox.path(&format!("wa-store/{folder}"));
        sandbox.write("home/sub/keep.parquet", "precious");
        if link.exists() {
            for entry in std::fs::read_dir(&link).unwrap().map(Result::unwrap) {
                std::fs::rename(entry.path(), sandbox.path("home").join(entry.file_name())).unwrap();
            }
            std::fs::remove_dir(&link).unwrap();
        }
        symlink(sandbox.path("home"), &link).unwrap();
        let before = contents(&sandbox.path("home"));
        for command in WRITERS {
            let run = sandbox.wa(command).exits(1);
            run.warns(&format!("./wa-store/{folder} is a symbolic link")).warns("hint: move the folder");
            assert_eq!(contents(&sandbox.path("home")), before, "{folder}, {command}");
        }
        let run = sandbox.wa("verify").exits(1).says(&format!("{folder}: is a symbolic link"));
        run.warns("hint: move the folders that the links point to back into the store");
        sandbox.wa("report summary --as-of latest").exits(0);
    }
}

#[test]
fn links_within_folders_are_not_followed() {
    for folder in ["staging", "staging/sub", "rejects", "state", "events", "sessions/mine"] {
        let sandbox = with_store();
        sandbox.write("home/sub/keep.parquet", "precious");
        std::fs::create_dir_all(sandbox.path(&format!("wa-store/{folder}"))).unwrap();
        symlink(sandbox.path("home"), sandbox.path(&format!("wa-store/{folder}/link"))).unwrap();
        symlink("..", sandbox.path(&format!("wa-store/{folder}/circle"))).unwrap();
        sandbox.wa("gc").exits(0);
        sandbox.wa("ingest new.ndjson").exits(0);
        assert_eq!(sandbox.read("home/sub/keep.parquet"), "precious", "{folder}");
        assert!(!sandbox.path("wa-store/staging").exists(), "{folder}");
        sandbox.wa("verify").exits(0);
        // Without a manifest, the data files are found, and the links are not followed.
        std::fs::remove_file(sandbox.path("wa-store/manifest.json")).unwrap();
        sandbox.wa("status").exits(1).warns("has no manifest.json, but it has data files");
    }
}

#[test]
fn link_of_a_partition_to_foreign_files_is_unchanged() {
    let sandbox = with_store();
    let partition = "wa-store/events/event_date=2026-11-09";
    let own = std::fs::read_dir(sandbox.path(partition)).unwrap().next().unwrap().unwrap().path();
    let name = own.file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::rename(sandbox.path(partition), sandbox.path("moved")).unwrap();
    // Another store's partition, and a file with the name but not the size of a file of this store.
    sandbox.write("home/0123456789abcdef0123456789abcdef.parquet", "precious");
    sandbox.write("home/report.parquet", "precious");
    sandbox.write(&format!("home/{name}"), "precious");
    symlink(sandbox.path("home"), sandbox.path(partition)).unwrap();
    let before = contents(&sandbox.path("home"));
    for command in WRITERS {
        sandbox.wa(command);
        assert_eq!(contents(&sandbox.path("home")), before, "{command}");
    }
    sandbox.wa("verify").exits(1);
    // New files are not added to such a folder until it is empty.
    let sandbox = with_store();
    sandbox.write("home/report.parquet", "precious");
    symlink(sandbox.path("home"), sandbox.path("wa-store/events/event_date=2026-11-08")).unwrap();
    sandbox.write("late.ndjson", LINE.replace("11-09", "11-08"));
    let run = sandbox.wa("ingest late.ndjson").exits(1);
    run.warns("is a symbolic link to a folder that contains no file of the store")
        .warns("hint: remove the link");
    assert_eq!(contents(&sandbox.path("home")).len(), 1);
    std::fs::remove_file(sandbox.path("home/report.parquet")).unwrap();
    sandbox.wa("ingest late.ndjson").exits(0);
    assert_eq!(contents(&sandbox.path("home")).len(), 1);
    sandbox.wa("verify").exits(0);
    // A dangling link of a partition: its disk may not be mounted.
    std::fs::rename(sandbox.path("home"), sandbox.path("away")).unwrap();
    sandbox.write("late.ndjson", LINE.replace("11-09", "11-08").replace("\"s\"", "\"u\""));
    sandbox.wa("ingest late.ndjson").exits(1);
    assert!(!sandbox.path("home").exists());
}

#[test]
fn settings_of_a_foreign_store_read_no_devices() {
    let sandbox = with_store();
    let status = Command::new("mkfifo").arg(sandbox.path("pipe")).status().unwrap();
    assert!(status.success());
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    std::fs::File::create(sandbox.path("huge")).unwrap().set_len(1 << 40).unwrap();
    for (path, cause) in [
        ("/dev/zero", "it is a device, not a regular file"),
        ("../pipe", "it is a named pipe, not a regular file"),
        ("../folder", "it is a folder, not a regular file"),
    ] {
        sandbox.write("wa-store/wa.toml", format!("geoip = \"{path}\"\n"));
        sandbox.wa("ingest new.ndjson").exits(1).warns("cannot read the location database").warns(cause);
        sandbox.write("wa-store/wa.toml", format!("[privacy]\nkey_file = \"{path}\"\n"));
        for command in ["ingest new.ndjson", "forget --user nobody"] {
            sandbox.wa(command).exits(1).warns("cannot read the key").warns(cause);
        }
    }
    sandbox.write("wa-store/wa.toml", "geoip = \"../huge\"\n");
    sandbox.wa("ingest new.ndjson").exits(1).warns("huge is not a location database");
    sandbox.write("wa-store/wa.toml", "[privacy]\nkey_file = \"../huge\"\n");
    sandbox.wa("ingest new.ndjson").exits(1).warns("the key file ./wa-store/../huge is damaged");
    // The environment can name a new key file to create; the settings of a store cannot.
    sandbox.write("wa-store/wa.toml", "[privacy]\nkey_file = \"../new-key\"\n");
    let run = sandbox.wa("ingest new.ndjson").exits(2);
    run.warns("the key file ./wa-store/../new-key does not exist").warns("hint: restore it");
    assert!(!sandbox.path("new-key").exists());
}

#[test]
fn key_that_is_not_secret_is_an_error() {
    let sandbox = with_store();
    let key = sandbox.path("wa-store/key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["ingest new.ndjson", "forget --user nobody"] {
        let run = sandbox.wa(command).exits(1);
        run.warns("the key file ./wa-store/key can be read or changed by other users: its mode is 0644")
            .warns("hint: run `chmod 600 ./wa-store/key`");
    }
    sandbox.wa("verify").exits(0).says("other users: its mode is 0644").says("no differences found");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.wa("ingest new.ndjson").exits(0);
    sandbox.write("wa-store/key", format!("{}\n", "0".repeat(64)));
    sandbox.wa("ingest new.ndjson").exits(1).warns("the key in ./wa-store/key is not random");
}

#[test]
fn pipe_or_device_in_place_of_a_file_does_not_block() {
    for name in ["manifest.json", "wa.toml", "key", "lock"] {
        for target in ["pipe", "/dev/zero"] {
            let sandbox = with_store();
            let path = sandbox.path(&format!("wa-store/{name}"));
            std::fs::remove_file(&path).unwrap();
            match target {
                "pipe" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                target => symlink(target, &path).unwrap(),
            }
            sandbox.wa("ingest new.ndjson").exits(1).warns("not a regular file");
        }
    }
    // A pipe in place of a data file does not block either.
    let sandbox = with_store();
    let file = sandbox.wa("files sessions").output();
    let path = sandbox.path(file.trim());
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    for command in ["report summary --as-of latest", "rebuild", "ingest new.ndjson"] {
        sandbox.wa(command).exits(1).warns("it is a named pipe, not a regular file");
    }
    sandbox.wa("verify").exits(1).says("it is a named pipe, not a regular file");
}

#[test]
fn strings_of_a_foreign_manifest_cannot_control_the_terminal() {
    let sandbox = with_store();
    forge(&sandbox, |manifest| {
        let last = manifest.last_ingest.as_mut().unwrap();
        last.counts.insert("\u{1b}]0;title\u{7}\u{9b}2J".to_owned(), 7);
    });
    for command in ["status", "status --format json"] {
        let run = sandbox.wa(command).exits(0);
        assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{run}");
        assert!(run.stdout.contains("title"), "{run}");
    }
    forge(&sandbox, |manifest| manifest.timezone = "\u{1b}[31mUTC".to_owned());
    for command in WRITERS.iter().chain(&READERS) {
        let run = sandbox.wa(command);
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run}");
    }
}

#[test]
fn store_that_is_a_dangling_link_is_named() {
    let sandbox = with_store();
    symlink("gone", sandbox.path("store")).unwrap();
    for command in WRITERS.iter().chain(&READERS) {
        let run = sandbox.wa(&format!("--store store {command}")).exits(1);
        run.warns("the store store is a symbolic link to gone, which does not exist").warns("hint: mount");
    }
    assert!(!sandbox.path("gone").exists());
    // A link to a store is used as that store.
    std::fs::remove_file(sandbox.path("store")).unwrap();
    symlink("wa-store", sandbox.path("store")).unwrap();
    sandbox.wa("--store store ingest new.ndjson").exits(0);
    sandbox.wa("--store store verify").exits(0);
}
