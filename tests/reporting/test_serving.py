"""The page of explain.py --serve in a real browser; gradio is an extra, `app`, which the tests do without."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.core.clips import write_clip

ROOT = Path(__file__).resolve().parents[2]
SERVED = """
import sys
sys.path.insert(0, sys.argv[1])
from eval.explain import serve
from tests.reporting.test_explained import asked
serve(lambda paths: [asked(path) for path in paths], int(sys.argv[2]), "output/checkpoint-7")
"""


@pytest.fixture
def address():
    pytest.importorskip("gradio", reason="no gradio is installed: EXTRAS=train,test,app bash shell/setup.sh")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVED, str(ROOT), str(port)]) as server:
        try:
            until = time.monotonic() + 120
            while True:
                try:
                    urlopen(f"http://127.0.0.1:{port}").close()
                    break
                except URLError:
                    assert server.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)


def test_a_file_that_is_dropped_is_answered_and_drawn_and_nothing_leaves_the_machine(chromium, address, tmp_path):
    asked_for = []
    tab = chromium.new_page()
    tab.on("request", lambda request: asked_for.append(request.url))
    tab.goto(address)
    tab.set_input_files("input[type=file]", write_clip(tmp_path / "holiday.mp4"))
    tab.get_by_text("holiday").first.wait_for()
    tab.click("button:has-text('Submit')")
    tab.locator("img[src*='explained.png']").wait_for(timeout=60_000)
    said = tab.locator("textarea").first.input_value()
    assert said.splitlines()[:2] == ["holiday.mp4: FAKE, P(fake) 0.910", "  from 1.00 s on, box [24, 16, 72, 48] px"]
    told = tab.locator("body").inner_text()
    assert "output/checkpoint-7" in told
    assert "no proof" in told
    assert [url for url in asked_for if not url.startswith((address, "data:", "blob:"))] == []
    tab.close()
