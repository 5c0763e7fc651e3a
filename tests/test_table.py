"""What people write in tables: delimiters, marks in numbers, and dates; each is read as meant, or asked about."""

import csv
import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data.cells import Cells
from zoo.data.cut import fitting_window, found_season
from zoo.data.numbers import outsiders
from zoo.data.series_table import read_series
from zoo.data.table import read_table
from zoo.errors import UserError

DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(at) for at in range(40)]
MONTHS = [datetime.date(2020 + at // 12, at % 12 + 1, 1) for at in range(36)]
HOURS = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=at) for at in range(60)]


@pytest.fixture
def read(tmp_path):
    """Reads a text as a CSV file."""

    def written(text: str, *names: str, **manner) -> SimpleNamespace:
        path = tmp_path / "my.csv"
        path.write_bytes(text.encode())
        found = read_series(path, *names, **manner)
        (one,) = found.members.values()
        return SimpleNamespace(name=found.name, values=one.values[:, 0], timeline=one.timeline, said=found.said)

    return written


def dated(form: str, dates, head: str = "date,sales\n") -> str:
    """A table of numbers from 0 on, one a date."""
    return head + "".join(f'"{date.strftime(form)}",{at}\n' for at, date in enumerate(dates))


@pytest.mark.parametrize(
    "text",
    [
        '"Day";"Sales, net, in EUR"\n1;2.5\n2;3\n',
        "Day;Sales, net, in EUR\n1;2.5\n2;3\n",
        "sep=;\r\nDay;Sales, net, in EUR\r\n1;2.5\r\n2;3\r\n",
        'Day\t"Sales, net, in EUR"\n1\t2.5\n2\t3\n',
        'Day|"Sales, net, in EUR"\n1|2.5\n2|3\n',
        '"sep=;"\nDay;"Sales, net, in EUR"\n1;2.5\n2;3\n',
        'Day, "Sales, net, in EUR"\n1, 2.5\n2, 3\n',
        '#,"Sales, net, in EUR"\n1,2.5\n2,3\n',
        'Day;"Sales, net, in EUR"\r1;2.5\r2;3\r',
        'Day;"Sales, net, in EUR"\n1;2.5\nDay;"Sales, net, in EUR"\n2;3\n',
        '# from an office\n# of statistics\nDay,"Sales, net, in EUR"\n1,2.5\n2,3\n',
        "# Day;Sales, net, in EUR\n1;2.5\n2;3\n",
        'Day,"Sales, net, in EUR"\r\r\n1,2.5\r\r\n2,3\r\r\n',
        'Day,"Sales, net, in EUR"\n1,2.5\n\n\n2,3\n,\n',
        'Day;"Sales, net, in EUR";\n1;2.5;\n2;3;\n',
    ],
)
def test_delimiters_and_lines(text, read):
    np.testing.assert_array_equal(read(text, "Sales, net, in EUR").values, [2.5, 3])


@pytest.mark.parametrize(
    ("delimiter", "cells", "wanted"),
    [
        (",", ['"1,250"', "820", '"1,290"'], [1250, 820, 1290]),
        (";", ["1.250,5", "820,1", "1.290"], [1250.5, 820.1, 1290]),
        (";", ["1,5", "2", "3,25"], [1.5, 2, 3.25]),
        (";", ["1.234.567", "5", "-6"], [1234567, 5, -6]),
        (",", ["1.250", "2.375", "0.5"], [1.25, 2.375, 0.5]),
        (",", ["1.250", "2.375", "3.125"], [1.25, 2.375, 3.125]),
        (",", ["1'250", "820", "999.5"], [1250, 820, 999.5]),
        (",", ["1 250", "820", "1\u202f290"], [1250, 820, 1290]),
        (",", ["5%", "6 %", "7%"], [5, 6, 7]),
        (",", ["$1.25", "$2", "-$3"], [1.25, 2, -3]),
        (",", ["(5)", "6-", "\u22127"], [-5, -6, -7]),
        (",", ['"12,34,567"', "5", "1e3"], [1234567, 5, 1000]),
    ],
)
def test_numbers(delimiter, cells, wanted, read):
    text = f"n{delimiter}x\n" + "".join(f"{at}{delimiter}{cell}\n" for at, cell in enumerate(cells))
    np.testing.assert_array_equal(read(text, "x").values, wanted)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("mark", [".", ","])
