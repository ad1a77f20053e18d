//! Logs for the tests of the dashboard.

use std::fmt::Write as _;

/// A generator of pseudo-random numbers, the same in each run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new() -> Numbers {
        Numbers(7)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const PAGES: [&str; 6] = ["/", "/pricing", "/docs/start?utm_source=newsletter", "/a,b", "/=1+1", "/käse"];
const EVENTS: [&str; 8] = [
    "widget_loaded",
    "widget_opened",
    "message_sent",
    "message_received",
    "feedback_given",
    "widget_error",
    "page_viewed",
    "custom_event",
];

/// Returns a log of several chatbots over the days up to 2026-11-09. Visitors return. Some sessions
/// have no visitor id, and some are bot sessions.
pub fn busy(chatbots: u64, days: u64, sessions: u64) -> String {
    let mut numbers = Numbers::new();
    let mut log = String::new();
    let end = 1_794_268_800u64; // 2026-11-10T00:00:00Z
    for session in 0..sessions {
        // Later chatbots have fewer sessions.
        let chatbot = numbers.below(chatbots).min(numbers.below(chatbots));
        let start = end - 1 - numbers.below(days * 86_400);
        let visitor = numbers.below(sessions / 3 + 1);
        let agent = match numbers.below(10) {
            0 => "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            1..5 => {
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
            }
            _ => {
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/142.0.0.0 Safari/537.36"
            }
        };
        let page = PAGES[numbers.below(PAGES.len() as u64) as usize];
        for step in 0..=numbers.below(7) {
            let name = EVENTS[(step + numbers.below(2)).min(7) as usize];
            let time = (start + step * (1 + numbers.below(300))).min(end - 1);
            let id =
                if session % 9 == 0 { String::new() } else { format!("\"anonymous_id\":\"v{visitor}\",") };
            let _ = writeln!(
                log,
                "{{\"chatbot_id\":\"bot-{chatbot:02}\",\"session_id\":\"s{session}\",{id}\"event_name\":\"{name}\",\
                 \"timestamp\":{time}000,\"page_url\":\"https://site.example{page}\",\"country_code\":\"{}\",\
                 \"user_agent\":\"{agent}\",\"properties\":{{\"rating\":{},\"response_time_ms\":{}}}}}",
                ["DE", "AT", "US", "IN"][numbers.below(4) as usize],
                1 + numbers.below(5),
                numbers.below(9000),
            );
        }
    }
    log
}

/// Strings that are harmful unless they are escaped.
pub const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "\"><svg onload=alert(4)>",
    "' onmouseover='alert(5)",
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "\u{202e}gnp.exe\u{2066}",
    "a\u{1b}]0;title\u{7}\u{0}b",
    "{{ 7 * 7 }}{% raw %}${alert(6)}",
    "=HYPERLINK(\"http://evil.example\")",
    "javascript:alert(7)//\u{2028}\u{feff}",
];

/// Returns a log whose strings are all hostile.
pub fn hostile() -> String {
    let mut log = String::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        for (step, name) in ["widget_loaded", "message_sent", text, "message_received"].iter().enumerate() {
            let event = serde_json::json!({
                "chatbot_id": text,
                "session_id": format!("s{number}"),
                "anonymous_id": text,
                "event_name": name,
                "event_category": if step == 2 { "error" } else { "engagement" },
                "timestamp": format!("2026-11-0{}T12:00:0{step}Z", 1 + number % 9),
                "page_url": format!("https://site.example/{text}?utm_source={text}"),
                "referrer": format!("https://{number}.example/{text}"),
                "user_agent": text,
                "country": text,
                "city": text,
                "properties": {"rating": text, "message": text},
            });
            log.push_str(&event.to_string());
            log.push('\n');
        }
    }
    log
}
