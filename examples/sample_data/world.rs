//! Devices, locations, referrers and campaigns of visitors. IP addresses are from the blocks that
//! are reserved for documentation; people and domains are fictional.

use super::rng::Rng;

/// A device with its browser.
pub struct Device {
    pub agent: &'static str,
    pub width: i64,
    pub height: i64,
}

const fn device(agent: &'static str, width: i64, height: i64) -> Device {
    Device { agent, width, height }
}

/// Devices of people, by weight.
pub static DEVICES: &[(u64, Device)] = &[
    (22, device("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", 1920, 1080)),
    (7, device("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", 1536, 864)),
    (4, device("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", 1920, 1200)),
    (9, device("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", 1440, 900)),
    (5, device("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", 1728, 1117)),
    (3, device("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", 2560, 1440)),
    (2, device("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", 1366, 768)),
    (2, device("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0", 1920, 1080)),
    (18, device("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", 393, 852)),
    (14, device("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36", 412, 915)),
    (5, device("Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", 360, 780)),
    (2, device("Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", 412, 892)),
    (4, device("Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1", 820, 1180)),
    (2, device("Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", 800, 1280)),
];

/// Bots, by weight.
pub static BOTS: &[(u64, Device)] = &[
    (4, device("Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 412, 732)),
    (2, device("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/136.0.0.0 Safari/537.36", 1024, 768)),
    (2, device("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", 1024, 768)),
    (1, device("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", 1024, 768)),
];

/// Country and city, by weight.
pub static LOCATIONS: &[(u64, (&str, &str))] = &[
    (30, ("DE", "Berlin")),
    (12, ("DE", "Hamburg")),
    (8, ("DE", "Köln")),
    (9, ("AT", "Wien")),
    (7, ("CH", "Zürich")),
    (8, ("GB", "London")),
    (6, ("FR", "Paris")),
    (5, ("US", "New York")),
    (3, ("PL", "Łódź")),
    (2, ("JP", "東京")),
];

/// The traffic source of a visit.
#[derive(Clone, Default)]
pub struct Source {
    pub referrer: Option<&'static str>,
    pub utm_source: Option<&'static str>,
    pub utm_medium: Option<&'static str>,
    pub utm_campaign: Option<&'static str>,
    /// The query string of the landing page.
    pub query: Option<&'static str>,
}

impl Source {
    const fn referrer(referrer: &'static str) -> Source {
        Source { referrer: Some(referrer), utm_source: None, utm_medium: None, utm_campaign: None, query: None }
    }

    /// Returns whether visits from this source seldom open the widget.
    pub fn is_failing(&self) -> bool {
        self.utm_source == Some("instagram")
    }

    const fn query(query: &'static str) -> Source {
        Source { referrer: None, utm_source: None, utm_medium: None, utm_campaign: None, query: Some(query) }
    }

    const fn campaign(source: &'static str, medium: &'static str, campaign: &'static str) -> Source {
        Source {
            referrer: None,
            utm_source: Some(source),
            utm_medium: Some(medium),
            utm_campaign: Some(campaign),
            query: None,
        }
    }
}

/// Traffic sources, by weight.
pub static SOURCES: &[(u64, Source)] = &[
    (30, Source { referrer: None, utm_source: None, utm_medium: None, utm_campaign: None, query: None }),
    (22, Source::referrer("https://www.google.com/")),
    (4, Source::referrer("https://www.bing.com/search?q=beans")),
    (3, Source::referrer("https://duckduckgo.com/")),
    (5, Source::referrer("https://www.instagram.com/")),
    (3, Source::referrer("https://l.facebook.com/l.php?u=x")),
    (2, Source::referrer("android-app://com.linkedin.android/")),
    (4, Source::referrer("https://chatgpt.com/")),
    (2, Source::referrer("https://www.perplexity.ai/search")),
    (3, Source::referrer("https://news.ycombinator.com/item?id=1")),
    (2, Source::referrer("https://beans-and-books.example/best-cafes")),
    (2, Source::referrer("https://blog.beans-and-books.example/autumn")),
    (8, Source::campaign("newsletter", "email", "autumn_blend")),
    (5, Source::campaign("google", "cpc", "winter_sale")),
    (8, Source::campaign("instagram", "paid_social", "winter_sale")),
    (3, Source::query("utm_source=partner&utm_medium=referral&utm_campaign=gift%20guide")),
    (3, Source::query("utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=Cj0KCQjw")),
    (1, Source::query("fbclid=IwAR0abc")),
];

/// An identified person.
pub struct Person {
    pub id: String,
    pub email: String,
    pub name: String,
    pub plan: &'static str,
}

static NAMES: &[(u64, &str)] = &[
    (1, "Ada"),
    (1, "Björn"),
    (1, "Chloé"),
    (1, "Dmitri"),
    (1, "Emre"),
    (1, "Frieda"),
    (1, "Grace"),
    (1, "Hana"),
    (1, "Ines"),
    (1, "Jún"),
];

/// Returns the person with a number.
pub fn person(number: usize, rng: &mut Rng) -> Person {
    let name = rng.pick(NAMES);
    let plan = rng.pick(&[(5, "free"), (3, "team"), (2, "pro")]);
    Person {
        id: format!("user_{number}"),
        email: format!("user{number}@example.com"),
        name: format!("{name} Sample"),
        plan,
    }
}

/// Returns an IP address; one in five is IPv6.
pub fn ip_address(rng: &mut Rng) -> String {
    if rng.chance(20) {
        return format!("2001:db8:{:x}::{:x}", rng.below(0xffff), 1 + rng.below(0xfffe));
    }
    let block = rng.pick(&[(1, "192.0.2"), (1, "198.51.100"), (1, "203.0.113")]);
    format!("{block}.{}", rng.from(1, 254))
}
