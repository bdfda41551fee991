"""Workbooks (.xlsx) written part by part, as Excel and other programs write them."""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# The number formats of the styles 0 to 3: none, a day, a day and a time, a time.
_FORMATS = (0, 14, 22, 21)
DAY, MOMENT, TIME = 1, 2, 3


def text(value: str) -> str:
    """A cell of text."""
    return f't="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is>'


def number(value: object, style: int = 0) -> str:
    """A cell of a number, which a style may show as a day or a time."""
    return f's="{style}"><v>{value}</v>'


def formula(value: object) -> str:
    """A formula's cell with its last result."""
    return f"><f>1+1</f><v>{value}</v>"


def error(value: str) -> str:
    """A cell of an error."""
    return f't="e"><v>{escape(value)}</v>'


def boolean(value: bool) -> str:
    return f't="b"><v>{int(value)}</v>'


def _letters(place: int) -> str:
    first, last = divmod(place, 26)
    return ("" if not first else chr(64 + first)) + chr(65 + last)


def sheet(rows: dict[int, list[str | None]]) -> str:
    """A sheet's rows, by their numbers."""
    lines = []
    for at, cells in rows.items():
        xml = "".join(
            f'<c r="{_letters(place)}{at}" {cell}</c>'
            for place, cell in enumerate(cells)
            if cell is not None
        )
        lines.append(f'<row r="{at}">{xml}</row>')
    return "".join(lines)


def workbook(sheets: dict[str, str], *, hidden: tuple[str, ...] = (), epoch: int = 1900) -> bytes:
    """A workbook.

    Args:
        sheets: the rows' XML of each sheet.
        hidden: the names of hidden sheets.
        epoch: 1904 for the calendar of old Macs.
    """
    names = list(sheets)
    declared = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="rId{at}"'
        f"{' state=' + quoteattr('hidden') if name in hidden else ''}/>"
        for at, name in enumerate(names, start=1)
    )
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(names) + 1)
    )
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{at}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for at in range(1, len(names) + 1)
    )
    styles = "".join(f'<xf numFmtId="{each}" applyNumberFormat="1"/>' for each in _FORMATS)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default'
        f' Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml"'
        f' ContentType="{_TYPE}.sheet.main+xml"/>{overrides}<Override PartName="/xl/styles.xml"'
        f' ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><workbookPr'
        f"{' date1904=' + quoteattr('1') if epoch == 1904 else ''}/><sheets>{declared}</sheets>"
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
        f'<Relationship Id="rId99" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills'
        ' count="1"><fill/></fills><borders count="1"><border/></borders><cellStyleXfs count="1">'
        f'<xf/></cellStyleXfs><cellXfs count="{len(_FORMATS)}">{styles}</cellXfs></styleSheet>',
    }
    parts |= {
        f"xl/worksheets/sheet{at}.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{sheets[name]}'
        "</sheetData></worksheet>"
        for at, name in enumerate(names, start=1)
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + xml)
    return out.getvalue()
