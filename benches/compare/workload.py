"""Generates logs of chat widgets: NDJSON, one file per day, the same bytes for the same arguments.

    python3 workload.py FOLDER [--events 1500000] [--days 30] [--seed 1] [--last-day N]

The logs have the properties of real logs: returning visitors; sessions with pauses of more than 30
minutes (some of exactly 30 minutes, some of a millisecond more), sessions past midnight or with an
old session id; lines slightly out of order, lines that arrive hours late in the next day's file, and
duplicate lines; several chatbots, campaigns, bots, and a few hundred user agents. At most about two
days are in memory.
"""

import argparse
import json
import random
import shutil
from datetime import date, timedelta
from pathlib import Path

VERSION = 1
"""Must change when the same arguments generate other bytes."""

FIRST_DAY = date(2026, 1, 1)
DAY = 86_400_000
"""Milliseconds per day."""
TIMEOUT = 1_800_000
"""The session timeout in milliseconds."""
REMEMBERED = 100_000
"""The maximum number of visitors that can return, which bounds memory."""

CHATBOTS = 6
RETURNING, SAME_SESSION = 0.4, 0.08
PAUSES, EXACT_PAUSES = 0.01, 0.0005
LATE, TWICE, LOGGED_IN = 0.003, 0.006, 0.03

PATHS = ["/", "/", "/", "/menu", "/menu/filter-coffee", "/prices", "/about", "/shop/beans", "/shop/grinders",
         "/help/delivery", "/help/returns", "/journal/how-we-choose-our-farms", "/cart", "/account"]
SCREENS = [(1920, 1080), (2560, 1440), (1536, 864), (393, 873), (412, 915), (820, 1180)]
SOURCES = [  # referrer, utm_source, utm_medium, utm_campaign
    (None, None, None, None), (None, None, None, None), ("https://www.google.com/", None, None, None),
    ("https://www.google.com/", "google", "cpc", "spring beans"), ("https://duckduckgo.com/", None, None, None),
    ("https://l.instagram.com/", "instagram", "social", "barista-class"),
    ("https://www.reddit.com/r/coffee/comments/1a2b3c", None, None, None),
    (None, "newsletter", "email", "week-12"), ("https://partner.example.org/friends", None, None, None),
]
OTHER_EVENTS = [  # name, category, properties
    ("widget_minimized", "engagement", '{"source":"header"}'), ("widget_opened", "engagement", '{"triggered_by":"button"}'),
    ("page_viewed", "engagement", "{}"), ("page_viewed", "engagement", "{}"),
    ("pre_chat_form_submitted", "conversion", '{"fields":3}'),
    ("quick_reply_clicked", "engagement", '{"label":"Opening hours"}'),
    ("rating_given", "feedback", '{"rating":5}'), ("widget_error", "error", '{"code":502,"message":"upstream timed out"}'),
]


def user_agents():
    """Returns the user agents of people and of bots."""
    chrome = [f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 {tail}"
              for v in range(134, 143)
              for system, tail in [
                  ("Windows NT 10.0; Win64; x64", "Safari/537.36"),
                  ("Macintosh; Intel Mac OS X 10_15_7", "Safari/537.36"),
                  ("X11; Linux x86_64", "Safari/537.36"),
                  ("Linux; Android 10; K", "Mobile Safari/537.36"),
                  ("Windows NT 10.0; Win64; x64", f"Safari/537.36 Edg/{v}.0.0.0")]]
    safari = [f"Mozilla/5.0 ({device} {v.replace('.', '_')} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
              f"Version/{v} Mobile/15E148 Safari/604.1"
              for v in ("17.5", "17.6", "18.0", "18.1", "18.3") for device in ("iPhone; CPU iPhone OS", "iPad; CPU OS")]
    firefox = [f"Mozilla/5.0 ({system}; rv:{v}.0) Gecko/20100101 Firefox/{v}.0"
               for v in range(136, 145) for system in ("Windows NT 10.0; Win64; x64", "X11; Linux x86_64")]
    samsung = [f"Mozilla/5.0 (Linux; Android {a}; {model}) AppleWebKit/537.36 (KHTML, like Gecko) "
               f"SamsungBrowser/{v}.0 Chrome/{95 + v}.0.0.0 {'' if model == 'SM-T870' else 'Mobile '}Safari/537.36"
               for a in (12, 13, 14) for model in ("SM-S901B", "SM-A536B", "SM-G780G", "SM-T870") for v in (24, 26, 27)]
    bots = ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
              "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"]
    return chrome * 2 + safari * 6 + firefox + samsung, bots


