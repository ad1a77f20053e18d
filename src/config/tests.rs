use super::*;
use crate::error::ErrorKind;
use crate::settings::IpPolicy;
use crate::store::file_system::OsFileSystem;
use crate::time::{SECOND, Zone};
use proptest::prelude::*;

fn nothing(_: &str) -> Option<String> {
    None
}

fn with_file(text: &str) -> (tempfile::TempDir, Result<ResolvedConfig>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    let read = ResolvedConfig::read(dir.path(), &nothing);
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
fn without_a_file_the_defaults_are_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let resolved = ResolvedConfig::read(dir.path(), &nothing).unwrap();
    assert_eq!(resolved, ResolvedConfig::default());
    let resolved = ResolvedConfig::read(&dir.path().join("no-store"), &nothing).unwrap();
    assert_eq!(resolved.settings, Settings::default());
}

#[test]
fn every_setting_can_stand_in_the_file() {
    let (dir, read) = with_file(
        r#"timezone = "Europe/Berlin"
session_timeout = "20m"
geoip = "places.mmdb"
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
    let resolved = read.unwrap();
    let expected = Settings {
        timezone: Zone::parse("Europe/Berlin").unwrap(),
        session_timeout: 20 * 60 * SECOND,
        event_retention: Retention::Days(30),
        session_retention: Retention::Days(730),
        daily_stats_retention: Retention::Days(3650),
        ip: IpPolicy::Truncate,
        anonymize_after_days: Some(7),
        geoip: Some(dir.path().join("places.mmdb")),
        memory: 1 << 30,
        key_file: Some("/etc/wa/key".into()),
    };
    assert_eq!(resolved.settings, expected);
    let line = |line| Origin::File { path: dir.path().join(FILE_NAME), line };
    assert_eq!(resolved.origin("timezone"), &line(1));
    assert_eq!(resolved.origin("privacy.ip"), &line(10));
    assert!(resolved.origins.iter().all(|origin| origin.kind() == "file"));
}

#[test]
fn an_unknown_key_is_an_error_that_names_its_line_and_the_nearest() {
    let (message, hint) = error_of("# settings\n\ntimezoen = \"UTC\"\n");
    assert_eq!(message, "wa.toml, line 3: there is no setting `timezoen`");
    assert_eq!(hint, "did you mean `timezone`?");
    // The bytes of a byte order mark move no line.
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
fn a_setting_in_the_wrong_table_is_told_its_place() {
    let (message, hint) = error_of("events = \"90d\"\n");
    assert_eq!(message, "wa.toml, line 1: there is no setting `events`");
    assert_eq!(hint, "`events` belongs under [retention]");
    let (_, hint) = error_of("[privacy]\ntimezone = \"UTC\"\n");
    assert_eq!(hint, "`timezone` belongs at the top, before the first [table]");
}

#[test]
fn a_wrong_type_is_an_error_that_names_its_line_and_the_right_form() {
    let (message, hint) = error_of("session_timeout = 30\n");
    assert_eq!(message, "wa.toml, line 1: `session_timeout` has to be text in quotes, not a number");
    assert_eq!(hint, "write it like session_timeout = \"30m\"");
    let (message, hint) = error_of("\n[retention]\nevents = true\n");
    assert_eq!(message, "wa.toml, line 3: `retention.events` has to be text in quotes, not true or false");
    assert_eq!(hint, "write it like events = \"90d\"");
    let (message, _) = error_of("retention = \"90d\"\n");
    assert_eq!(message, "wa.toml, line 1: `retention` is a table of settings, not text");
}

#[test]
fn a_wrong_value_is_an_error_that_names_its_line() {
    for (text, line, part) in [
        ("timezone = \"Berlin\"", 1, "there is no time zone `Berlin`"),
        ("\nsession_timeout = \"30\"", 2, "`30` has no unit"),
        ("session_timeout = \"2d\"", 1, "from 1s to 1d"),
        ("memory = \"1K\"", 1, "at least 256M"),
        ("geoip = \"\"", 1, "the path is empty"),
        ("[retention]\nevents = \"0d\"", 2, "at least 1d"),
        ("[retention]\n\nsessions = \"long\"", 3, "`long` is no number of days"),
        ("[privacy]\nip = \"hash\"", 2, "`hash` is none of keep, truncate, drop"),
        ("[privacy]\nanonymize_after = \"soon\"", 2, "(or never)"),
    ] {
        let (message, _) = error_of(text);
        assert!(message.starts_with(&format!("wa.toml, line {line}: ")), "{text:?}: {message}");
        assert!(message.contains(part), "{text:?}: {message}");
    }
}

#[test]
fn text_that_is_no_toml_is_an_error_that_names_its_line() {
    let (message, _) = error_of("timezone = \"UTC\"\nsession_timeout = \n");
    assert!(message.starts_with("wa.toml, line 2: "), "{message}");
    let (message, _) = error_of("timezone = \"UTC\"\ntimezone = \"UTC\"\n");
    assert!(message.starts_with("wa.toml, line 2: "), "{message}");
}

#[test]
fn environment_wins_over_the_file_and_a_flag_over_both() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), "memory = \"1G\"\ngeoip = \"a.mmdb\"\n").unwrap();
    let environment = |name: &str| match name {
        "WA_MEMORY" => Some("2G".to_owned()),
        "WA_GEOIP" => Some(String::new()),
        _ => None,
    };
    let mut resolved = ResolvedConfig::read(dir.path(), &environment).unwrap();
    assert_eq!(resolved.settings.memory, 2 << 30);
    assert_eq!(resolved.origin("memory"), &Origin::Environment { variable: "WA_MEMORY" });
    // An empty variable says nothing.
    assert_eq!(resolved.origin("geoip").kind(), "file");
    resolved.set_flag("memory", "3G", "--memory").unwrap();
    assert_eq!(resolved.settings.memory, 3 << 30);
    assert_eq!(resolved.origin("memory"), &Origin::Flag { flag: "--memory" });
    let error = resolved.set_flag("memory", "much", "--memory").unwrap_err();
    assert_eq!(error.to_string(), "--memory: `much` is no size: write one like 512M, 1G or 800MB");
}

