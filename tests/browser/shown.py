"""Formats numbers from JSON as the page does."""


def number(value):
    """Formats a count; null becomes a dash."""
    return "–" if value is None else f"{value:,}"


def percent(value):
    """Formats a percentage with two decimals."""
    return "–" if value is None else f"{value:,.2f}%"


def duration(seconds):
    """Formats whole seconds."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    return f"{seconds // 3600}h {seconds // 60 % 60:02}m"


def shown(millis):
    """Formats milliseconds."""
    if millis is None:
        return "–"
    return f"{millis:,} ms" if millis < 10_000 else duration((millis + 500) // 1000)
