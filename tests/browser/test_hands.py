"""What hands do: keys, the search box, the live list, filters, the menu."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open


def chosen(page: Page) -> str:
    """The UID of the row that is chosen."""
    return page.get_attribute("tr.chosen", "data-uid") or ""


def test_the_list_by_keyboard(signed_in: Open) -> None:
    page = signed_in("/")
    rows = page.locator("tr[data-uid]")
    first, third = (rows.nth(at).get_attribute("data-uid") for at in (0, 2))
    expect(page.locator("tr.chosen")).to_have_attribute("data-uid", str(first))
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert chosen(page) == third
    expect(page.locator("#preview")).to_have_attribute("data-uid", str(third))
    expect(page.locator("#preview h2")).to_contain_text(rows.nth(2).locator(".c-patient").inner_text().split()[0])
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert chosen(page) == first
    page.keyboard.press("End")
    page.keyboard.press("n")
    expect(page.locator(".pager")).to_contain_text("51–100")
    page.keyboard.press("p")
    expect(page.locator(".pager")).to_contain_text("1–50")
    expect(page.locator("tr.chosen")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/*")
    page.keyboard.press("u")
    expect(page.locator("#list")).to_be_visible()


def test_o_opens_the_viewer(signed_in: Open) -> None:
    page = signed_in("/")
    expect(page.locator("tr.chosen")).to_be_visible()
    with page.expect_request("**/viewer/viewer?StudyInstanceUIDs=1.2.826.0.1.3680043.8.498.*"):
        page.keyboard.press("o")


def test_the_search_box_finds_while_somebody_types(signed_in: Open) -> None:
    page = signed_in("/?modality=CT")
    page.keyboard.press("/")
    page.keyboard.type("zs")
    expect(page.locator(".bar b")).to_contain_text("“zs”")
    assert "q=zs" in page.url
    assert "modality=CT" in page.url
    expect(page.locator("tr[data-uid] .c-patient").first).to_contain_text("张三")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert chosen(page)
    assert page.input_value("#search") == "zs"
    page.go_back()
    if "q=" in page.url:  # a slow machine hears a pause between the two letters, which is a step of its own
        page.go_back()
    expect(page.locator(".bar b")).to_contain_text("Chosen studies")


def test_filters_and_columns_change_the_list_in_place(signed_in: Open) -> None:
    page = signed_in("/")
    page.evaluate("window.here = true")
    page.click(".facets a:has-text('MR')")
    expect(page.locator(".facets a[aria-current]")).to_contain_text("MR")
    page.click("th a:has-text('Patient')")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Patient")
    assert page.evaluate("window.here") is True
    page.click(".facets a[aria-current]")
    expect(page.locator(".facets a[aria-current]")).to_have_count(0)


def test_a_study_that_arrives_appears_by_itself(signed_in: Open, closed_center: str) -> None:
    page = signed_in("/?order=study_date")
    page.evaluate("window.here = true")
    page.keyboard.press("j")
    before = chosen(page)
    count = page.locator(".bar > span").first.inner_text()
    assert httpx.post(f"{closed_center}/demo/arrive").status_code == 204
    expect(page.locator(".bar > span").first).not_to_have_text(count, timeout=15_000)
    assert chosen(page) == before
    assert page.evaluate("window.here") is True


def test_a_lost_center_is_told_and_found_again(signed_in: Open) -> None:
    page = signed_in("/")
    page.context.set_offline(True)
    expect(page.locator("#notices p")).to_contain_text("cannot be reached", timeout=15_000)
    expect(page.locator("tr[data-uid]")).to_have_count(50)
    page.context.set_offline(False)
    expect(page.locator("#notices p")).to_have_count(0, timeout=15_000)


def test_the_key_sheet_opens_and_closes(signed_in: Open) -> None:
    page = signed_in("/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_attributes_are_filtered_with_the_items_around_them(signed_in: Open) -> None:
    study = "1.2.826.0.1.3680043.8.498.1000"
    page = signed_in(f"/studies/{study}/series/{study}.1/instances/{study}.1.1")
    page.fill("#tags-search", "referenced sop")
    shown = page.locator("#tags tbody tr:visible")
    expect(shown).to_have_count(5)
    expect(shown.first).to_contain_text("Referenced Image Sequence")
    page.fill("#tags-search", "0010,0010")
    expect(shown).to_have_count(1)
    page.fill("#tags-search", "nothing like this")
    expect(page.locator("#tags-none")).to_be_visible()


def test_a_uid_is_copied_with_and_without_a_clipboard(signed_in: Open) -> None:
    page = signed_in("/studies/1.2.826.0.1.3680043.8.498.1000")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for remove in ("", "Object.defineProperty(navigator.clipboard, 'writeText', {value: () => Promise.reject()})"):
        page.evaluate("navigator.clipboard.writeText('')")
        page.evaluate(remove or "0")
        page.click("header [data-copy]")
        expect(page.locator("#notices p")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "1.2.826.0.1.3680043.8.498.1000"
        expect(page.locator("#notices p")).to_have_count(0)


def test_language_and_theme_by_the_menu(signed_in: Open) -> None:
    page = signed_in("/intake")
    page.click("details.menu summary")
    page.click("button:has-text('简体中文')")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.click("details.menu summary")
    page.click("button:has-text('深色')")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url.endswith("/intake")
    page.click("details.menu summary")
    page.click("button:has-text('退出登录')")
    page.wait_for_url("**/sign-in")


def test_on_a_phone_filters_unfold_and_a_row_opens_its_study(signed_in: Open) -> None:
    page = signed_in("/", width=360)
    expect(page.locator(".facet-groups")).to_be_hidden()
    page.click("label[for=facets-open]")
    expect(page.locator(".facet-groups")).to_be_visible()
    page.click("label[for=facets-open]")
    page.locator("tr[data-uid] .c-description").first.click()
    page.wait_for_url("**/studies/*")


def test_without_scripts_everything_can_be_reached(visit: Open, closed_center: str, browser: object) -> None:
    from tests.access.web.twins import PASSWORD

    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{closed_center}/sign-in")
    page.fill("[name=login]", "wanglei")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.fill("#search", "zhang san")
    page.press("#search", "Enter")
    expect(page.locator(".bar b")).to_contain_text("zhang san")
    page.click(".facets a:has-text('County')")
    page.click("tr[data-uid] a >> nth=0")
    expect(page.locator("h1")).to_contain_text("张三")
    context.close()
