"""Text by Specific Character Set: the standard's own examples, pydicom's files, and what senders do instead."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue

from panorad.data.imaging.charset import decode, terms

GOLDEN = [
    # PS3.5 Annexes H, I, J and K
    (r"", "Yamada^Tarou", b"Yamada^Tarou"),
    (
        r"\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    ),
    (
        r"\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    (r"ISO_IR 192", "Wang^XiaoDong=王^小東", b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1"),
    (r"GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    (
        r"\ISO 2022 IR 58",
        "Zhang^XiaoDong=张^小东",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
    ),
    (r"GBK", "朱镕基", "朱镕基".encode("gbk")),
    (r"ISO 2022 GBK", "王喆", "王喆".encode("gbk")),
    (r"ISO_IR 100", "Buc^Jérôme", b"Buc^J\xe9r\xf4me"),
    (r"ISO_IR 101", "Dvořák", "Dvořák".encode("iso8859_2")),
    (r"ISO_IR 144", "Люк", "Люк".encode("iso8859_5")),
    (r"ISO_IR 126", "Διον", "Διον".encode("iso8859_7")),
    (r"ISO_IR 166", "นาย", "นาย".encode("iso8859_11")),
    (r"ISO_IR 13", "ﾔﾏﾀﾞ", b"\xd4\xcf\xc0\xde"),
    (r"ISO 2022 IR 6\ISO 2022 IR 100", "Jérôme", b"\x1b-AJ\xe9r\xf4me"),
    (r"iso-ir 192", "王", "王".encode()),
]


@pytest.mark.parametrize("declared, text, raw", GOLDEN)
def test_as_declared(declared, text, raw):
    assert decode(raw, terms(declared.encode())) == (text, "")


@pytest.mark.parametrize(
    "declared, text, raw, warning",
    [
        ("", "张三", "张三".encode(), "text without a declared character set is UTF-8"),
        ("", "张三", "张三".encode("gbk"), "text without a declared character set is GB18030"),
        ("ISO_IR 6", "王喆^明", "王喆^明".encode("gbk"), "text declared as ISO_IR 6 is GB18030"),
        ("ISO_IR 100", "张三", "张三".encode("gbk"), "text declared as ISO_IR 100 is GB18030"),
        ("ISO_IR 100", "张^三", "张^三".encode("gbk"), "text declared as ISO_IR 100 is GB18030"),
        ("ISO_IR 100", "腹部CT平扫", "腹部CT平扫".encode("gbk"), "text declared as ISO_IR 100 is GB18030"),
        ("ISO_IR 100", "Müller", "Müller".encode(), "text declared as ISO_IR 100 is UTF-8"),
        ("ISO_IR 192", "张三", "张三".encode("gbk"), "text declared as ISO_IR 192 is GB18030"),
        ("GB18030", "张三", "张三".encode(), "text declared as GB18030 is UTF-8"),
        ("", "Müller^Jörg", b"M\xfcller^J\xf6rg", "text without a declared character set is read as Latin-1"),
        ("GB2312", "张三", "张三".encode("gbk"), "Specific Character Set GB2312 is no Defined Term"),
        ("KLINGON", "Müller", b"M\xfcller", "text declared as KLINGON is read as Latin-1"),
        ("ISO_IR 192", "M�ller", b"M\xfcller", "text declared as ISO_IR 192 has bytes that are none"),
        ("\\ISO 2022 IR 149", "洪^吉洞", b"\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7", ""),
        ("", "a\x1bZb", b"a\x1bZb", ""),
        ("", "ab", b"a\x1b(Xb", "text has the unknown escape sequence b'\\x1b(Xb'"),
    ],
)
def test_declared_wrongly_or_not_at_all(declared, text, raw, warning):
    assert decode(raw, terms(declared.encode())) == (text, warning)


@pytest.mark.parametrize("text", ["Íñigo", "Müller^Jörg", "Çağ", "François^Éloïse", "Åse^Øyvind", "Núñez^José María"])
def test_names_in_latin_letters_are_not_taken_for_chinese(text):
    raw = text.encode("latin_1", "ignore")
    assert decode(raw, ("ISO_IR 100",)) == (raw.decode("latin_1"), "")


@pytest.mark.parametrize("path", get_charset_files("*.dcm"), ids=lambda path: Path(path).stem)
def test_every_text_of_the_charset_files(path):
    dataset = pydicom.dcmread(path)
    declared = dataset.get("SpecificCharacterSet") or ""
    charsets = (declared,) if isinstance(declared, str) else tuple(declared)
    raws = pydicom.dcmread(path)._dict
    texts = [
        (raw.value, dataset[tag].value)
        for tag, raw in raws.items()
        if isinstance(raw, RawDataElement) and raw.VR in ("PN", "LO", "SH")
    ]
    for raw, value in texts:
        expected = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
        assert decode(raw or b"", charsets).text.rstrip(" \0=") == expected.rstrip(" \0="), raw