def test_a_mark_that_can_be_two_things_is_asked_about(mark, delimiter, read):
    text = f"Tag{delimiter}Umsatz\n" + "".join(
        f"{at}{delimiter}{cell}\n" for at, cell in enumerate(["820", f"1{mark}250", f"1{mark}290"])
    )
    with pytest.raises(UserError, match=r"can be 1250 or 1\.25: .* type --data\.thousands . for 1250, or --data\.dec"):
        read(text, "Umsatz")
    np.testing.assert_array_equal(read(text, "Umsatz", thousands=mark).values, [820, 1250, 1290])
    np.testing.assert_array_equal(read(text, "Umsatz", decimal=mark).values, [820, 1.25, 1.29])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["5%", "6", "7%"], "have '%' and others not"),
        (["1", ".", "3"], "row 2 below the names has no number"),
        (["1", "5 kg", "3"], "row 2 below the names has '5 kg'"),
        (["1.2K", "5", "3"], "row 1 below the names has '1.2K'"),
    ],
)
def test_other_cells_are_refused(cells, words, read):
    with pytest.raises(UserError, match=words):
        read("n,x\n" + "".join(f"{at},{cell}\n" for at, cell in enumerate(cells)), "x")


@pytest.mark.parametrize(
    ("form", "dates", "words", "following"),
    [
        ("%Y-%m-%d", DAYS, "daily", "2024-02-10"),
        ("%d/%m/%Y", DAYS, "(day first): 2024-01-01 to 2024-02-09, daily", "2024-02-10"),
        ("%m/%d/%y", DAYS, "(month first): 2024-01-01 to 2024-02-09, daily", "2024-02-10"),
        ("%d.%m.%Y", DAYS[:12], "(day first): 2024-01-01 to 2024-01-12", "2024-01-13"),
        ("%b %d, %Y", DAYS, "daily", "2024-02-10"),
        ("%Y%m%d", DAYS, "daily", "2024-02-10"),
        ("%d/%m/%Y", MONTHS, "(day first): 2020-01-01 to 2022-12-01, monthly", "2023-01-01"),
        ("%m/%d/%Y", MONTHS, "(month first): 2020-01-01 to 2022-12-01, monthly", "2023-01-01"),
        ("%Y-%m", MONTHS, "2020-01 to 2022-12, monthly", "2023-01"),
        ("%b-%y", MONTHS, "2020-01 to 2022-12, monthly", "2023-01"),
        ("%Y", MONTHS[::12], "yearly", "2023"),
        ("%G-W%V", DAYS[::7], "weekly", "2024-W07"),
        ("%Y-%m-%d", [day for day in DAYS if day.weekday() < 5], "daily, Monday to Friday", "2024-02-12"),
        ("%Y-%m-%dT%H:%M:%SZ", HOURS, "hourly", "2024-01-03 12:00"),
        ("%Y-%m-%d", DAYS[:20] + DAYS[23:], "daily; 3 days are missing", "2024-02-10"),
        ("%Y-%m-%d", DAYS[::-1], "turned round", "2024-02-10"),
        ("%Y-%m-%d", DAYS[20:] + DAYS[:20], "put in order", "2024-02-10"),
        ("%m/%d/%Y", DAYS[::-1], "turned round", "2024-02-10"),
    ],
)
def test_dates(form, dates, words, following, read):
    column = read(dated(form, dates), "sales")
    assert words in " ".join(column.said)
    assert column.timeline.following(1) == [following]
    assert list(column.timeline.dates) == sorted(column.timeline.dates)
    assert len(column.values) == len(dates)
    if dates != sorted(dates):
        assert column.values[0] == dates.index(min(dates))


def test_dates_in_several_columns(read):
    quarters = "year,quarter,gdp\n" + "".join(f"{1959 + at // 4}.0,{at % 4 + 1}.0,{at}\n" for at in range(40))
    assert read(quarters, "gdp").timeline.following(2) == ["1969-Q1", "1969-Q2"]
    clock = "Date;Time;kw\n" + "".join(f"{at:%d/%m/%Y};{at:%H.%M.%S};{at.hour}\n" for at in HOURS)
    assert read(clock, "kw").timeline.following(1) == ["2024-01-03 12:00"]
    hours = "Date,Hour,kw\n" + "".join(f"{at:%d/%m/%Y},{at.hour},{at.hour}\n" for at in HOURS)
    assert read(hours, "kw").timeline.following(1) == ["2024-01-03 12:00"]


