use std::fs;

use super::*;
use crate::error::ErrorKind;
use crate::settings::IpPolicy;
use crate::store::file_system::OsFileSystem;
use crate::time::{SECOND, Zone};
use proptest::prelude::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn with_file(text: &str) -> (tempfile::TempDir, Result<ResolvedConfig>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    let read = ResolvedConfig::read(dir.path(), &no_environment);
    (dir, read)
}

fn error_of(text: &str) -> (String, String) {
    let (dir, read) = with_file(text);
    let error = read.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    let message = error.to_string().replace(&format!("{}/", dir.path().display()), "");
    (message, error.hint_text().unwrap_or("").to_owned())
}

#[test]
fn damaged_settings_have_a_hint() {
    for (text, hint) in [
        ("timezone = \"UTC\nmemory = 1\n", "correct that line"),
        ("[retention]\nevents = \"90x\"\n", "write it like events = \"90d\""),
    ] {
        assert!(error_of(text).1.contains(hint), "{text}");
    }
}

#[test]
fn missing_file_gives_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let config = ResolvedConfig::read(dir.path(), &no_environment).unwrap();
    assert_eq!(config, ResolvedConfig::default());
    let config = ResolvedConfig::read(&dir.path().join("no-store"), &no_environment).unwrap();
    assert_eq!(config.settings, Settings::default());
}

#[test]
fn file_may_contain_every_setting() {
    let (dir, read) = with_file(
        r#"timezone = "Europe/Berlin"
session_timeout = "20m"
geoip = "locations.mmdb"
memory = "1G"
[retention]
events = "30d"
sessions = "2y"
daily_stats = "10y"
[privacy]
ip = "truncate"
anonymize_after = "7d"
key_file = "/etc/wa/key"
"#,
    );
    let config = read.unwrap();
    let expected = Settings {
        timezone: Zone::parse("Europe/Berlin").unwrap(),
        session_timeout: 20 * 60 * SECOND,
        event_retention: Retention::Days(30),
        session_retention: Retention::Days(730),
        daily_stats_retention: Retention::Days(3650),
        ip: IpPolicy::Truncate,
        anonymize_after_days: Some(7),
        geoip: Some(dir.path().join("locations.mmdb")),
        memory: 1 << 30,
        key_file: Some("/etc/wa/key".into()),
    };
    assert_eq!(config.settings, expected);
    let line = |line| Origin::File { path: dir.path().join(FILE_NAME), line };
    assert_eq!(config.origin("timezone"), &line(1));
    assert_eq!(config.origin("privacy.ip"), &line(10));
    assert!(config.origins.iter().all(|origin| origin.kind() == "file"));
}

#[test]
fn unknown_key_error_has_line_and_suggestion() {
    let (message, hint) = error_of("# settings\n\ntimezoen = \"UTC\"\n");
    assert_eq!(message, "wa.toml, line 3: there is no setting `timezoen`");
    assert_eq!(hint, "did you mean `timezone`?");
    // A byte order mark does not change line numbers.
    for text in ["\u{feff}\n\na = \"UTC\"\n", "\u{feff}timezone = \"UTC\"\n\na = 1 2\n"] {
        let (message, _) = error_of(text);
        assert!(message.starts_with("wa.toml, line 3: "), "{message}");
    }
    let (message, hint) = error_of("[retention]\nevents = \"90d\"\nvisitors = \"1d\"\n");
    assert_eq!(message, "wa.toml, line 3: there is no setting `retention.visitors`");
    assert!(hint.contains("retention."), "{hint}");
    let (message, _) = error_of("[reports]\nlimit = 3\n");
    assert_eq!(message, "wa.toml, line 1: there is no setting `reports`");
}

#[test]
fn setting_in_wrong_table_error_names_the_right_one() {
    let (message, hint) = error_of("events = \"90d\"\n");
    assert_eq!(message, "wa.toml, line 1: there is no setting `events`");
    assert_eq!(hint, "move `events` below [retention]");
    let (_, hint) = error_of("[privacy]\ntimezone = \"UTC\"\n");
    assert_eq!(hint, "move `timezone` to the top, before the first [table]");
}

