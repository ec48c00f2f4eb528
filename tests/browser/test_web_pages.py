"""The site in a browser, over the sandbox: from nothing to a load, to a failure, to who may not.

The tests of this file share one site and build on each other's rows, in their order.
Screenshots go to the folder that ETL_TEST_SCREENSHOTS names, else to a temporary one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Site, Watched
from tests.waiting import HANG_MILLISECONDS, until

pytestmark = pytest.mark.xdist_group("browser")
AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
# axe.min.js of the npm package axe-core, when the tester has it; the own audit runs anyway.
AXE = os.environ.get("ETL_TEST_AXE")
AXE_RULES = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
VIEW = "ERP.V_MONTHLY_INVOICES"
ROLES = ("viewer", "operator", "administrator")


def choose(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).select_option(value)


def test_from_nothing_to_a_load(watched: Watched, site: Site) -> None:
    """First account, store, test, source with columns from Oracle, check, run, watch, fresh."""
    page, sandbox = watched.page, site.sandbox
    page.goto(site.setup_link)
    page.fill("#id_username", "mis")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.click("text=Make the account")
    watched.login("mis")
    expect(page.get_by_text("Nothing is loaded yet")).to_be_visible()

    host, _, rest = sandbox.oracle_dsn.partition(":")
    port, _, service = rest.partition("/")
    watched.go("/catalog/datastore/add/")
    for field, value in {
        "name": "ERP sandbox",
        "host": host,
        "port": port,
        "service_name": service,
        "user": sandbox.reader,
        "new_password": sandbox.reader_password,
    }.items():
        page.fill(f"#id_{field}", value)
    page.click("text=Save and continue editing")
    page.click("text=Test connection")
    expect(page.get_by_text("The connection works.")).to_be_visible()
    expect(page.locator("#store-answer")).to_contain_text("19.")
    assert sandbox.reader_password not in page.content()

    watched.go("/catalog/datasource/add/")
    page.select_option("#id_store", label="ERP sandbox")
    page.click("text=List views")
    choose(page, "view from Oracle", VIEW)
    expect(page.locator("#oracle-answer")).to_contain_text("columns of")
    assert page.input_value("#id_view") == VIEW
    page.fill("#id_bigquery_dataset", "browser")
    choose(page, "add to key_columns", "CUSTOMER_TRX_ID")
    page.click("text=Check keys for uniqueness")
    expect(page.locator("#oracle-answer")).to_contain_text("do not name every row")
    choose(page, "add to key_columns", "LINE_NUMBER")
    page.click("text=Check keys for uniqueness")
    expect(page.locator("#oracle-answer")).to_contain_text("name every row")
    suited = page.get_by_label("incremental_column from Oracle").locator("optgroup").first
    assert suited.get_attribute("label") == "Suited"
    choose(page, "incremental_column from Oracle", "LAST_UPDATE_DATE")
    assert page.input_value("#id_key_columns") == "CUSTOMER_TRX_ID, LINE_NUMBER"
    page.click("role=button[name='Save']")
    expect(page.get_by_text("was added successfully")).to_be_visible()

    page.click(f"text={VIEW}")
    page.click("text=Check >> nth=0")
    expect(page.locator("#plan-answer")).to_contain_text("will be created")
    expect(page.locator("#plan-answer pre").first).to_contain_text("SELECT")

    start(watched, "Run now")
    told = ended(page)
    assert "Succeeded" in told, told
    watched.go("/")
    expect(page.get_by_text("Everything is fresh")).to_be_visible()


def start(watched: Watched, kind: str) -> None:
    """Load the one source now, from its page, and see its run."""
    page = watched.page
    watched.go("/catalog/etltransaction/")
    runs = page.locator("#result_list th a")
    before = runs.count()
    watched.go("/catalog/datasource/")
    page.click(f"text={VIEW}")
    page.click("text=Run now")
    page.get_by_label(kind).check()
    page.click("role=button[name='Start']")
    live, late = page.locator("#run-live"), page.get_by_text("The load is starting")
    expect(live.or_(late)).to_be_visible()
    if late.is_visible():
        # On a busy machine the site answers before the run has a row: the list shows it later.
        until(lambda: page.reload() and runs.count() > before, "the run's row in the list")
        runs.first.click()
    expect(live).to_be_visible()


def ended(page: Page) -> str:
    """What the page of a run says once the run has ended; the page learns of it by itself."""
    page.wait_for_selector("#run-live [data-ended]")
    return page.locator("#run-live").inner_text()


def test_a_failure_is_understood_and_acknowledged(watched: Watched, site: Site) -> None:
    """Oracle breaks off: red at once, the code explained, one click to acknowledge."""
    page = watched.page
    watched.login("mis")
    site.sandbox.faults.set("error_at_row", row=0, code=1555, match=VIEW.partition(".")[2])
    start(watched, "Full reload")
    assert "Failed" in ended(page)
    page.click("#run-live .etl-note a >> nth=0")
    expect(page.get_by_text("What to do")).to_be_visible()
    expect(page.get_by_role("heading", name="ORA-01555").first).to_be_visible()
    page.click("role=button[name='Acknowledge']")
    expect(page.get_by_text("mis,")).to_be_visible()
    watched.go("/")
    expect(page.get_by_text("Some sources need a look")).to_be_visible()
    expect(page.get_by_text("Open errors")).to_have_count(0)


def test_a_watermark_is_set_back_with_a_confirmation(watched: Watched) -> None:
    """The audit says from where to where, and by whom."""
    page = watched.page
    watched.login("mis")
    watched.go("/catalog/datasource/1/watermark/")
    page.get_by_role("radio", name=re.compile("^Set it")).check()
    page.fill("#id_moment", "2026-01-31T18:00:00")
    page.click("role=button[name='Change the watermark']")
    expect(page.get_by_text("to 2026-01-31 18:00:00").first).to_be_visible()
    watched.go("/admin/logentry/")
    expect(page.get_by_text("to 2026-01-31 18:00:00").first).to_be_visible()


def test_a_refused_connection_is_said_in_plain_words(watched: Watched, site: Site) -> None:
    """With Oracle's code and what to do; the password stays unseen."""
    page = watched.page
    site.sandbox.faults.set("refuse_service", code=12514)
    watched.login("mis")
    watched.go("/catalog/datastore/1/change/")
    page.click("text=Test connection")
    expect(page.locator("#store-answer [role=alert]")).to_contain_text("12514")
    assert site.sandbox.reader_password not in page.content()


