//! Reports on the command line: defaults, limits, look-ups and pipes.

use serde_json::{Value, json};

use crate::harness::Sandbox;

/// Returns a store with 25 sessions of one minute on November 9th: one at each full hour, and the
/// last one at 23:30. Each has an error with a distinct name.
fn store() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut log = String::new();
    for n in 0..25 {
        let time = if n < 24 { format!("{n:02}:00") } else { "23:30".to_owned() };
        let ids = format!(
            "\"chatbot_id\":\"shop\",\"session_id\":\"s-{n:02}\",\"anonymous_id\":\"v-{n:02}\",\"user_name\":\"Name {n:02}\""
        );
        for (name, seconds) in [("message_sent".to_owned(), 0), (format!("error_{n:02}"), 59)] {
            log.push_str(&format!(
                "{{{ids},\"event_name\":\"{name}\",\"event_category\":\"error\",\"city\":\"City {n}\",\
                 \"user_agent\":\"Agent{n}/1.0\",\"utm_source\":\"source {n}\",\
                 \"page_url\":\"https://shop.example/{n}\",\
                 \"timestamp\":\"2026-11-09T{time}:{seconds:02}Z\"}}\n"
            ));
        }
    }
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox
}

#[test]
fn report_alone_shows_the_summary() {
    let sandbox = store();
    assert_eq!(sandbox.wa("report").output(), sandbox.wa("report summary").output());
    let named = sandbox.wa("report summary --days 7 --as-of latest --format csv").output();
    assert_eq!(sandbox.wa("report --days 7 --as-of latest --format csv").output(), named);
}

#[test]
fn as_of_latest_is_the_time_of_the_newest_event_for_active() {
    // The newest event is at 23:30:59. The previous session ended at 23:00:59, exactly one timeout
    // earlier.
    let sandbox = store().at("2026-12-24T12:00:00Z");
    let active = sandbox.wa("report active --as-of latest --format json").json();
    assert_eq!(
        active,
        json!({"chatbot_id": null, "active_sessions": 2, "timestamp": "2026-11-09T23:30:59Z"})
    );
    let all = sandbox.wa("report all --as-of latest --format json").json();
    assert_eq!(all["active"]["timestamp"], "2026-11-09T23:30:59Z");
    assert_eq!(all["summary"]["to"], "2026-11-09");
    // The time of the report is never later than the clock.
    let before = store().at("2026-11-09T23:10:00Z");
    let active = before.wa("report active --as-of latest --format json").json();
    assert_eq!(active["timestamp"], "2026-11-09T23:10:00Z");
    let empty = Sandbox::new();
    empty.wa("init").exits(0);
    let active = empty.wa("report active --as-of latest --format json").json();
    assert_eq!(active["timestamp"], "2026-11-10T02:00:00Z");
}

#[test]
fn all_reports_with_a_filter_equal_the_single_reports() {
    let sandbox = store();
    for filter in ["utm_source~source 1", "event.event_name~error_1"] {
        let report = |name: &str| {
            let flags = ["--days", "30", "--as-of", "latest", "--limit", "all"];
            // `active` has no window, and some reports no limit.
            let flags = match name {
                "active" => &flags[2..4],
                "all" | "events" | "sources" | "pages" | "locations" | "devices" | "sessions" | "paths" => {
                    &flags
                }
                _ => &flags[..4],
            };
            let format = ["--format", "json", "--where", filter];
            sandbox.run([&["report", name], flags, &format].concat()).json()
        };
        let all = report("all");
        let reports = all.as_object().unwrap();
        assert!(reports.len() >= 16, "{:?}", reports.keys());
        for (name, found) in reports {
            assert_eq!(found, &report(name), "{name} where {filter}");
        }
    }
}

