"""Which encoding a file without a mark is in: Chinese, Japanese and Korean share their bytes; one broken letter is no other encoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from tests.ingestion.reading import read_bytes

HEADER = "Date,Payee,Amount\n"


@pytest.mark.parametrize(
    ("codec", "names"),
    [
        ("gb18030", ["茶馆和书店", "北京地铁公司"]),
        ("gb18030", ["超市购物", "手机充值 China Mobile prepaid top-up"]),
        ("euc_jp", ["コーヒーの店", "東京の本屋"]),
        ("cp932", ["コーヒーの店", "東京の本屋"]),
        ("cp949", ["동네 빵집", "한국철도공사"]),
        ("big5", ["全聯福利中心", "台北捷運公司"]),
        ("cp1251", ["Книжная лавка", "Перевод между счетами"]),
        ("cp1252", ["Bäckerei Größe", "Café de l'Été, Orléans", "Übermut", "Öl"]),
    ],
)
def test_names_read_back(codec: str, names: list[str], tmp_path: Path) -> None:
    rows = "".join(f'2024-01-{day:02},"{name}",-1.00\n' for day, name in enumerate(names, start=1))
    read = read_bytes(read_csv, (HEADER + rows).encode(codec), tmp_path)
    assert [row["merchant"] for row in read.rows] == names


def test_one_broken_letter_beside_two_whole_ones_is_still_utf_8(tmp_path: Path) -> None:
    content = (HEADER + '2024-01-01,"Café R').encode() + b"\xc3" + 'é",-1.00\n'.encode()
    read = read_bytes(read_csv, content, tmp_path)
    assert read.row["merchant"] == "Café R\N{REPLACEMENT CHARACTER}é"
    assert read.detected["notes"] == ["1 broken UTF-8 sequences were replaced by \N{REPLACEMENT CHARACTER}"]