class Maker:
    """Generates visits, and keeps the lines that are not written yet."""

    def __init__(self, seed, days):
        self.random = random.Random(seed)
        self.days = days
        self.dates = [(FIRST_DAY + timedelta(days=d)).isoformat() for d in range(days + 2)]
        self.pending = [[] for _ in range(days)]
        self.agents, self.bots = user_agents()
        self.chatbots = [self.uuid() for _ in range(CHATBOTS)]
        self.visitors = []

    def pick(self, items):
        """Returns a random item."""
        return items[int(self.random.random() * len(items))]

    def uuid(self):
        """Returns a random version 4 UUID."""
        h = f"{self.random.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"

    def stamp(self, at):
        """Formats a time, given in milliseconds since the first day."""
        day, rest = divmod(at, DAY)
        seconds, millis = divmod(rest, 1000)
        return f"{self.date(day)}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{millis:03d}Z"

    def date(self, day):
        """Formats a day, given by its number."""
        if 0 <= day < len(self.dates):
            return self.dates[day]
        return (FIRST_DAY + timedelta(days=day)).isoformat()

    def visitor(self):
        """Returns a returning or new visitor, as a dict of its properties."""
        chance = self.random.random()
        if self.visitors and chance < RETURNING:
            return self.pick(self.visitors)
        new = {
            "anonymous_id": f"a_{self.random.getrandbits(72):018x}",
            "chatbot": int(self.random.random() ** 2 * CHATBOTS),
            "user_agent": self.pick(self.bots if chance > 0.99 else self.agents),
            "ip": f"{11 + int(self.random.random() * 180)}.{self.random.getrandbits(8)}."
                  f"{self.random.getrandbits(8)}.{1 + int(self.random.random() * 254)}",
            "screen": self.pick(SCREENS),
            "session": None,
        }
        if len(self.visitors) < REMEMBERED:
            self.visitors.append(new)
        else:
            self.visitors[int(self.random.random() * REMEMBERED)] = new
        return new

    def names(self):
        """Yields the events of a visit: name, category, properties, milliseconds since the previous event."""
        chance, exp = self.random.random, self.random.expovariate
        yield "widget_loaded", "system", f'{{"load_time_ms":{int(self.random.lognormvariate(5.6, 0.5))}}}', 0
        talks = chance() < 0.45
        if talks:
            yield "widget_opened", "engagement", '{"triggered_by":"bubble"}', int(exp(1 / 9000))
        for _ in range(int(exp(1 / 4.4))):
            if talks and chance() < 0.7:
                yield "message_sent", "engagement", f'{{"message_length":{3 + int(exp(1 / 60))}}}', int(exp(1 / 25000))
                took = int(self.random.lognormvariate(7.1, 0.6))
                text = 20 + int(exp(1 / 300))
                yield ("message_received", "engagement",
                       f'{{"response_time_ms":{took},"message_length":{text}}}', took)
            else:
                yield *self.pick(OTHER_EVENTS), int(exp(1 / 30000))

    def pause(self):
        """Returns the pause before the next event in milliseconds, mostly 0."""
        chance = self.random.random()
        if chance < EXACT_PAUSES:
            return TIMEOUT + int(chance / EXACT_PAUSES * 2)
        return int((31 + self.random.random() * 90) * 60_000) if chance < PAUSES else 0

    def start(self, day):
        """Returns the start of a visit: mostly during the day, sometimes at night."""
        hour = 14 + self.random.normalvariate(0, 4.5) if self.random.random() < 0.9 else 24 * self.random.random()
        return day * DAY + int(hour % 24 * 3_600_000)

    def visit(self, day, limit):
        """Generates a visit with at most `limit` events. Returns their number."""
        who = self.visitor()
        if who["session"] is None or self.random.random() > SAME_SESSION:
            who["session"] = f"s_{self.random.getrandbits(80):020x}"
        source = self.pick(SOURCES)
        path = self.pick(PATHS)
        head, first, rest = texts(self.chatbots[who["chatbot"]], who, source, path)
        if self.random.random() < LOGGED_IN:
            rest += f',"user_id":"u{who["anonymous_id"][2:9]}"'
        at, count = self.start(day), 0
        for name, category, properties, after in self.names():
            if count == limit:
                break
            if count and after:
                # A pause of exactly the timeout must be the whole gap, so nothing is added to it.
                paused = self.pause()
                at += paused if paused in (TIMEOUT, TIMEOUT + 1) else after + paused
            stamp = self.stamp(at)
            line = (f'{{"id":"{self.uuid()}",{head},"event_name":"{name}","event_category":"{category}",'
                    f'"properties":{properties},"timestamp":"{stamp}","client_timestamp":"{self.stamp(at - 180)}"'
                    f'{rest if count else first}}}')
            self.send(at, line)
            count += 1
        return count

    def send(self, at, line):
        """Adds a line to the file of its day of arrival. Some lines arrive late, and some twice."""
        arrival = at + int(self.random.random() * 3000)
        chance = self.random.random()
        if chance < LATE:
            arrival += int(self.random.random() * DAY / 2)
        self.put(arrival, line)
        if chance > 1 - TWICE:
            self.put(arrival + int(self.random.random() * 3_600_000), line)

    def put(self, arrival, line):
        """Stores a line until its file is written. Lines after the last day go to the last file."""
        self.pending[min(arrival // DAY, self.days - 1)].append((arrival, line))

    def take(self, day):
        """Removes and returns the lines of a day, in order of arrival."""
        lines, self.pending[day] = self.pending[day], []
        lines.sort(key=lambda pair: pair[0])
        return [line for _, line in lines]


def texts(chatbot, who, source, path):
    """Returns the common parts of a visit's lines: the head, the tail of the first line, the tail of all others."""
    referrer, *campaign = source
    page = f"https://www.harbor-coffee.example{path}"
    utm = [(key, value) for key, value in zip(("utm_source", "utm_medium", "utm_campaign"), campaign) if value]
    if utm:
        page += "?" + "&".join(f"{key}={value.replace(' ', '%20')}" for key, value in utm)
    head = (f'"chatbot_id":"{chatbot}","session_id":"{who["session"]}","anonymous_id":"{who["anonymous_id"]}",'
            f'"page_url":"{page}","page_title":"Harbor Coffee {path}"')
    rest = f',"user_agent":"{who["user_agent"]}","ip_address":"{who["ip"]}"'
    rest += "".join(f',"{key}":"{value}"' for key, value in utm)
    width, height = who["screen"]
    first = rest + f',"screen_width":{width},"screen_height":{height},"landing_page":"{path}"'
    first += f',"referrer":"{referrer}"' if referrer else ""
    return head, first, rest


def volumes(events, days, last_day=None):
    """Returns the number of events per day; `last_day` adds one more day."""
    even = [events * (day + 1) // days - events * day // days for day in range(days)]
    return even + ([last_day] if last_day else [])


def make(folder, sizes, seed):
    """Writes one file per size, and a description. An interrupted run leaves no complete workload."""
    folder = Path(folder)
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    maker = Maker(seed, len(sizes))
    written = 0
    for day, size in enumerate(sizes):
        left = size
        while left:
            left -= maker.visit(day, left)
        text = "".join(line + "\n" for line in maker.take(day)).encode()
        written += len(text)
        (unfinished / f"widget-{maker.date(day)}.ndjson").write_bytes(text)
    about = {"version": VERSION, "sizes": sizes, "seed": seed, "events": sum(sizes), "bytes": written,
             "end": maker.date(len(sizes) + 1) + "T00:00:00Z"}
    # `wa ingest` ignores a file with this name.
    (unfinished / "about.txt").write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return about


def main():
    """Parses the arguments and writes the logs."""
    parser = argparse.ArgumentParser(description="Generates logs of chat widgets.")
    parser.add_argument("folder")
    parser.add_argument("--events", type=int, default=1_500_000, help="distinct events [1500000]")
    parser.add_argument("--days", type=int, default=30, help="files, one per day [30]")
    parser.add_argument("--seed", type=int, default=1, help="seed [1]")
    parser.add_argument("--last-day", type=int, help="events of one additional day")
    given = parser.parse_args()
    print(json.dumps(make(given.folder, volumes(given.events, given.days, given.last_day), given.seed) | {"sizes": None}))


if __name__ == "__main__":
    main()