@pytest.mark.parametrize(
    ("name", "cells", "inputs"),
    [
        ("hours_open", ("8", "7", "8"), ()),
        ("hours_open", ("8", "7", "8"), ("hours_open",)),
        ("delivery_time", ("8", "7", "8"), ("delivery_time",)),
        ("Zeitraum", ("8", "7", "8"), ()),
        ("overtime", ("8:30", "7:00", "0:00"), ()),
        ("delivery time", ("30", "70", "80"), ()),
        ("time", ("late", "early", "late"), ()),
    ],
)
def test_what_is_no_time_of_day(name, cells, inputs, read):
    text = f"day,{name},sales\n" + "".join(f"{day},{cells[at % 3]},{at}\n" for at, day in enumerate(DAYS))
    column = read(text, "sales", inputs=inputs)
    assert column.timeline.following(1) == ["2024-02-10"]
    assert "dates in the column day (" in " ".join(column.said)


def test_a_month_beside_the_year_can_be_an_input(read):
    text = "year,month,sales\n" + "".join(f"{day.year},{day.month},{at}\n" for at, day in enumerate(MONTHS))
    assert read(text, "sales", inputs=("month",)).timeline.following(1) == ["2023-01"]


@pytest.mark.parametrize("name", ["monthly_rent", "downtime", "annotations", "journey"])
def test_numbers_are_no_years(name, read):
    column = read(f"{name},sales\n" + "".join(f"{1990 - at},{at}\n" for at in range(40)), "sales")
    assert column.timeline is None


@pytest.mark.parametrize(
    "name", ["year", "YearBuilt", "Gesch\u00e4ftsjahr", "fiscal_years", "date", "obs_date", "DateKey"]
)
def test_numbers_that_are_years(name, read):
    column = read(f"{name},sales\n" + "".join(f"{1990 - at},{at}\n" for at in range(40)), "sales")
    assert column.timeline.following(1) == ["1991"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (dated("%d/%m/%Y", DAYS[:12]), "type --data.date-order day-first or --data.date-order month-first"),
        (dated("%d/%m/%Y", DAYS[3:4]), "type --data.date-order day-first or --data.date-order month-first"),
        (
            dated("%Y-%m-%d", [*DAYS, DAYS[3]]),
            "1 date in .* stands in .*, 2024-01-04, in the rows 4, 41 below the names",
        ),
        (dated("%Y-%m-%d", DAYS) + "Total,5\n", "row 41 below the names has 'Total'"),
        (
            "date,sales\n" + "".join(f"{day.strftime('%d/%m/%Y' if day.day > 12 else '%m/%d/%Y')},1\n" for day in DAYS),
            "where some rows have the day first and others the month",
        ),
    ],
)
def test_dates_that_are_asked_about(text, words, read):
    with pytest.raises(UserError, match=words):
        read(text, "sales")


def test_the_order_of_day_and_month_can_be_said(read):
    for order, last in (("day-first", "2024-01-13"), ("month-first", "2025-01-01")):
        column = read(dated("%d/%m/%Y", DAYS[:12]), "sales", date_order=order)
        assert column.timeline.following(1) == [last]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n,x\n1,2\n\n\n2,many\n", r"row 2 below the names \(line 5\) has 'many'"),
        ("month,x\nJan,2\nFeb,3\nTotal,5\n", r"row 3 below the names has 'Total' in the column month"),
        ("n,x\n1,2\n2,3,4\n", r"row 2 below the names in .* has 3 cells, '2', '3', '4'"),
        ("n,x,\n1,2,\n2,3,4\n", r"the column 3 of .* has no name, but row 2 below the names has '4'"),
        ('n,x\n1,2\n2,"3\n3,4\n', r"not a CSV file: .* in the row that begins in line 3"),
        ("2024-01-01,5\n2024-01-02,6\n", "wanted the names of the columns"),
        ("n,x\n1,2\n2,\0\n", "zero bytes"),
    ],
)
def test_mistakes_in_a_table(text, words, read):
    with pytest.raises(UserError, match=words):
        read(text, "x")