#[test]
fn a_wrong_environment_variable_is_named() {
    let error = ResolvedConfig::read(Path::new("none"), &|_| Some("1".to_owned())).unwrap_err();
    assert!(error.to_string().starts_with("the environment variable WA_MEMORY: "), "{error}");
}

#[test]
fn sessions_are_kept_at_least_as_long_as_events() {
    let keep = |events: &str, sessions: &str| {
        let mut resolved = ResolvedConfig::default();
        resolved.set_flag("retention.events", events, "--keep-events").unwrap();
        resolved.set_flag("retention.sessions", sessions, "--keep-sessions").unwrap();
        resolved.check()
    };
    assert!(keep("90d", "90d").is_ok());
    assert!(keep("forever", "forever").is_ok());
    assert!(keep("forever", "10y").is_err());
    let error = keep("90d", "30d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "sessions would be kept for 30d (--keep-sessions), events for 90d (--keep-events): \
         sessions have to be kept at least as long as events"
    );
}

#[test]
fn daily_statistics_are_kept_at_least_as_long_as_sessions() {
    let keep = |sessions: &str, daily_stats: &str| {
        let mut resolved = ResolvedConfig::default();
        resolved.set_flag("retention.sessions", sessions, "--keep-sessions").unwrap();
        resolved.set_flag("retention.daily_stats", daily_stats, "--keep-daily-stats").unwrap();
        resolved.check()
    };
    assert!(keep("1y", "1y").is_ok());
    assert!(keep("1y", "forever").is_ok());
    assert!(keep("forever", "10y").is_err());
    let error = keep("100d", "99d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "daily statistics would be kept for 99d (--keep-daily-stats), sessions for 100d (--keep-sessions): \
         daily statistics have to be kept at least as long as sessions"
    );
    let hint = "keep daily statistics longer (retention.daily_stats, --keep-daily-stats) or sessions shorter";
    assert_eq!(error.hint_text(), Some(hint));
    // Sessions are kept for a year where nothing else is said.
    let mut resolved = ResolvedConfig::default();
    resolved.set_flag("retention.daily_stats", "5d", "--keep-daily-stats").unwrap();
    assert!(resolved.check().is_err());
}

#[test]
fn the_file_that_is_written_says_what_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("a/store");
    let path = write_default(&OsFileSystem, &store).unwrap().unwrap();
    assert_eq!(path, store.join(FILE_NAME));
    let read = ResolvedConfig::read(&store, &nothing).unwrap();
    assert_eq!(read.settings, Settings::default());
    assert_eq!(read.origin("timezone").kind(), "file");
    assert_eq!(read.origin("geoip").kind(), "default");
    assert_eq!(fs::read_dir(&store).unwrap().count(), 1, "no draft is left");

    let mut chosen = ResolvedConfig::default();
    chosen.set_flag("timezone", "Asia/Kolkata", "--timezone").unwrap();
    chosen.set_flag("geoip", "/a \"b\"\\c\u{7}.mmdb", "--geoip").unwrap();
    let store = dir.path().join("chosen");
    write(&OsFileSystem, &store, &chosen).unwrap();
    assert_eq!(ResolvedConfig::read(&store, &nothing).unwrap().settings, chosen.settings);
}

#[test]
fn what_the_environment_says_is_not_written_down() {
    let environment = |name: &str| (name == "WA_MEMORY").then(|| "2G".to_owned());
    let resolved = ResolvedConfig::read(Path::new("no-store"), &environment).unwrap();
    assert!(template::text(&resolved).contains("\n# memory = \"512M\"\n"));
}

#[test]
fn a_settings_file_that_is_there_stays_as_it_is() {
    let (dir, _) = with_file("# mine\n");
    assert_eq!(write_default(&OsFileSystem, dir.path()).unwrap(), None);
    assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), "# mine\n");
}

#[cfg(unix)]
#[test]
fn store_and_settings_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    write_default(&OsFileSystem, &store).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store), 0o700);
    assert_eq!(mode(&store.join(FILE_NAME)), 0o600);
}

#[test]
fn the_file_names_every_setting_and_its_variable() {
    let text = template::text(&ResolvedConfig::default());
    for key in KEYS {
        let last = key.name.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{last} = \"")), "{}", key.name);
        assert!(key.variable.is_none_or(|variable| text.contains(variable)), "{}", key.name);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "([a-z_.\\[\\]=\" \\n]|[0-9]|\\PC){0,80}") {
        let _ = file::parse(Path::new("wa.toml"), &text);
    }
}
