"""List words that would act where they are written: on terminals, in spreadsheets, pages, pictures and metadata."""

NASTY = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+5+5",
    "-12-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "${7*7}",
    "$x^2$",
    "$\\frac{a}{$",
    "a $ b $ c",
    "\\$",
    "_hidden",
    "| a | b |",
    "[a](http://example.org)",
    "`rm`",
    "# heading",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "back\x08\x08space",
    "null\x00byte",
    "first\nsecond",
    "\u202egnp.exe",
    "\u2066isolated",
    "&amp; & &#60;",
    "]]>",
    "<!--",
    "../../etc/passwd",
    "100%s %n {0}",
    "é ü 水",
)
# What no output may hold as it is: terminals and readers would act on it.
ACTING = ("\x1b", "\x9b", "\x07", "\x08", "\x00", "\u202e", "\u2066")
# Beginnings by which a spreadsheet takes a cell for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
