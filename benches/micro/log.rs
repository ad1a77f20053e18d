//! A generated log with lines of about 600 bytes, as a chat widget writes them.

use wa::enrich::Enricher;
use wa::event::Block;
use wa::ingest::{ParseOptions, RawBlock};
use wa::settings::IpPolicy;
use wa::time::Micros;

/// The current time: the midnight that ends the day of the log.
pub const NOW: Micros = 1_792_540_800_000_000; // 2026-10-21T00:00:00Z

const NAMES: [&str; 5] =
    ["widget_loaded", "widget_opened", "message_sent", "message_received", "button_clicked"];

/// A pseudo-random number generator with a fixed seed.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 20
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Returns the lines of `visits` visits of one day, in time order, with 1 to 14 events each. One
/// pause in fifty exceeds the session timeout.
pub fn lines(visits: u64) -> Vec<String> {
    let mut rng = Rng(1);
    let mut lines = Vec::new();
    for visit in 0..visits {
        let mut at = rng.below(50_000_000);
        for number in 0..1 + rng.below(14) {
            if number > 0 {
                at += if rng.below(50) == 0 { 2_000_000 } else { rng.below(60_000) };
            }
            let name = NAMES[if number == 0 { 0 } else { rng.below(5) as usize }];
            lines.push((at, line(&mut rng, visit, name, at)));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Writes an event; `at` is in milliseconds since the start of the day.
fn line(rng: &mut Rng, visit: u64, name: &str, at: u64) -> String {
    let time =
        format!("{:02}:{:02}:{:02}.{:03}Z", at / 3_600_000, at / 60_000 % 60, at / 1000 % 60, at % 1000);
    format!(
        "{{\"id\":\"{:08x}-0000-4000-8000-{:012x}\",\"chatbot_id\":\"cd613e30-d8f1-4adf-91b7-584a2265b1f5\",\
         \"session_id\":\"s_{visit:020x}\",\"anonymous_id\":\"v_{:016x}\",\"event_name\":\"{name}\",\
         \"event_category\":\"engagement\",\"properties\":{{\"response_time_ms\":{},\"button_text\":\"Send\"}},\
         \"page_url\":\"https://shop.example.com/docs/start?utm_source=google&utm_medium=cpc\",\
         \"page_title\":\"Shop /docs/start\",\"timestamp\":\"2026-10-20T{time}\",\
         \"client_timestamp\":\"2026-10-20T{time}\",\"user_agent\":\"Mozilla/5.0 (Linux; Android 12; \
         SM-S911U) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.{}.0 Mobile \
         Safari/537.36\",\"ip_address\":\"121.242.{}.{}\",\"utm_source\":\"google\",\"utm_medium\":\"cpc\",\
         \"utm_campaign\":\"winter_sale\"}}\n",
        rng.next() as u32,
        rng.next() & 0xffff_ffff,
        visit * 3 / 5,
        rng.below(3000),
        visit % 40,
        visit % 250,
        visit / 250 % 250,
    )
}

/// Returns a block of whole lines of about `bytes` bytes.
pub fn block(bytes: usize) -> RawBlock {
    let mut text = String::with_capacity(bytes + 1000);
    for line in lines(bytes as u64 / 2000).iter().cycle() {
        if text.len() >= bytes {
            break;
        }
        text.push_str(line);
    }
    let (first_line, end) = (1, text.len() as u64);
    RawBlock { bytes: text.into_bytes(), first_line, end, ..RawBlock::default() }
}

/// Copies a block, because parsing consumes it.
pub fn copy(block: &RawBlock) -> RawBlock {
    let RawBlock { bytes, first_line, end, .. } = block;
    RawBlock { bytes: bytes.clone(), first_line: *first_line, end: *end, ..RawBlock::default() }
}

/// Returns the parse options of all benchmarks.
pub fn options() -> ParseOptions {
    ParseOptions { timezone: None, chatbot: None, now: NOW, ip: IpPolicy::Keep, visitor_key: [7; 32] }
}

/// Parses `visits` visits into one block.
///
/// # Panics
/// Panics if a line is rejected, because it would not be measured.
pub fn parsed(visits: u64) -> Block {
    let bytes = lines(visits).concat().into_bytes();
    let end = bytes.len() as u64;
    let raw = RawBlock { bytes, first_line: 1, end, ..RawBlock::default() };
    let parsed = wa::ingest::parse(raw, &options(), &Enricher::new(None).expect("an enricher"));
    assert!(parsed.rejected.is_empty(), "a generated line was rejected");
    parsed.block
}
