"""Name the secret that a text holds: tokens and keys of providers, private keys, passwords in addresses and settings.

The patterns are those of `detect-secrets` and, for what it does not know, those below. Each has a word that its secrets
contain, so that only texts with that word are searched by the pattern.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

# A token is taken for split where so many line ends, or breaks between quoted pieces, fall into it at most; the words
# of a vocabulary, of which any two may resemble a token, have more.
BREAKS = 3
BREAK = re.compile(r"""["'`]?[\\+, \t]{0,40}(?:\r\n|\r|\n)[+>#* \t]{0,40}["'`]?|["'][,+ \t]{0,40}["']""")


@dataclass(frozen=True)
class _Kind:
    """Describe a kind of secret.

    Attributes:
        name: as a message calls it.
        words: of which, in lower case, a text with such a secret contains one.
        patterns: of it.
        detector: of `detect-secrets`, which confirms a match.
        exact: the pattern tells upper from lower case.
    """

    name: str
    words: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    detector: RegexBasedDetector | None = None


def _known(name: str, words: str, detector: RegexBasedDetector) -> _Kind:
    return _Kind(name, tuple(words.split()), tuple(detector.denylist), detector)


def _own(name: str, words: str, pattern: str, *, exact: bool = False) -> _Kind:
    flags = re.MULTILINE if exact else re.MULTILINE | re.IGNORECASE
    return _Kind(name, tuple(words.split()), (re.compile(pattern, flags),))