def test_what_is_put_right_is_said(read):
    column = read("n,x,y\n1,2\nn,x,y\n2,3,4\n", "x")
    assert column.said[0].startswith("1 row that repeats the names of the columns")
    assert column.said[1].startswith("1 row with fewer cells than there are names: the missing cells are taken")
    np.testing.assert_array_equal(column.values, [2, 3])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_and_long_cells(encoding, tmp_path):
    path, before = tmp_path / "t.tsv", csv.field_size_limit()
    path.write_text(f'a, b\tc\n"long, {"x" * 200_000}\nsecond"\t\u4e2d\n', encoding=encoding)
    table = read_table(path)
    assert table.names == ("a, b", "c")
    assert [len(cell) for cell in table.rows[0]] == [200_013, 1]
    assert csv.field_size_limit() == before


def test_cells():
    texts = ["", "a", "\u4e2d" * 300, "b"] * 3000
    cells = Cells(texts)
    assert list(cells) == texts
    assert (len(cells), cells[-1], cells[8193], cells[4094:4099]) == (12_000, "b", "a", texts[4094:4099])
    assert list(Cells()) == []


def test_rows_that_repeat_another_are_left_out(read):
    column = read(dated("%Y-%m-%d", DAYS) + f'"{DAYS[-1]}",39\n', "sales")
    assert len(column.values) == 40
    assert "1 row repeats another word for word and is left out" in " ".join(column.said)


def test_without_dates(read):
    column = read("n,x\n" + "".join(f"{40 - at},{at}\n" for at in range(40)), "x")
    assert column.timeline is None
    assert "though n counts down" in column.said[-1]


def test_numbers_that_stand_for_none_are_named(read):
    column = read("day,x\n" + "".join(f"{day},{-9999 if at % 9 == 0 else at}\n" for at, day in enumerate(DAYS)), "x")
    assert "-9999 (5 times), far from all other values" in " ".join(column.said)
    usual = np.random.default_rng(0).normal(20, 3, 300).round(1)
    usual[::50], usual[1::60] = 999, -99
    assert outsiders(usual) == {999.0: 6, -99.0: 5}
    assert not outsiders(np.random.default_rng(0).integers(0, 5, 300).astype(float))


def test_what_fits():
    random = np.random.default_rng(0)
    assert found_season(np.sin(np.arange(200) * 2 * np.pi / 7)) == 7
    for count, season in ((30, 4), (156, 52), (5000, 24), (50_000, 288)):
        at = np.arange(count)
        smooth = np.sin(at * 2 * np.pi / season) + 0.3 * random.normal(size=count) + at / count
        assert abs(found_season(smooth) - season) <= season / 20, season
    assert found_season(random.normal(size=200)) == found_season(np.arange(100.0)) == found_season(np.ones(50)) == 1
    assert [fitting_window(*of, 1) for of in ((7, 300), (12, 300), (52, 124), (12, 19), (1, 19), (1, 2))] == [
        14,
        12,
        52,
        12,
        9,
        1,
    ]


def test_dates_with_blank_cells_are_asked_about(read):
    lines = [f"{'' if at % 5 == 0 else day},{at}" for at, day in enumerate(DAYS)]
    with pytest.raises(UserError, match=r"row 1 below the names has '' in the column date, whose other rows are dates"):
        read("date,x\n" + "\n".join(lines))


def test_an_order_of_dates_that_does_not_fit_is_said(read):
    text = dated("%d/%m/%Y", DAYS)
    with pytest.raises(UserError, match=r"--data.date-order came as month-first, but some dates in the column date"):
        read(text, "sales", date_order="month-first")
    assert read(text, "sales", date_order="day-first").timeline.dates[0].day == 1


def test_names_that_are_mostly_numbers(read):
    with pytest.raises(UserError, match=r"holds numbers, 5.1, 3.5, setosa: wanted the names of the columns"):
        read("5.1,3.5,setosa\n4.9,3.0,setosa\n", "5.1")
    assert len(read("2019,2020,country\n1,2,a\n2,3,b\n", "2019").values) == 2  # years are names


def test_a_cell_of_many_lines_is_said(read):
    rows = [f"{at},{at}" for at in range(40)]
    rows[5], rows[25] = '5,"5', '25,25"'
    text = "x,note\n" + "\n".join(rows)
    assert "one cell goes over 21 lines, from line 7 on" in " ".join(read(text, "x").said)