#[test]
fn csv_has_all_sessions_newest_first() {
    let sandbox = store();
    let csv = sandbox.wa("report sessions --format csv").output();
    let ids: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    let expected: Vec<String> = (0..25).rev().map(|n| format!("s-{n:02}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(sandbox.wa("report sessions --format csv --limit 3").output().lines().count(), 4);
    // Sessions of several days, in windows with all, some and none of them.
    sandbox.write(
        "more.ndjson",
        "{\"chatbot_id\":\"docs\",\"session_id\":\"d\",\"event_name\":\"e\",\"timestamp\":\"2026-11-01T10:00:00Z\"}\n",
    );
    sandbox.wa("ingest -q more.ndjson").exits(0);
    let ids = |flags: &str| -> Vec<String> {
        let csv = sandbox.wa(&format!("report sessions --format csv {flags}")).exits(0).stdout;
        csv.lines().map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
    };
    assert_eq!((ids("").len(), ids("").last().unwrap().as_str()), (27, "d"));
    assert_eq!(ids("--chatbot docs"), ["session_id", "d"]);
    assert_eq!(ids("--from 2026-11-01 --to 2026-11-08"), ["session_id", "d"]);
    assert_eq!(ids("--from 2026-10-01 --to 2026-10-08"), ["session_id"]);
    assert_eq!(ids("--by-chatbot").len(), 27);
    sandbox.wa("report sessions --format csv --chatbot dosc").exits(2).warns("did you mean");
    // JSON has pages of 20 sessions.
    let json = |flags: &str| sandbox.wa(&format!("report sessions --format json {flags}")).json();
    let page = |json: &Value| {
        let sessions = json["sessions"].as_array().unwrap().len();
        (json["page"].clone(), json["limit"].clone(), json["total"].clone(), sessions)
    };
    assert_eq!(page(&json("")), (json!(1), json!(20), json!(26), 20));
    let all = json("--limit all");
    assert_eq!(page(&all), (json!(1), json!(26), json!(26), 26));
    // All sessions are printed day by day, so their order is that of the pages together.
    let pages = [1, 2].map(|page| json(&format!("--page {page}"))["sessions"].as_array().unwrap().clone());
    assert_eq!(all["sessions"], json!(pages.concat()));
    assert_eq!(page(&json("--limit all --where city=Nowhere")), (json!(1), json!(1), json!(0), 0));
    let docs = sandbox.wa("report sessions --format json --limit all --chatbot docs");
    assert_eq!(docs.stdout, sandbox.wa("report sessions --format json --limit 1 --chatbot docs").stdout);
    sandbox.wa("report sessions --limit all").says("\n26 sessions\n").says("s-00");
}

#[test]
fn all_conversations_are_those_of_a_limited_list() {
    let sandbox = store();
    // Two days, and a session that goes on after midnight.
    let mut log = String::new();
    for (session, time) in
        [("a", "2026-11-07T23:50:00Z"), ("a", "2026-11-08T00:10:00Z"), ("b", "2026-11-08T09:00:00Z")]
    {
        for (name, seconds) in [("message_sent", "00"), ("message_received", "30")] {
            let time = time.replace(":00Z", &format!(":{seconds}Z"));
            log.push_str(&format!(
                "{{\"chatbot_id\":\"docs\",\"session_id\":\"{session}\",\"event_name\":\"{name}\",\
                 \"timestamp\":\"{time}\"}}\n"
            ));
        }
    }
    sandbox.write("more.ndjson", log);
    sandbox.wa("ingest -q more.ndjson").exits(0);
    for flags in [
        "--format json",
        "--format csv",
        "--format json --chatbot docs",
        "--format json --where event.event_name=error_07",
        "--format csv --where city=Nowhere",
        "--format json --where city=Nowhere",
    ] {
        let list = |limit: &str| {
            sandbox.wa(&format!("report conversations --list {flags} --limit {limit}")).exits(0).stdout
        };
        assert_eq!(list("all"), list("100"), "{flags}");
    }
    // Without a list, the limit is that of the values of a breakdown.
    let by_city = sandbox.wa("report conversations --by city --limit 3 --format json").json();
    assert_eq!(by_city["groups"].as_array().unwrap().len(), 4);
    sandbox.wa("report conversations --limit 3").exits(2).warns("--limit needs --list or --by");
    let json = sandbox.wa("report conversations --list --format json --limit all").json();
    assert_eq!((json["list"].as_array().unwrap().len(), &json["conversations"]), (27, &json!(27)));
    assert_eq!(json["list"][26]["messages_received"], 2);
}

#[test]
fn filter_for_the_value_of_a_group_finds_its_sessions() {
    let sandbox = Sandbox::new().at("2026-11-10T00:00:00Z");
    let values = ["\"01234\"", "\"1234\"", "1234", "1234.0", "\"1234.0\"", "\"+1234\"", "\"\"", "null"];
    let line = |(number, value): (usize, &str)| {
        format!(
            r#"{{"chatbot_id":"c","session_id":"s{number}","event_name":"x","timestamp":"2026-11-09T12:00:00Z","properties":{{"z":{value}}}}}"#
        ) + "\n"
    };
    sandbox.write("log.ndjson", values.into_iter().enumerate().map(line).collect::<String>());
    sandbox.wa("ingest log.ndjson").exits(0);
    let broken_down = sandbox.wa("report summary --by properties.z --format json").json();
    let groups = broken_down["groups"].as_array().unwrap();
    let found: Vec<(&str, u64)> = groups
        .iter()
        .map(|group| {
            let total = &group["summary"]["total_sessions"];
            (group["values"][0].as_str().unwrap(), total.as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, [("1234", 3), ("unknown", 2), ("+1234", 1), ("01234", 1), ("1234.0", 1)]);
    for (value, total) in found {
        let value = if value == "unknown" { "" } else { value };
        let condition = format!("properties.z=\"{value}\"");
        let report = ["report", "summary", "--format", "json", "--where", &condition];
        assert_eq!(sandbox.run(report).json()["summary"]["total_sessions"], total, "{condition}");
    }
}

#[test]
fn limit_all_lists_everything_in_every_format() {
    let sandbox = store();
    // There are 25 rows, or 26 event names. In reports with two lists, one list has 25 rows.
    for (report, last) in [
        ("events", "error_24"),
        ("sources", "source 9"),
        ("performance", "error_24"),
        ("pages", "/9"),
        ("locations", "City 9"),
        ("sessions", "s-00"),
        ("all", "error_24"),
    ] {
        for format in ["table", "markdown", "json", "csv"] {
            let run = sandbox.wa(&format!("report {report} --limit all --format {format}")).exits(0);
            let text = run.stdout.replace("error\\_", "error_");
            assert!(text.contains(last) && !text.contains(" more") && !text.contains("(other)"), "{run}");
        }
    }
    // The default of tables is 10 rows.
    sandbox.wa("report events").says("+ 16 more");
    sandbox.wa("report devices --limit all").exits(0);
    assert_eq!(sandbox.wa("events --limit all --format csv").output().lines().count(), 51);
    assert_eq!(sandbox.wa("events --limit 0 --format csv").output().lines().count(), 51);
    sandbox.wa("events --limit some").exits(2).warns("or all");
    sandbox.wa("report pages --limit 101").exits(2).warns("write a number from 1 to 100, or all");
}

#[test]
fn ids_of_a_list_find_the_session() {
    let sandbox = store();
    let list = sandbox.wa("report sessions").output();
    let header = list.lines().find(|line| line.starts_with("Started")).unwrap();
    let row = list.lines().find(|line| line.contains("s-07")).unwrap();
    let cell = |title: &str| {
        let at = header.find(title).unwrap();
        row[at..].split("  ").next().unwrap().to_owned()
    };
    assert_eq!(
        (cell("Session"), cell("Visitor"), cell("Name")),
        ("s-07".into(), "v-07".into(), "Name 07".into())
    );
    let id = sandbox.wa("report sessions --session-id s-07 --format json").json()["sessions"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let find = |flag: &str, value: &str| {
        let json = sandbox.run(["report", "sessions", flag, value, "--format", "json"]).json();
        let sessions = json["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["session_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (flag, value) in [
        ("--session-id", "s-07"),
        ("--session-id", &id),
        ("--session-id", &id[..8]),
        ("--visitor", "v-07"),
        ("--visitor", "Name 07"),
    ] {
        assert_eq!(find(flag, value), ["s-07"], "{flag} {value}");
    }
    // A shorter prefix could match many sessions.
    assert_eq!(find("--session-id", &id[..7]), Vec::<String>::new());
}

#[test]
fn view_of_a_session_shows_gaps_and_response_times() {
    let sandbox = Sandbox::new();
    let event = |name: &str, time: &str, more: &str| {
        format!(
            "{{\"chatbot_id\":\"shop\",\"session_id\":\"s\",\"event_name\":\"{name}\",\"timestamp\":\"2026-07-01T{time}Z\"{more}}}\n"
        )
    };
    sandbox.write(
        "log.ndjson",
        [
            event("page_viewed", "21:59:00", ",\"page_url\":\"https://shop.example/cart\""),
            event("message_sent", "22:00:05", ",\"properties\":{\"message_length\":42,\"text\":\"a b\"}"),
            event("message_received", "22:00:07.250", ""),
            event("message_received", "22:10:07.250", ",\"properties\":{\"response_time_ms\":1500}"),
        ]
        .concat(),
    );
    sandbox.wa("init --timezone Europe/Berlin").exits(0);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    let json = sandbox.wa("report sessions --session-id s --format json").json();
    let timeline = json["sessions"][0]["timeline"].as_array().unwrap();
    let times: Vec<_> = timeline.iter().map(|e| json!([e["gap_ms"], e["response_time_ms"]])).collect();
    // The first response follows its message by 2.25 s; the second one has a logged response time.
    assert_eq!(json!(times), json!([[null, null], [65000, null], [2250, 2250], [600_000, 1500]]));
    let view = sandbox.wa("report sessions --session-id s").output();
    for line in [
        "Session started 2026-07-01 23:59:00",
        "Ended             2026-07-02 00:10:07 (after 11m 07s)",
        "Messages          1 sent, 2 received",
        "Events on https://shop.example",
        "2026-07-02 00:00:05   +1m 05s  message_sent                       message_length=42, text=a b",
        "2026-07-02 00:00:07       +2s  message_received  2,250 ms",
        "2026-07-02 00:10:07  +10m 00s  message_received  1,500 ms",
    ] {
        assert!(view.contains(line), "{line}\n{view}");
    }
    assert!(!view.contains("merge_state") && !view.contains("response_time_sum_us"), "{view}");
}

#[test]
fn table_in_a_pipe_has_all_columns_and_whole_values() {
    let sandbox = Sandbox::new().with("COLUMNS", "40");
    let page = format!("/{}", "long/".repeat(60));
    sandbox.write(
        &format!("{}/log.ndjson", "folder/".repeat(20)),
        format!(
            "{{\"chatbot_id\":\"shop\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T10:00:00Z\",\
             \"page_url\":\"https://shop.example{page}\",\"country_code\":\"DE\"}}\n"
        ),
    );
    let file = format!("{}log.ndjson ", "folder/".repeat(20));
    sandbox.wa("ingest folder").exits(0).says(&file);
    sandbox.wa("report sessions").exits(0).says(&page).says("Country").says("Chatbot");
    sandbox.wa("report pages").exits(0).says(&page).says("Conversion");
    sandbox.wa("events").exits(0).says(&format!("https://shop.example{page}")).says("Category");
    let compared = sandbox.wa("report trends --compare").exits(0);
    assert!(!compared.stdout.contains("not shown") && compared.stdout.contains("Prev."), "{compared}");
}

#[test]
fn absurd_response_times_are_ignored_by_all_reports() {
    let sandbox = Sandbox::new();
    let event = |second: u32, ms: &str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_received\",\
             \"timestamp\":\"2026-11-09T10:00:{second:02}Z\",\
             \"properties\":{{\"response_time_ms\":{ms},\"load_time_ms\":{ms}}}}}\n"
        )
    };
    // Three of these exceed 2^63 microseconds. The mean of the other two is 30 days minus half a
    // millisecond, rounded up to 30 days.
    let times = ["9000000000000000", "9000000000000000", "9000000000000000", "2592000000", "2591999999"];
    sandbox.write("log.ndjson", (0..).zip(times).map(|(second, ms)| event(second, ms)).collect::<String>());
    let ingest = sandbox.wa("ingest log.ndjson --format json").json();
    assert_eq!(ingest["total"]["warnings"], json!({"bad_response_time": 3}));
    let json = |report: &str| sandbox.wa(&format!("report {report} --format json")).json();
    let mean = 2_592_000_000i64;
    assert_eq!(json("summary")["summary"]["avg_response_time_ms"], mean);
    let with_bots = json("summary --include-bots");
    assert_eq!(with_bots["summary"]["avg_response_time_ms"], mean);
    let performance = json("performance");
    for times in ["response_time_ms", "load_time_ms"] {
        assert_eq!((&performance[times]["count"], &performance[times]["mean"]), (&json!(2), &json!(mean)));
    }
    let session = json("sessions")["sessions"][0].clone();
    assert_eq!(session["avg_response_time_ms"], mean);
    assert_eq!(
        (&session["response_time_sum_us"], &session["response_time_count"]),
        (&json!(5_183_999_999_000i64), &json!(2))
    );
    let looked_up = json("sessions --session-id s");
    assert_eq!(looked_up["sessions"][0]["timeline"][3]["response_time_ms"], mean);
    assert_eq!(looked_up["sessions"][0]["timeline"][0]["response_time_ms"], Value::Null);
    let compared = json("summary --compare");
    assert_eq!(compared["comparison"]["summary"]["avg_response_time_ms"]["current"], mean);
    for report in ["summary", "performance", "summary --compare"] {
        sandbox.wa(&format!("report {report} --format csv")).exits(0).says("2592000000");
    }
    sandbox.wa("verify").exits(0);
}

#[test]
fn heatmap_shows_the_requested_metric() {
    // 2026-11-09 is a Monday.
    let sandbox = store();
    let table = sandbox.wa("report heatmap --metric messages").output();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("\n23:00  ███ 2    ·"), "{table}");
    assert!(table.contains("\n22:00  ▒▒▒ 1    ·"), "{table}");
    let csv = sandbox.wa("report heatmap --format csv").output();
    assert_eq!(csv.lines().count(), 1 + 168);
    assert!(csv.contains("\r\n1,23,2,2,2,2\r\n"), "{csv}");
    sandbox.wa("report heatmap --metric rates").exits(2).warns("sessions, conversations, messages, visitors");
}

#[test]
fn retention_marks_incomplete_periods_and_fits_80_columns() {
    let sandbox = Sandbox::new();
    let event = |visitor: u32, day: u32| {
        format!(
            "{{\"chatbot_id\":\"shop\",\"anonymous_id\":\"v{visitor}\",\"event_name\":\"page_viewed\",\
             \"timestamp\":\"2026-10-{day:02}T10:00:00Z\"}}\n"
        )
    };
    // Visitors 1 to 3 are first seen on October 1st.
    // Visitors 1 and 2 come back on the 2nd, visitor 1 on the 3rd.
    let days = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3), (4, 2)];
    let log: String = days.into_iter().map(|(visitor, day)| event(visitor, day)).collect();
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    let window = "--interval day --from 2026-10-01 --to 2026-10-03";
    let now = sandbox.at("2026-10-03T20:00:00Z");
    let table = now.wa(&format!("report retention {window}")).output();
    let rows: Vec<&str> = table.lines().skip_while(|line| !line.starts_with("2026")).collect();
    let expected = [
        "2026-10-01         3  █67  ~33",
        "2026-10-02         1  ~ 0",
        "2026-10-03         0",
        "Mean               4   67",
    ];
    assert_eq!(rows, expected, "{table}");
    let csv = now.wa(&format!("report retention {window} --format csv")).output();
    assert!(csv.contains("\r\n2026-10-01,2,false,3,1,33.33\r\n"), "{csv}");
    let json =
        now.wa(&format!("report retention {window} --unbounded --return page_viewed --format json")).json();
    assert_eq!(json["cohorts"][0]["periods"][1]["visitors"], 2);
    now.wa("report retention --interval hour").exits(2).warns("day, week, month");
    now.wa("report retention --interval day --from 2020-01-01").exits(0);
}

#[test]
fn funnel_reads_steps_from_flags_and_settings() {
    let sandbox = store();
    let counts = |run: crate::harness::Run| -> Vec<u64> {
        let answer = run.json();
        answer["steps"].as_array().unwrap().iter().map(|step| step["count"].as_u64().unwrap()).collect()
    };
    let window = "--days 1 --as-of latest --format json";
    let steps = "--step message_sent --step error_0*";
    assert_eq!(counts(sandbox.wa(&format!("report funnel {steps} {window}"))), [25, 10]);
    assert_eq!(counts(sandbox.wa(&format!("report funnel {steps} --within 58s {window}"))), [25, 0]);
    let settings = sandbox.read("wa-store/wa.toml");
    let funnel = "[funnels]\nodd = [\"message_sent\", \"error_01|error_03\"]\n";
    sandbox.write("wa-store/wa.toml", format!("{settings}\n{funnel}"));
    assert_eq!(counts(sandbox.wa(&format!("report funnel odd {window}"))), [25, 2]);
    sandbox.wa("report funnel od").exits(2).warns("there is no funnel \"od\"").warns("did you mean \"odd\"?");
    sandbox
        .wa("report funnel --step message_sent --exclude message_sent")
        .exits(2)
        .warns("is both a step and an excluded event");
    sandbox.wa("report funnel odd --step x").exits(2).warns("cannot be used with");
    sandbox.write("wa-store/wa.toml", format!("{settings}\n[funnels]\nx = [\"a where b c\"]\n"));
    let line = settings.lines().count() + 3;
    sandbox.wa("report funnel x").exits(2).warns(&format!("wa.toml, line {line}: `funnels.x`: "));
}

#[test]
fn annotations_of_the_window_are_in_trends_in_every_format() {
    let sandbox = store();
    let settings = sandbox.read("wa-store/wa.toml");
    let notes = "\n[annotations]\n2026-11-09 = [\"=1+1\", \"new widget\"]\n\"2026-11-08\" = \"outage\"\n\
                 2026-10-01 = \"before the window\"\n";
    sandbox.write("wa-store/wa.toml", format!("{settings}{notes}"));
    let window = "--from 2026-11-08 --to 2026-11-09";
    let table = sandbox.wa(&format!("report trends {window}")).output();
    assert!(table.contains("Annotations\nDay         Note\n"), "{table}");
    assert!(table.ends_with("2026-11-08  outage\n2026-11-09  =1+1\n2026-11-09  new widget\n"), "{table}");
    let markdown = sandbox.wa(&format!("report trends {window} --format markdown")).output();
    assert!(markdown.contains("| 2026-11-08 | outage |\n"), "{markdown}");
    let json = sandbox.wa(&format!("report trends {window} --compare --format json")).json();
    let expected = json!([
        {"date": "2026-11-08", "text": "outage"},
        {"date": "2026-11-09", "text": "=1+1"},
        {"date": "2026-11-09", "text": "new widget"},
    ]);
    assert_eq!(json["annotations"], expected);
    let csv = sandbox.wa(&format!("report trends {window} --format csv")).output();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",conversion_rate,annotations"), "{csv}");
    assert!(lines[1].starts_with("2026-11-08,0,") && lines[1].ends_with(",outage"), "{csv}");
    assert!(lines[2].ends_with(",'=1+1; new widget"), "{csv}");
    // Without annotations in the window, nothing changes.
    let other = sandbox.wa("report trends --from 2026-11-01 --to 2026-11-02 --format csv").exits(0);
    assert!(!other.stdout.contains("annotations"), "{other}");
}