#[test]
fn wrong_type_error_has_line_and_example() {
    let (message, hint) = error_of("session_timeout = 30\n");
    assert_eq!(message, "wa.toml, line 1: `session_timeout` must be a quoted string, not a number");
    assert_eq!(hint, "write it like session_timeout = \"30m\"");
    let (message, hint) = error_of("\n[retention]\nevents = true\n");
    assert_eq!(message, "wa.toml, line 3: `retention.events` must be a quoted string, not true or false");
    assert_eq!(hint, "write it like events = \"90d\"");
    let (message, _) = error_of("retention = \"90d\"\n");
    assert_eq!(message, "wa.toml, line 1: `retention` must be a table of settings, not a string");
}

#[test]
fn invalid_value_error_has_line() {
    for (text, line, part) in [
        ("timezone = \"Berlin\"", 1, "unknown time zone `Berlin`"),
        ("\nsession_timeout = \"30\"", 2, "`30` has no unit"),
        ("session_timeout = \"2d\"", 1, "write 1s to 1d"),
        ("memory = \"1K\"", 1, "write at least 256M"),
        ("geoip = \"\"", 1, "the path is empty"),
        ("[retention]\nevents = \"0d\"", 2, "write at least 1d"),
        ("[retention]\n\nsessions = \"long\"", 3, "`long` is not a number of days"),
        ("[privacy]\nip = \"hash\"", 2, "`hash` is not one of keep, truncate, drop"),
        ("[privacy]\nanonymize_after = \"soon\"", 2, "(or never)"),
    ] {
        let (message, _) = error_of(text);
        assert!(message.starts_with(&format!("wa.toml, line {line}: ")), "{text:?}: {message}");
        assert!(message.contains(part), "{text:?}: {message}");
    }
}

#[test]
fn invalid_toml_error_has_line() {
    let (message, _) = error_of("timezone = \"UTC\"\nsession_timeout = \n");
    assert!(message.starts_with("wa.toml, line 2: "), "{message}");
    let (message, _) = error_of("timezone = \"UTC\"\ntimezone = \"UTC\"\n");
    assert!(message.starts_with("wa.toml, line 2: "), "{message}");
}

#[test]
fn flag_overrides_environment_overrides_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), "memory = \"1G\"\ngeoip = \"a.mmdb\"\n").unwrap();
    let environment = |name: &str| match name {
        "WA_MEMORY" => Some("2G".to_owned()),
        "WA_GEOIP" => Some(String::new()),
        _ => None,
    };
    let mut config = ResolvedConfig::read(dir.path(), &environment).unwrap();
    assert_eq!(config.settings.memory, 2 << 30);
    assert_eq!(config.origin("memory"), &Origin::Environment { variable: "WA_MEMORY" });
    // An empty variable counts as unset.
    assert_eq!(config.origin("geoip").kind(), "file");
    config.set_flag("memory", "3G", "--memory").unwrap();
    assert_eq!(config.settings.memory, 3 << 30);
    assert_eq!(config.origin("memory"), &Origin::Flag { flag: "--memory" });
    let error = config.set_flag("memory", "much", "--memory").unwrap_err();
    assert_eq!(error.to_string(), "--memory: `much` is not a size: write one like 512M, 1G or 800MB");
}

#[test]
fn invalid_environment_variable_error_has_its_name() {
    let error = ResolvedConfig::read(Path::new("none"), &|_| Some("1".to_owned())).unwrap_err();
    assert!(error.to_string().starts_with("environment variable WA_MEMORY: "), "{error}");
}

