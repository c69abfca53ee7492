from pathlib import Path

from hilum.versions import documentation


def test_the_reference_page_is_what_the_tables_say() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "stu3.md"
    assert page.read_text() == documentation.page(), (
        "run: python -m hilum.versions.documentation > docs/reference/stu3.md"
    )