#[test]
fn invalid_annotation_is_an_error_with_its_line() {
    let sandbox = store();
    for (line, error) in [
        (
            "2026-13-01 = \"x\"",
            "`annotations.2026-13-01`: the name of an annotation must be a day, YYYY-MM-DD",
        ),
        ("2026-11-01 = 5", "`annotations.2026-11-01` must be a string or a list of strings, not a number"),
        (
            "2026-11-01 = [\"a\", true]",
            "`annotations.2026-11-01` must be a string or a list of strings, not true or false",
        ),
    ] {
        sandbox.write("wa-store/wa.toml", format!("[annotations]\n2026-11-09 = \"fine\"\n{line}\n"));
        sandbox
            .wa("report trends")
            .exits(2)
            .warns(&format!("line 3: {error}"))
            .warns("hint: write annotations like");
    }
    sandbox.write("wa-store/wa.toml", "annotations = \"x\"\n");
    sandbox
        .wa("report trends")
        .exits(2)
        .warns("line 1: `annotations` must be a table of settings, not a string");
}

#[test]
fn segment_filters_and_breakdown_has_a_row_per_value() {
    let sandbox = store();
    // The sessions from 20:00 on start at 20:00, 21:00, 22:00, 23:00 and 23:30.
    let segments = "[segments]\nlate = [\"started_at>='2026-11-09 20:00'\"]\n\nevening = [\n  \"city=City 2*\",\n  \"started_at>=2026-11-09T20:00\",\n]\nbad = \"city\"\n";
    sandbox.write("wa-store/wa.toml", segments.replace('\'', ""));
    let summary = |flags: &str| {
        let line = format!("report summary --as-of latest --format json {flags}");
        sandbox.wa(&line).json()
    };
    assert_eq!(summary("--segment late")["summary"]["total_sessions"], 5);
    assert_eq!(summary("--segment evening --where city=*4")["summary"]["total_sessions"], 1);
    let by = summary("--segment late --by event.event_name --limit 2");
    assert_eq!(by["summary"]["total_sessions"], 5);
    let groups: Vec<(&str, u64)> = by["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let sessions = group["summary"]["total_sessions"].as_u64().unwrap();
            (group["values"][0].as_str().unwrap(), sessions)
        })
        .collect();
    assert_eq!(groups, [("message_sent", 5), ("error_20", 1), ("(other)", 4)]);
    let csv = sandbox.wa("report summary --as-of latest --segment late --by city --format csv").output();
    assert!(csv.starts_with("city,total_sessions,"), "{csv}");
    assert!(csv.contains("\r\nCity 20,1,"), "{csv}");
    sandbox.wa("report summary --as-of latest --by event.event_name").exits(0).warns("more than the total");
    sandbox.wa("report summary --segment bad").exits(2).warns("line 8: `segments.bad`");
    // `wa events` lists the events of the sessions in the segment.
    let listed = sandbox.wa("events --as-of latest --segment late --format ndjson").output();
    assert_eq!(listed.lines().count(), 10);
}

