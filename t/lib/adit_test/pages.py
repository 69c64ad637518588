"""The blocks of code of a page in Markdown, and what is to be done with each.

A block is fenced (```sh) or indented by four blanks. A comment of HTML before it says what it is:

    <!-- stays -->            its last command goes on until the page ends: it is ready when adit is
    <!-- lines -->            each line is a command of its own, which ends well or is ready
    <!-- on NAME -->          it runs on the machines over there
    <!-- status N -->         it ends with that status
    <!-- shown -->            each line is in what the block before has printed; ... is any text
    <!-- file: PATH -->       it is the content of a file
    <!-- not run: REASON -->  it cannot run in a test

What only the test needs is a script in a comment of its own: `<!-- prepare`, its lines, `-->`.
Without a comment, a block of sh, or an indented one, is a script that ends with 0. Any other block needs a
comment. `<!-- needs: WORDS -->` stands alone and names servers that the page wants.
"""

import re

from .checks import Failed

FENCE = re.compile(r"^```(\w*)$")
COMMENT = re.compile(r"^<!-- (.*) -->$")
KINDS = ("stays", "lines", "on", "status", "shown", "file:", "not")


class Block:
    """One block: `text`, the line of the page that it begins at, and its comment's words."""

    def __init__(self, page, line, language, text, comment):
        self.page, self.line, self.language, self.text = page, line, language, text
        self.kind, _, self.words = (comment or "").partition(" ")
        if not comment and language not in ("sh", ""):
            raise Failed(f"{self.place()}: a block of {language or 'text'} without a comment that"
                         " says what it is")
        if comment and (self.kind not in KINDS or self.kind == "not" and not self.reason()):
            raise Failed(f"{self.place()}: no such comment: {comment}")

    def place(self):
        return f"{self.page}:{self.line}"

    def reason(self):
        """Why it is not run; None: it is."""
        found = re.match(r"run: (.+)", self.words) if self.kind == "not" else None
        return found and found[1]


def needs(text):
    """The servers that the page wants."""
    return {word for found in re.findall(r"<!-- needs: (.*) -->", text) for word in found.split()}


def _indented(lines, at):
    """The lines of an indented block that begins at an index; those behind it."""
    end = at
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return [line[4:] for line in lines[at:end]], end


def _fenced(page, lines, at):
    for end in range(at + 1, len(lines)):
        if lines[end] == "```":
            return lines[at + 1:end], end + 1
    raise Failed(f"{page}:{at + 1}: a block without an end")


def blocks(page, text):
    """All blocks of a page, in order."""
    found, comment, at = [], None, 0
    lines = text.splitlines()
    before = ""  # the last line that is not empty: a paragraph of a list has blanks too
    while at < len(lines):
        line = lines[at]
        if line == "<!-- prepare":
            end = lines.index("-->", at)
            found.append(Block(page, at + 1, "sh", "\n".join(lines[at + 1:end]) + "\n", None))
            at = end + 1
            continue
        fence = FENCE.match(line)
        if fence or (line.startswith("    ") and not re.match(r"[-*] |  +\S", before)):
            content, end = _fenced(page, lines, at) if fence else _indented(lines, at)
            found.append(Block(page, at + 1, fence[1] if fence else "", "\n".join(content) + "\n",
                               comment))
            comment, at = None, end
            before = ""
            continue
        if (said := COMMENT.match(line)) and not said[1].startswith("needs:"):
            if comment:
                raise Failed(f"{page}:{at + 1}: the comment before it has no block")
            comment = said[1]
        elif line.strip():
            if comment:
                raise Failed(f"{page}:{at + 1}: the comment before it has no block")
            before = line
        at += 1
    if comment:
        raise Failed(f"{page}: the last comment has no block")
    return found


def commands(text):
    """The commands of a block, one each: lines that end with a backslash go on."""
    joined = re.sub(r"\\\n", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def shown(wanted, printed):
    """The first line of `wanted` that `printed` does not have; None: it has all."""
    flat = re.sub(r"\s+", " ", printed)
    for line in wanted.splitlines():
        parts = [re.escape(re.sub(r"\s+", " ", part).strip()) for part in line.split("...")]
        if line.strip() and not re.search(" ?.*?".join(parts), flat):
            return line
    return None
