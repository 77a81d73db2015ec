"""
The charsets in which the text fields of a form may come: those in which every byte has one meaning or none.

https://www.rfc-editor.org/rfc/rfc7578#section-4.5, names from https://encoding.spec.whatwg.org/#names-and-labels
"""

from __future__ import annotations

import re

# The field in which a form says what its other parts are in: https://www.rfc-editor.org/rfc/rfc7578#section-4.6
FIELD = "_charset_"

# ASCII is UTF-8.
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii", "ansi-x3.4-1968")
# In all of them ASCII bytes are ASCII. Only these names ever reach Python's search for codecs, which keeps every miss.
_CODEC = re.compile(
    r"iso-8859-(?:[1-9]|1[013-6])|latin-?1|(?:windows-|cp)125[0-8]|koi8-[ru]|macintosh"
    r"|gbk|gb2312|gb18030|big5|shift-jis|euc-jp|euc-kr",
    re.ASCII,
)


def codec(charset: str | None) -> str | None:
    """The codec for a charset's name in lower case, UTF-8 for none; None for a name that is not taken."""
    name = (charset or "").replace("_", "-")
    if name in _UTF8:
        return "utf-8"
    return name if _CODEC.fullmatch(name) else None