#[test]
fn sessions_retained_shorter_than_events_are_an_error() {
    let check = |events: &str, sessions: &str| {
        let mut config = ResolvedConfig::default();
        config.set_flag("retention.events", events, "--keep-events").unwrap();
        config.set_flag("retention.sessions", sessions, "--keep-sessions").unwrap();
        config.check()
    };
    assert!(check("90d", "90d").is_ok());
    assert!(check("forever", "forever").is_ok());
    assert!(check("forever", "10y").is_err());
    let error = check("90d", "30d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "sessions must be retained at least as long as events: \
         sessions for 30d (--keep-sessions), events for 90d (--keep-events)"
    );
}

#[test]
fn daily_stats_retained_shorter_than_sessions_are_an_error() {
    let check = |sessions: &str, daily_stats: &str| {
        let mut config = ResolvedConfig::default();
        config.set_flag("retention.sessions", sessions, "--keep-sessions").unwrap();
        config.set_flag("retention.daily_stats", daily_stats, "--keep-daily-stats").unwrap();
        config.check()
    };
    assert!(check("1y", "1y").is_ok());
    assert!(check("1y", "forever").is_ok());
    assert!(check("forever", "10y").is_err());
    let error = check("100d", "99d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "daily statistics must be retained at least as long as sessions: \
         daily statistics for 99d (--keep-daily-stats), sessions for 100d (--keep-sessions)"
    );
    let hint =
        "retain daily statistics longer (retention.daily_stats, --keep-daily-stats) or sessions shorter";
    assert_eq!(error.hint_text(), Some(hint));
    // The default retention of sessions is a year.
    let mut config = ResolvedConfig::default();
    config.set_flag("retention.daily_stats", "5d", "--keep-daily-stats").unwrap();
    assert!(config.check().is_err());
}

#[test]
fn written_file_reads_back_as_the_same_settings() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("a/store");
    let path = write(&OsFileSystem, &store, &ResolvedConfig::default()).unwrap().unwrap();
    assert_eq!(path, store.join(FILE_NAME));
    let read = ResolvedConfig::read(&store, &no_environment).unwrap();
    assert_eq!(read.settings, Settings::default());
    assert_eq!(read.origin("timezone").kind(), "file");
    assert_eq!(read.origin("geoip").kind(), "default");
    assert_eq!(fs::read_dir(&store).unwrap().count(), 1, "the draft is removed");

    let mut chosen = ResolvedConfig::default();
    chosen.set_flag("timezone", "Asia/Kolkata", "--timezone").unwrap();
    chosen.set_flag("geoip", "/a \"b\"\\c\u{7}.mmdb", "--geoip").unwrap();
    let store = dir.path().join("chosen");
    write(&OsFileSystem, &store, &chosen).unwrap();
    assert_eq!(ResolvedConfig::read(&store, &no_environment).unwrap().settings, chosen.settings);
}

#[test]
fn environment_is_not_written_to_the_file() {
    let environment = |name: &str| (name == "WA_MEMORY").then(|| "2G".to_owned());
    let config = ResolvedConfig::read(Path::new("no-store"), &environment).unwrap();
    assert!(template::text(&config).contains("\n# memory = \"512M\"\n"));
}

#[test]
fn existing_settings_file_is_not_overwritten() {
    let (dir, _) = with_file("# mine\n");
    assert_eq!(write(&OsFileSystem, dir.path(), &ResolvedConfig::default()).unwrap(), None);
    assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), "# mine\n");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_store_and_settings() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    write(&OsFileSystem, &store, &ResolvedConfig::default()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store), 0o700);
    assert_eq!(mode(&store.join(FILE_NAME)), 0o600);
}

#[test]
fn written_file_has_every_setting_and_its_variable() {
    let text = template::text(&ResolvedConfig::default());
    for key in KEYS {
        let last = key.name.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{last} = \"")), "{}", key.name);
        assert!(key.variable.is_none_or(|variable| text.contains(variable)), "{}", key.name);
    }
}

proptest! {
    #[test]
    fn parsing_any_text_does_not_panic(text in "([a-z_.\\[\\]=\" \\n]|[0-9]|\\PC){0,80}") {
        let _ = file::parse(Path::new("wa.toml"), &text);
    }
}