#[test]
fn matrix_by_value_is_shown_for_three_values_and_the_rest() {
    let sandbox = store();
    // 25 cities with a session each. The last two of them are in the same hour.
    let headings = |flags: &str| -> Vec<String> {
        let table = sandbox.wa(&format!("report heatmap --as-of latest --by city {flags}")).output();
        assert!(table.contains("\nby city\n"), "{table}");
        let lines = table.lines().filter(|line| line.starts_with("City") || line.starts_with("(other)"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(headings(""), ["City 0 · █ 1", "City 1 · █ 1", "City 10 · █ 1", "(other) · ▒ 1  █ 2"]);
    assert_eq!(headings("--limit 1"), ["City 0 · █ 1", "(other) · ▒ 1  █ 2"]);
    assert_eq!(headings("--limit all").len(), 25);
    let all = sandbox.wa("report heatmap --as-of latest --by city --format json").json();
    // In JSON, the default number of groups is that of all other reports.
    assert_eq!(all["groups"].as_array().unwrap().len(), 11);
    let csv = sandbox.wa("report heatmap --as-of latest --by city --limit 2 --format csv").output();
    assert_eq!(csv.lines().count(), 1 + 3 * 168);
    let cohorts = sandbox.wa("report retention --as-of latest --by city --limit 2").output();
    assert_eq!(cohorts.matches("\nCohort ").count(), 3, "{cohorts}");
}

#[test]
fn trends_by_interval_has_a_row_for_every_hour_week_and_month() {
    let sandbox = Sandbox::new();
    sandbox.wa("init --timezone Europe/Berlin").exits(0);
    // At 01:00 UTC on October 25th, clocks went back from 03:00 to 02:00.
    let log: String = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T09:00:00Z"]
        .iter()
        .enumerate()
        .map(|(n, time)| {
            format!(
                "{{\"chatbot_id\":\"shop\",\"session_id\":\"s{n}\",\"anonymous_id\":\"anna\",\
                 \"event_name\":\"message_sent\",\"timestamp\":\"{time}\"}}\n"
            )
        })
        .collect();
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    let trends = |arguments: &str| sandbox.wa(&format!("report trends {arguments}"));
    let hours = trends("--from 2026-10-25 --to 2026-10-25 --interval hour --format csv").output();
    let lines: Vec<&str> = hours.lines().collect();
    assert_eq!(lines.len(), 1 + 25);
    assert_eq!(lines[0], "start,complete,sessions,conversations,messages,conversion_rate,unique_visitors");
    assert_eq!(lines[3], "2026-10-25T02:00:00+02:00,true,1,1,1,100,1");
    assert_eq!(lines[4], "2026-10-25T02:00:00+01:00,true,1,1,1,100,1");
    assert_eq!(lines[5], "2026-10-25T03:00:00+01:00,true,0,0,0,0,0");
    let weeks = trends("--from 2026-10-19 --to 2026-10-28 --interval week --format json").json();
    let row = |start: &str, complete: bool, sessions: u64| {
        json!({"start": start, "complete": complete, "sessions": sessions, "conversations": sessions,
            "messages": sessions, "conversion_rate": 100, "unique_visitors": 1})
    };
    assert_eq!(weeks["trends"], json!([row("2026-10-19", true, 2), row("2026-10-26", false, 1)]));
    let month = "--from 2026-10-01 --to 2026-10-31 --interval month";
    let months = trends(&format!("{month} --format json")).json();
    assert_eq!(months["trends"], json!([row("2026-10-01", true, 3)]));
    let table = trends(month).exits(0);
    assert!(table.stdout.contains("\n2026-10-01  true "), "{table}");
    // Days are the default.
    let days = "--from 2026-10-25 --to 2026-10-26 --format json";
    assert_eq!(trends(days).json(), trends(&format!("{days} --interval day")).json());
    assert_eq!(trends(days).json()["trends"][0]["stat_date"], "2026-10-25");
    trends("--interval week --compare").exits(0).says("compared with");
    trends("--interval year").exits(2).warns("invalid value 'year'");
    // The trends of a group have the same rows.
    let by = trends(&format!("{month} --by chatbot_id --format json")).json();
    assert_eq!(by["groups"][0]["trends"], months["trends"]);
}

#[test]
fn visitor_with_id_after_midnight_is_new_with_every_option() {
    // The session begins on November 8th without an id. Its visitor is first seen on the 9th, when
    // no session begins.
    let sandbox = Sandbox::new().at("2026-11-09T12:00:00Z");
    let event = |ids: &str, time: &str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",{ids}\"event_name\":\"e\",\"city\":\"Rome\",\"timestamp\":\"{time}\"}}\n"
        )
    };
    let log = event("", "2026-11-08T23:50:00Z") + &event("\"anonymous_id\":\"a\",", "2026-11-09T00:10:00Z");
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    for options in ["", "--include-bots", "--where city=Rome"] {
        for days in [7, 30, 90] {
            let command = |kind| format!("report {kind} --days {days} {options} --format json");
            let visitors = &sandbox.wa(&command("visitors")).json()["visitors"];
            let figures =
                ["unique_visitors", "new_visitors", "returning_visitors"].map(|name| &visitors[name]);
            assert_eq!(figures, [1, 1, 0], "{options} {days} {visitors}");
            assert_eq!(
                sandbox.wa(&command("summary")).json()["summary"]["new_visitors"],
                1,
                "{options} {days}"
            );
        }
    }
}