def test_a_running_load_is_watched_and_stopped(watched: Watched, site: Site) -> None:
    """Its row is there at once, its rows are live, and Stop ends it."""
    page = watched.page
    watched.login("mis")
    site.shell("DataSource.objects.update(batch_size=10)")
    site.sandbox.faults.set("rows_per_second", rate=1, match=VIEW.partition(".")[2])
    start(watched, "Full reload")
    expect(page.locator("#run-live .etl-badge").first).to_have_text("Running")
    page.click("role=link[name='Stop']")
    page.click("role=button[name='Stop the run']")
    assert "Stopped" in ended(page)


def test_roles_see_and_may_only_what_is_theirs(watched: Watched, site: Site) -> None:
    """No button, and no way round by the address."""
    page = watched.page
    for role in ROLES:
        site.shell(f"u = make_user({role!r}); u.set_password({PASSWORD!r}); u.save()")
    for role, runs, configures in (
        ("viewer", False, False),
        ("operator", True, False),
        ("administrator", True, True),
    ):
        watched.login(role)
        watched.go("/catalog/datasource/")
        page.click(f"text={VIEW}")
        expect(page.get_by_role("link", name="Check")).to_be_visible()
        expect(page.get_by_role("link", name="Run now")).to_have_count(int(runs))
        expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(int(configures))
        expect(page.get_by_text("Read columns from Oracle")).to_have_count(int(configures))
        for path, may in (("1/run/", runs), ("1/watermark/", configures)):
            address = f"{site.address}/catalog/datasource/{path}"
            answer = page.request.get(address, timeout=HANG_MILLISECONDS)
            assert answer.status == (200 if may else 403)
        page.context.clear_cookies()


PAGES = {
    "dashboard": "/",
    "data-store": "/catalog/datastore/1/change/",
    "data-stores": "/catalog/datastore/",
    "data-source": "/catalog/datasource/1/change/",
    "data-sources": "/catalog/datasource/",
    "data-source-plan": "/catalog/datasource/1/check/",
    "run-now": "/catalog/datasource/1/run/",
    "etl-transactions": "/catalog/etltransaction/",
    "etl-transaction": "/catalog/etltransaction/1/change/",
    "log-errors": "/catalog/logerror/",
    "log-error": "/catalog/logerror/1/change/",
    "purge": "/catalog/etltransaction/purge/",
    "users": "/auth/user/",
    "user": "/auth/user/1/change/",
    "new-user": "/auth/user/add/",
    "audit": "/admin/logentry/",
}
# Width, height, pixels per point (smaller files), colours.
LOOKS = {
    "light": (1440, 900, 0.8, "light"),
    "dark": (1440, 900, 0.8, "dark"),
    "phone": (390, 844, 1.0, "light"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_photographed(
    look: str, chromium: Browser, site: Site, tmp_path: Path
) -> None:
    """Labels, names, keyboard, contrast in light and dark; no sideways scrolling on a phone."""
    if look == "light":
        site.shell("from tests.browser.history import fill\nfill()")
    width, height, scale, scheme = LOOKS[look]
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.set_default_timeout(HANG_MILLISECONDS)
    watched = Watched(context.new_page(), site)
    watched.login("mis")
    folder = Path(os.environ.get("ETL_TEST_SCREENSHOTS", tmp_path))
    found = {}
    for name, path in PAGES.items():
        watched.go(path)
        watched.page.evaluate("document.fonts.ready")
        if name == "data-source-plan":
            expect(watched.page.locator("#plan-answer pre").first).to_be_visible()
        watched.page.screenshot(path=folder / f"{name}-{look}.png")
        faults = watched.page.evaluate(AUDIT) + axe(watched.page)
        wide = watched.page.evaluate("document.documentElement.scrollWidth")
        if wide > width + 1:
            faults.append(f"{wide} pixels wide")
        if faults:
            found[name] = faults
    context.close()
    assert not found
    assert not watched.faults


def axe(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.1 A and AA, when it is there."""
    if not AXE:
        return []
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate(AXE_RULES)["violations"]
    return [f"{fault['id']}: {[node['html'][:120] for node in fault['nodes']]}" for fault in found]


def test_the_login_page_works_by_keyboard(watched: Watched) -> None:
    """Type, tab, type, enter."""
    page = watched.page
    watched.go("/")
    expect(page.locator("#id_username")).to_be_focused()
    page.keyboard.type("mis")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_title(re.compile("Dashboard"))
