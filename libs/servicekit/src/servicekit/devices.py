"""A device in words, from the user agent: "Firefox on Windows". Only for people to read, never for a decision."""

_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"),
             ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"))  # fmt: skip
_SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("CrOS", "ChromeOS"),
            ("Linux", "Linux"))  # fmt: skip


_ON = " on "


def in_words(user_agent: str | None) -> str | None:
    """None where nothing is known of it."""
    if not user_agent:
        return None
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser and system:
        return f"{browser}{_ON}{system}"
    return browser or system


def parts(words: str) -> tuple[str, str] | None:
    """Browser and system of what `in_words` said, for who says it in another language; None where it names one alone."""
    browser, on, system = words.partition(_ON)
    return (browser, system) if on and browser in dict(_BROWSERS).values() and system in dict(_SYSTEMS).values() else None
