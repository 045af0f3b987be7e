"""Chinese names are found by characters, by pinyin in every way people type it, and by initials."""

import subprocess
import sys

import pytest

from panorad.data.imaging.name_keys import name_keys, spell
from panorad.model.person_name import MAX_KEYS, found, query_keys


@pytest.mark.parametrize(
    "name, queries",
    [
        (
            "张三",
            [
                "zhang san",
                "zhangsan",
                "zs",
                "张三",
                "张",
                "三",
                "ZHANG",
                "san zhang",
                "zhang s",
                "sanzhang",
                "zhang三",
                " 张 三 ",
            ],
        ),
        ("张^三", ["zhangsan", "zs", "张三", "三"]),
        ("Zhang^San=张^三", ["zhang san", "zhangsan", "zs", "张三", "san", "zhang^san"]),
        ("曾国藩", ["zeng", "ceng guofan", "zgf", "cgf", "国藩", "zengguofan", "guo fan", "fan"]),
        ("单田芳", ["shan tianfang", "dantianfang", "stf"]),
        ("解晓东", ["xiexiaodong", "xxd"]),
        ("仇英", ["qiu ying", "chouying"]),
        ("欧阳娜娜", ["ouyang", "nana", "ou yang na na", "oynn", "欧阳", "娜娜"]),
        ("尉迟恭", ["yuchi gong", "ycg"]),
        ("万俟卨", ["moqi", "mqx"]),
        ("吕布", ["lvbu", "lubu", "lü bu", "lyu bu", "lb"]),
        ("张乐", ["zhang le", "zhangyue", "zl", "zy"]),
        ("买买提·吐尔逊", ["买买提", "吐尔逊", "买买提·吐", "maimaiti", "tuerxun", "tu er xun"]),
        ("張學友", ["zhang xueyou", "zxy", "張"]),
    ],
)
def test_found(name, queries):
    keys = name_keys(name)
    assert [query for query in queries if not found(keys, query_keys(query))] == []
    assert len(keys) <= MAX_KEYS


@pytest.mark.parametrize(
    "name, queries", [("张三", ["li", "zhao", "四", "zsf", "zhang si", "hang"]), ("曾国藩", ["zhang", "guofang"])]
)
def test_not_found(name, queries):
    assert [query for query in queries if found(name_keys(name), query_keys(query))] == []


def test_japanese_and_korean_names_have_no_pinyin():
    assert name_keys("Yamada^Tarou=山田^太郎=やまだ^たろう") == (
        "yamadatarou",
        "山田太郎",
        "やまだたろう",
        "tarouyamada",
        "太郎山田",
        "たろうやまだ",
    )
    assert name_keys("Hong^Gildong=洪^吉洞=홍^길동") == ("honggildong", "洪吉洞", "홍길동", "gildonghong", "吉洞洪", "길동홍")


def test_readings_are_few_and_a_character_nobody_reads_does_no_harm():
    assert spell("解", "乐行") == [("xie", "le", "xing"), ("xie", "le", "hang"), ("xie", "yue", "xing"), ("xie", "yue", "hang")]
    assert spell("张", "\U0003106c") == [("zhang",)]
    assert name_keys("\U0003106c") == ("\U0003106c",)


def test_the_dictionary_is_read_only_for_chinese_and_the_package_never():
    code = (
        "import sys\nfrom panorad.data.imaging import name_keys as n\nn.name_keys('Doe^Anna')\n"
        "assert n._dictionary.cache_info().currsize == 0\nassert n.name_keys('张三')\nassert 'pypinyin' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
