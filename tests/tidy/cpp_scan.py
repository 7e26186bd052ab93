"""Just enough of C++ to check style: code without comments and strings, functions, statements."""

import re


def strip(text):
    """The text with comments and the insides of literals blanked; line numbers stay true."""
    out = []
    for match in TOKEN.finditer(text):
        piece = match.group()
        if match.lastgroup == "comment":
            out.append(re.sub(r"[^\n]", " ", piece))
        elif match.lastgroup == "raw":
            out.append('""' + re.sub(r"[^\n]", "", piece))
        elif match.lastgroup == "literal":
            out.append(piece[0] + " " * (len(piece) - 2) + piece[-1])
        else:
            out.append(piece)
    return "".join(out)


TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<raw>R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)")
      | (?P<literal>"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')
      | (?P<other>.)""",
    re.S | re.X,
)
WORD = re.compile(r"\w+|->|::|\S")
SCOPE_HEAD = re.compile(r"^(?:template\s*<.*>\s*)?(?:typedef\s+)?(?:inline\s+)?"
                        r"(?:namespace|class|struct|union|enum|TEST_SUITE)\b"
                        r"|^extern\s*\"\s*\"$", re.S)


def functions(code):
    """(name or head, first line, last line) of each function body in stripped code."""
    found, stack = [], []  # stack: "scope", "function" or "other", with where its head began
    head, head_line, line = "", 1, 1
    for word in re.finditer(r"\n|#[^\n]*(?:\\\n[^\n]*)*|[{};]|[^\n{};#]+", code):
        piece = word.group()
        if piece == "\n" or piece.startswith("#"):
            line += piece.count("\n")
            head += " "
        elif piece == "{":
            kind = block_kind(head.strip(), [entry[0] for entry in stack])
            stack.append((kind, head_line, head.strip()))
            head = ""
        elif piece == "}":
            if stack:
                kind, first, title = stack.pop()
                if kind == "function":
                    found.append((title, first, line))
            head = ""
        elif piece == ";":
            head = ""
        else:
            if not head.strip() and piece.strip():
                head_line = line
            head += piece
    return found


def block_kind(head, outer):
    if "function" in outer or "other" in outer:
        return "other"
    is_body = re.search(r"\)\s*(const|noexcept|override|final|\s)*$", head)
    if SCOPE_HEAD.match(head) and (head.startswith("TEST_SUITE") or not is_body):
        return "scope"
    return "function" if "(" in head else "other"


def awaits_with_braces(code):
    """Lines of statements that hold a co_await and, in the same expression, braces or a capture.

    g++ 12.2 destroys such temporaries twice. Bodies of blocks and lambdas are statements of their
    own; what stands in the parentheses of if, while, for and switch is one too.
    """
    found = []
    stack = [Frame("block")]
    statement = Statement()
    previous, before_paren, line = "", [], 1
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: "\n" * m.group().count("\n"), code,
                  flags=re.M)
    for match in re.finditer(r"\n|" + WORD.pattern, code):
        word = match.group()
        if word == "\n":
            line += 1
            continue
        top, before = stack[-1], statement
        if word in ("co_await", "SV_CO_TRY", "SV_CO_CHECK"):
            statement.await_line = statement.await_line or line
        elif word == "[" and is_lambda(code, match.start(), previous):
            statement.lambda_open = True
            statement.braces |= code[match.end():].lstrip()[:1] != "]"
        if word in "([":
            stack.append(Frame(word, condition=previous in ("if", "while", "for", "switch")
                               or (previous == "constexpr" and word == "(")))
        elif word == "{":
            if opens_block(statement, previous):
                stack.append(Frame("block", outer=statement))
                statement = Statement()
            else:
                statement.braces = True
                stack.append(Frame("braces"))
            previous = ""
            continue
        elif word in ")]" and top.kind in "([":
            stack.pop()
            if top.condition and stack[-1].kind == "block":
                statement.report(found)
                statement = Statement()
        elif word == "}":
            stack = stack if len(stack) > 1 else stack + [Frame("braces")]
            frame = stack.pop()
            if frame.kind == "block":
                statement.report(found)
                statement = frame.outer or Statement()
                if statement.lambda_open:
                    statement.lambda_open = False
                else:
                    statement.report(found)
                    statement = Statement()
        elif word == ";" and top.kind == "block":
            statement.report(found)
            statement = Statement()
        if statement is not before:
            statement.text = []
        else:
            statement.text.append(word)
        previous = word
    statement.report(found)
    return found


class Frame:
    def __init__(self, kind, condition=False, outer=None):
        self.kind, self.condition, self.outer = kind, condition, outer


class Statement:
    def __init__(self):
        self.await_line, self.braces, self.lambda_open = 0, False, False
        self.text = []

    def report(self, found):
        if self.await_line and self.braces:
            found.append(self.await_line)


def is_lambda(code, at, previous):
    if re.match(r"\w|\)|\]", previous) and previous not in ("return", "co_return", "co_await"):
        return False
    return code[at + 1:at + 2] != "[" and previous != "["


def opens_block(statement, previous):
    """Whether a `{` begins statements (a body) rather than an initializer."""
    if not statement.text or previous in (")", "else", "do", "try", "noexcept", "const", "mutable",
                                          "override", "final", ":"):
        return True
    if statement.lambda_open and (previous == "]" or "->" in statement.text):
        return True
    if any(word in ("namespace", "class", "struct", "union", "enum") for word in statement.text):
        return "=" not in statement.text
    # A trailing return type: auto f() -> Result<void> {
    if "->" in statement.text and "=" not in statement.text and previous == ">":
        return True
    return False
