"""Writing SVG: elements with escaped text, and nothing else."""

from __future__ import annotations

import re
from html import escape

__all__ = ["Svg", "clean"]

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: object) -> str:
    """Escape a text for markup and take out the characters that XML does not allow.

    Examples
    --------
    >>> clean('<b onclick="x">')
    '&lt;b onclick=&quot;x&quot;&gt;'
    """
    return escape(_FORBIDDEN.sub("", str(text)), quote=True)


class Svg:
    """A list of SVG elements, each written once and in order."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def add(self, tag: str, text: object = None, **attributes: object) -> None:
        """Write one element; `title` becomes its title element.

        `_` in an attribute's name stands for `-`, a trailing one for nothing. Numbers are written
        with at most one decimal, so that the same picture has the same bytes.
        """
        title = attributes.pop("title", None)
        inner = f"<title>{clean(title)}</title>" if title else ""
        if text is not None:
            inner += clean(text)
        opening = self._opening(tag, attributes)
        self.parts.append(f"<{opening}>{inner}</{tag}>" if inner else f"<{opening}/>")

    def title(self, text: str) -> None:
        """Give the group that is open a title."""
        self.parts.append(f"<title>{clean(text)}</title>")

    def open(self, tag: str, **attributes: object) -> None:
        """Open a group."""
        self.parts.append(f"<{self._opening(tag, attributes)}>")

    def close(self, tag: str) -> None:
        """Close a group."""
        self.parts.append(f"</{tag}>")

    @staticmethod
    def _opening(tag: str, attributes: dict[str, object]) -> str:
        written = [tag]
        for name, value in attributes.items():
            if value is None:
                continue
            shown = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
            written.append(f'{name.rstrip("_").replace("_", "-")}="{clean(shown)}"')
        return " ".join(written)

    def __str__(self) -> str:
        return "\n".join(self.parts)
