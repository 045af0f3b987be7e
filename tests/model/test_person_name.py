"""Names of persons: golden forms both ways, for reading, and found by what people type."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorad.model import person_name, pinyin
from panorad.model.person_name import MAX_KEYS, Components, PersonName, display, fold, found, keys, parse, query_keys

GOLDEN = [
    ("Doe^Anna", PersonName(Components("Doe", "Anna")), {"Alphabetic": "Doe^Anna"}),
    (
        "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
        PersonName(Components("Adams", "John Robert Quincy", "", "Rev.", "B.A. M.Div.")),
        {"Alphabetic": "Adams^John Robert Quincy^^Rev.^B.A. M.Div."},
    ),
    (
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        PersonName(Components("Yamada", "Tarou"), Components("山田", "太郎"), Components("やまだ", "たろう")),
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
    ),
    ("=张^三", PersonName(ideographic=Components("张", "三")), {"Ideographic": "张^三"}),
    ("", PersonName(), {}),
]


@pytest.mark.parametrize("text, person, model", GOLDEN)
def test_the_forms_of_a_name(text, person, model):
    assert parse(text) == person
    assert parse(model) == person
    assert str(person) == text
    assert person.json() == model


@pytest.mark.parametrize(
    "name, lang, shown",
    [
        ("Doe^Anna", "en", "Anna DOE"),
        ("DOE^ANNA", "en", "Anna DOE"),
        ("Doe^Anna^Maria^Dr.^Jr.", "en", "Dr. Anna Maria DOE, Jr."),
        ("Doe", "en", "Doe"),
        ("ANNA DOE", "en", "ANNA DOE"),
        ("Zhang^San=张^三", "en", "张三 ZHANG San"),
        ("ZHANG^SAN=张^三", "zh_CN", "张三 ZHANG San"),
        ("Zhang^San", "en", "San ZHANG"),
        ("Zhang^San", "zh_CN", "ZHANG San"),
        ("Doe^Anna", "zh_CN", "Anna DOE"),
        ("张三", "en", "张三"),
        ("张^三=张^三", "en", "张三"),
        ("=张^三", "en", "张三"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "en", "洪吉洞 HONG Gildong"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ja", "ヤマダ タロウ"),
        ("==やまだ^たろう", "ja", "やまだたろう"),
        ({"Alphabetic": "Doe^Anna"}, "en", "Anna DOE"),
        ("", "en", ""),
        ("^^^^", "en", ""),
    ],
)
def test_names_for_reading(name, lang, shown):
    assert display(name, lang) == shown


@pytest.mark.parametrize(
    "text, folded",
    [
        ("MÜLLER", "muller"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Ångström", "angstrom"),
        ("ｆｕｌｌ", "full"),
        ("がぎ", "がぎ"),
        ("홍길동", "홍길동"),
    ],
)
def test_folding(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize(
    "name, queries",
    [
        ("Doe^Anna", ["doe", "anna d", "doe, anna", "annadoe", "doe^anna", "DOE A", "ann"]),
        ("Müller^Jörg", ["müller", "mueller", "MULLER", "jorg", "joerg m", "jörg müller"]),
        ("Mueller^Hans", ["müller", "mueller", "muller"]),
        ("Sørensen^Bjørn", ["sorensen", "soerensen", "bjorn"]),
        ("O'Brien^Mary-Anne^^Dr.", ["obrien", "o'brien", "mary anne", "mary-anne", "anne", "maryanne o’b"]),
        ("Zhang^Xiaoming", ["zhang xiao ming", "zxm", "xiaoming zhang", "ming", "zhangxiaoming"]),
        ("ZHANG XIAOMING", ["zhang xiao ming", "zxm", "xiaomingzhang"]),
        ("von der Leyen^Ursula", ["leyen", "von der leyen", "ursula von", "ursula leyen"]),
        ("Hong^Gildong=洪^吉洞=홍^길동", ["홍길동", "길동", "洪", "吉洞", "gildong"]),
        ("Люкceмбypг", ["люк"]),
        ({"Alphabetic": "Doe^Anna"}, ["anna doe"]),
    ],
)
def test_found(name, queries):
    assert [query for query in queries if not found(keys(name), query_keys(query))] == []


def test_not_found():
    assert not found(keys("Doe^Anna"), query_keys("anna roe"))
    assert not found(keys("Doe^Anna"), query_keys("oe"))
    assert not found((), query_keys("a"))


@given(st.one_of(st.text(max_size=80), st.lists(st.text("aäü王张小^= '-ñ", max_size=12), max_size=8).map("^".join)))
def test_any_name_is_found_by_its_first_words_and_nothing_breaks(text):
    made = keys(text)
    assert len(made) <= MAX_KEYS
    assert len(set(made)) == len(made)
    assert all(0 < len(key) <= 64 for key in made)
    display(text, "zh_CN")
    assert parse(str(parse(text))) == parse(text)
    person = parse(text).alphabetic
    assert found(made, query_keys(f"{person.family} {person.first}")[:1])


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("module", [person_name, pinyin])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "token, parts",
    [
        ("zhang", ("zhang",)),
        ("xian", ("xian",)),
        ("xiaoming", ("xiao", "ming")),
        ("lvbu", ("lv", "bu")),
        ("doe", ()),
        ("", ()),
        ("a" * 40, ()),
    ],
)
def test_syllables(token, parts):
    assert pinyin.syllables(token) == parts
