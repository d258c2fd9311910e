"""The gallery's picture in README: `landmark bench gallery_sheet`, after `make demo`; needs Playwright and Chromium."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> None:
    """Photograph the page."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="landmark bench gallery_sheet", description=__doc__)
    parser.add_argument("--gallery", type=Path, default=Path(".landmark/holiday-tags/gallery"), help="folder of index.html")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gallery.png")
    options = parser.parse_args(arguments)
    address = (options.gallery / "index.html").resolve().as_uri()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1500)
        page.screenshot(path=options.out)
        browser.close()
    with Image.open(options.out) as picture:
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(options.out, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