# Prefixes are those that the providers document for their keys, as of 2026.
KINDS = (
    _own("a token of Hugging Face", "hf_", r"hf_[a-z0-9]{20,}"),
    _own("a token of Hugging Face's organisations", "api_org_", r"api_org_[a-z0-9]{20,}"),
    _known("a key of AWS", "a3t abia acca akia asia", AWSKeyDetector()),
    _own("a secret of AWS", "key", r"(?:aws|secret|access)\W?.{0,20}?key\W{1,6}[a-z0-9/+]{40}(?![a-z0-9/+])"),
    _known("a private key", "private putty", PrivateKeyDetector()),
    _own("a private key", "private", r"BEGIN [a-z0-9 ]{0,30}PRIVATE KEY"),
    _own("a private key", "putty age-secret", r"PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1[a-z0-9]{50,}"),
    _own("a token of GitHub", "gh github_pat", r"gh[opusr]_[a-z0-9]{36}|github_pat_[a-z0-9_]{40,}"),
    _known("a token of GitLab", "gl gr1348941", GitLabTokenDetector()),
    _own("a token of GitLab", "glpat-", r"glpat-[\w-]{20,}"),
    _own("a key of Google", "aiza ya29. gocspx-", r"AIza[\w-]{35}|ya29\.[\w-]{30,}|GOCSPX-[\w-]{20,}"),
    _known("a token of Slack", "xox hooks.slack", SlackDetector()),
    _own("a token of Slack", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[a-z0-9-]{15,}"),
    _own("a key of OpenAI or Anthropic", "sk-", r"(?<![a-z])sk-(?=[\w-]*\d)(?:proj-|ant-|svcacct-)?[\w-]{32,}"),
    _own("a key of Groq, xAI, Perplexity or Replicate", "gsk_ xai- pplx- r8_", r"(?:gsk_|xai-|pplx-|r8_)[a-z0-9]{35,}"),
    _own("a key of Azure", "accountkey sharedaccesskey", r"(?:Account|SharedAccess)Key\s*[=:]\s*[a-z0-9+/=]{40,}"),
    _own("a secret of Azure", "8q~", r"[\w.~-]{3}8Q~[\w.~-]{31}"),
    _own("a signed address", "sig token= key=", r"[?&](?:sig|x-amz-signature|x-goog-signature|(?:access_|api_?)?"
         r"(?:token|key))=[\w%+/.-]{16,}"),
    _known("a JSON web token", "eyj", JwtTokenDetector()),
    _known("a token of npm", "_authtoken", NpmDetector()),
    _own("a token of npm", "npm_", r"npm_[a-z0-9]{36}"),
    _own("a token of PyPI", "pypi-age", r"pypi-AgE[\w-]{50,}"),
    _own("a token of RubyGems or Docker", "rubygems_ dckr_", r"rubygems_[a-f0-9]{48}|dckr_[po]at_[\w-]{20,}"),
    _known("a key of SendGrid", "sg.", SendGridDetector()),
    _known("a secret of Square", "sq0csp-", SquareOAuthDetector()),
    _own("a token of Square", "sq0atp-", r"sq0atp-[\w-]{22}"),
    _known("a key of Twilio", "ac sk", TwilioKeyDetector()),
    _known("a key of Mailchimp", "-us", MailchimpDetector()),
    _own("a key of Mailgun", "key-", r"(?<![a-z])key-[0-9a-f]{32}"),
    _own("a key of Stripe", "_live_ _test_ whsec_", r"[srp]k_(?:live|test)_[a-z0-9]{20,}|whsec_[a-z0-9+/]{30,}"),
    _known("a token of Discord", "m n o", DiscordBotTokenDetector()),
    _own("a webhook", "webhook hooks.", r"(?:discord(?:app)?\.com/api/webhooks/\d+|hooks\.slack\.com/(?:services|"
         r"workflows)|webhook\.office\.com/\w+)/[\w/-]{20,}"),
    _own("a token of Telegram", ":aa", r"\d{8,10}:AA[\w-]{33}"),
    _own("a token of Mapbox", ".eyj", r"(?<![a-z])[st]k\.eyJ[\w-]{20,}"),
    _own("a key of Planet", "plak", r"PLAK[0-9a-f]{32}"),
    _own("a token of Databricks", "dapi", r"dapi[0-9a-f]{32}"),
    _own("a token of DigitalOcean", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _own("a token of Shopify", "shp", r"shp(?:at|ca|pa|ss)_[a-f0-9]{32}"),
    _own("a token of Vault or Terraform", "hv atlasv1", r"hv[sbr]\.[\w-]{24,}|[a-z0-9]{14}\.atlasv1\.[\w-]{50,}"),
    _own("a token of Linear, Notion, Postman or Airtable", "lin_api_ ntn_ pmak- pat",
         r"lin_api_[a-z0-9]{30,}|ntn_[a-z0-9]{40,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pat[a-z0-9]{14}\.[a-f0-9]{64}"),
    _own("a token of Grafana, New Relic or Sentry", "glsa_ glc_ nrak- sntry",
         r"gl(?:sa|c)_[a-z0-9+/_=]{32,}|NRAK-[a-z0-9]{27}|sntry[su]_[\w+/=-]{40,}"),
    _own("a token of Figma, Supabase, Netlify or Doppler", "figd_ sbp_ nfp_ dp.pt.",
         r"figd_[\w-]{30,}|sbp_[a-f0-9]{40}|nfp_[a-z0-9]{36,}|dp\.pt\.[a-z0-9]{40,}"),
    _own("a token of Facebook", "eaa", r"EAA(?!\w*AAAA)[A-Za-z0-9]{80,}", exact=True),
    _own("a key of Alibaba or Tencent", "ltai akid", r"(?:LTAI[A-Za-z0-9]{20}|AKID[A-Za-z0-9]{32})", exact=True),
    _own("a key of Weights & Biases", "wandb", r"wandb\W?.{0,12}?key\W{1,6}[0-9a-f]{40}|wandb_v1_[\w-]{40,}"),
    _own("a key of Kaggle", "username", r"\"username\"\s*:\s*\"[^\"]+\"\s*,\s*\"key\"\s*:\s*\"[0-9a-f]{32}\""),
    _known("a key of Cloudant", "cloudant", CloudantDetector()),
    _own("a password in an address", "://",
         r"[a-z][a-z0-9+.-]*://(?![^\s/@]*[{$])[^\s/@:\"'`]*:[^\s/\"'`]*@[\w\[]"),
    _own("a token in an address", "://", r"[a-z][a-z0-9+.-]*://(?=[^\s/@:]*\d)[\w-]{20,}@\w"),
    _own("a password of .netrc", "machine", r"machine\s+\S+\s+login\s+\S+\s+password\s+\S+"),
    _own("a token of a request", "bearer basic", r"\b(?:bearer|basic)\s+(?=[\w.~+/-]*\d)[\w.~+/-]{20,}"),
)  # fmt: skip
SETTING = re.compile(
    r"(?P<name>password|passwd|passphrase|pwd|secret|credentials?|(?:api|access|account|auth|client|private|encryption|"
    r"signing|session|subscription|storage)[_\- ]?key|(?:api|auth|access|refresh|bearer|hf|hub|github|gitlab|session)"
    r"[_\- ]?token)[a-z0-9_-]{0,16}[\"'`\\]{0,2}[ \t]*(?::=|=>|==?|:)[ \t]*"
    r"(?:\\?(?P<quote>[\"'`])(?P<quoted>[^\s\"'`\\]{4,200})\\?(?P=quote)|(?P<bare>[^\s\"'`<>{}()\[\],;&]{8,200})(?=[\s,;&]|$))",
    re.IGNORECASE | re.MULTILINE,
)
# What stands where a password would.
PLACEHOLDER = re.compile(
    r"[<{$%*\[(.].*|(?:your|my|the|some|example|insert|change)[_-]?.*|x{3,}|none|null|true|false|password|secret|token|"
    r"(?:os|env|self|args|https?:)[./].*|.*[(\[{].*",
    re.IGNORECASE,
)


def find_secret(text: str) -> str | None:
    """Name the kind of secret that a text holds, if any; a token may be split over some lines or quoted pieces."""
    if kind := _find(text) or ("a password or key" if any(map(_is_value, SETTING.finditer(text))) else None):
        return kind
    return _find_split(text)


def _find(text: str) -> str | None:
    return next((kind.name for kind, _ in _matches(text)), None)


def _find_split(text: str) -> str | None:
    """Search the text once more without its breaks, for what stretches over few of them."""
    removed, ends, pieces = 0, [], []
    last = 0
    for match in BREAK.finditer(text):
        pieces.append(text[last : match.start()])
        ends.append(match.start() - removed)
        removed += match.end() - match.start()
        last = match.end()
    if not ends:
        return None
    joined = "".join([*pieces, text[last:]])
    for kind, match in _matches(joined):
        breaks = bisect_left(ends, match.end()) - bisect_right(ends, match.start())
        if 1 <= breaks <= BREAKS and _is_random(match[0]):
            return kind.name
    return None


def _matches(text: str) -> Iterator[tuple[_Kind, re.Match[str]]]:
    lowered = text.lower()
    for kind in KINDS:
        if not any(word in lowered for word in kind.words):
            continue
        for pattern in kind.patterns:
            for match in pattern.finditer(text):
                if kind.detector is None or any(kind.detector.analyze_string(match[0])):
                    yield kind, match


def _is_random(token: str) -> bool:
    """Tell a token from words that happen to follow each other: many digits, or some and letters of both cases."""
    digits = sum(character.isdigit() for character in token)
    return "PRIVATE" in token.upper() or "://" in token or (digits >= 2 and token.lower() != token) or digits >= 6


def _is_value(match: re.Match[str]) -> bool:
    """Tell a password from a placeholder, an expression or a word of a sentence."""
    quoted, bare = match["quoted"], match["bare"]
    value = quoted or bare
    if PLACEHOLDER.fullmatch(value):
        return False
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    if quoted is not None and match["name"].lower().startswith(("passw", "pwd", "passphrase")):
        return True
    return mixed and len(value) >= 8
