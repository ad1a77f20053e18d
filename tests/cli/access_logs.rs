//! Access logs: pages without a host, and requests for static resources.

use serde_json::json;

use crate::harness::Sandbox;

#[test]
fn page_without_host_is_its_path() {
    let sandbox = Sandbox::new();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let logs = [
        (
            "nginx.log",
            json!({"remote_addr": "192.0.2.1", "http_user_agent": agent, "msec": 1_794_225_600,
                "request_uri": "/a?utm_source=x", "request_method": "GET"})
            .to_string(),
        ),
        (
            "caddy.log",
            json!({"logger": "http.log.access", "ts": 1_794_225_600, "msg": "handled request", "level": "info",
                "request": {"remote_ip": "192.0.2.1", "method": "GET", "uri": "/a?utm_source=x",
                    "headers": {"User-Agent": [agent]}}})
            .to_string(),
        ),
        (
            "traefik.log",
            json!({"ClientHost": "192.0.2.1", "RequestMethod": "GET", "RequestPath": "/a?utm_source=x",
                "StartUTC": "2026-11-09T12:00:00Z", "request_User-Agent": agent})
            .to_string(),
        ),
        (
            "umami.csv",
            "website_id,visit_id,session_id,event_type,created_at,url_path,url_query\n\
             w,v,s,1,2026-11-09 12:00:00,/a,utm_source=x"
                .to_owned(),
        ),
        (
            "cloudfront.log",
            "#Fields: date time x-edge-location c-ip cs-method cs-uri-stem cs-uri-query cs(User-Agent)\n\
             2026-11-09\t12:00:00\tFRA\t192.0.2.1\tGET\t/a\tutm_source=x\tMozilla/5.0%20(X11)"
                .to_owned(),
        ),
    ];
    for (file, text) in logs {
        sandbox.write(file, text + "\n");
        sandbox.wa(&format!("--store {file}.d ingest --chatbot c {file}")).exits(0);
        let event = sandbox.wa(&format!("--store {file}.d events --format ndjson")).json();
        let found = ["event_name", "page_url", "utm_source"].map(|key| event[key].as_str().unwrap_or(""));
        assert_eq!(found, ["page_view", "/a?utm_source=x", "x"], "{file}");
    }
}

#[test]
fn extension_in_a_query_does_not_make_a_static_resource() {
    let sandbox = Sandbox::new();
    let targets = ["/search?q=a.png", "/login?next=/app.js", "/a.png", "/a.png?v=1", "/app.js"];
    let combined = |target: &str| {
        format!(
            "192.0.2.1 - - [09/Nov/2026:12:00:00 +0000] \"GET {target} HTTP/1.1\" 200 5 \"-\" \"agent\"\n"
        )
    };
    let nginx = |target: &str| {
        let record = json!({"remote_addr": "192.0.2.1", "http_user_agent": "agent", "msec": 1_794_225_600,
            "request_uri": target, "host": "h"});
        format!("{record}\n")
    };
    sandbox.write("apache.log", targets.map(combined).concat());
    sandbox.write("nginx.log", targets.map(nginx).concat());
    for file in ["apache.log", "nginx.log"] {
        sandbox.wa(&format!("--store {file}.d ingest --chatbot c {file}")).exits(0);
        let report = sandbox.wa(&format!("--store {file}.d report events --format json")).json();
        let mut counts: Vec<(&str, u64)> = report["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (event["event_name"].as_str().unwrap(), event["event_count"].as_u64().unwrap()))
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [("asset_requested", 3), ("page_view", 2)], "{file}");
    }
}

#[test]
fn extension_in_any_case_names_a_static_resource() {
    let sandbox = Sandbox::new();
    let targets = ["/img/A.PNG", "/a.JS", "/Fonts/x.Woff2?V=1", "/PNG", "/Page.HTML", "/"];
    let combined = |target: &str| {
        format!(
            "192.0.2.1 - - [09/Nov/2026:12:00:00 +0000] \"GET {target} HTTP/1.1\" 200 5 \"-\" \"agent\"\n"
        )
    };
    let nginx = |target: &str| {
        let record = json!({"remote_addr": "192.0.2.1", "http_user_agent": "agent", "msec": 1_794_225_600,
            "request_uri": target, "request_method": "GET"});
        format!("{record}\n")
    };
    let matomo_example = |target: &str| {
        let record = json!({"ip": "192.0.2.1", "user_agent": "agent", "date": "2026-11-09T12:00:00+00:00",
            "path": target, "host": "h"});
        format!("{record}\n")
    };
    let caddy = |target: &str| {
        let record = json!({"logger": "http.log.access.log0", "ts": 1_794_225_600, "msg": "handled request",
            "level": "info", "request": {"remote_ip": "192.0.2.1", "method": "GET", "uri": target,
                "headers": {"User-Agent": ["agent"]}}});
        format!("{record}\n")
    };
    let traefik = |target: &str| {
        let record = json!({"ClientHost": "192.0.2.1", "RequestMethod": "GET", "RequestPath": target,
            "StartUTC": "2026-11-09T12:00:00Z", "request_User-Agent": "agent"});
        format!("{record}\n")
    };
    let cloudfront = |target: &str| format!("2026-11-09\t12:00:00\tFRA\t192.0.2.1\tGET\t{target}\tagent\n");
    let fields = "#Fields: date time x-edge-location c-ip cs-method cs-uri-stem cs(User-Agent)\n";
    sandbox.write("apache.log", targets.map(combined).concat());
    sandbox.write("nginx.log", targets.map(nginx).concat());
    sandbox.write("matomo_example.log", targets.map(matomo_example).concat());
    sandbox.write("caddy.log", targets.map(caddy).concat());
    sandbox.write("traefik.log", targets.map(traefik).concat());
    sandbox.write("cloudfront.log", fields.to_owned() + &targets.map(cloudfront).concat());
    for name in ["apache", "nginx", "matomo_example", "caddy", "traefik", "cloudfront"] {
        sandbox.wa(&format!("--store {name} ingest --chatbot c {name}.log")).exits(0);
        let events = sandbox.wa(&format!("--store {name} events --format ndjson")).exits(0).stdout();
        let mut pages: Vec<String> = events
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|event| event["event_name"] == "page_view")
            .map(|event| event["page_url"].as_str().unwrap().replace("https://h", ""))
            .collect();
        pages.sort_unstable();
        assert_eq!(
            (pages, events.lines().count()),
            (vec!["/".into(), "/PNG".into(), "/Page.HTML".into()], 6),
            "{name}"
        );
    }
}
