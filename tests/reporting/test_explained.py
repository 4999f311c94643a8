"""What a model says of a file, read, printed and drawn."""

from __future__ import annotations

import pytest
from PIL import Image

from eval.reporting import drawing
from eval.reporting.explained import NO_PROOF, explained, facts_of, lines
from eval.reporting.pages import browser, render
from swift_plugins.core.videos import frame_at
from tests.core.clips import write_clip
from tests.reporting.browsing import opened, violations

SAID = (
    "FAKE. The video is AI-generated. The unnatural part is at [{}] starting 1 seconds. "
    "The reason is because <b>it</b> melts."
)
META = {"width": 96, "height": 64, "duration": 2.0, "box_space": "pixel", "box_width": 96, "box_height": 64}


def asked(path, box="24, 16, 72, 48", **meta):
    row = {"id": str(path), "task": "deeptrace", "messages": [], "videos": [str(path)], "meta": META | meta}
    return explained(row, {"response": SAID.format(box), "p_fake": 0.91})


def is_box(image, x, y):
    red, green, blue = image.getpixel((x, y))
    return red > 150 and blue < 120 and red > green + 40


def test_an_answer_is_told_with_its_probability_reason_onset_and_box(tmp_path):
    one = asked(tmp_path / "a.mp4", "250, 250, 750, 750", box_space="norm1000", box_width=1000, box_height=1000)
    assert [*lines(one)] == [
        f"{tmp_path}/a.mp4: FAKE, P(fake) 0.910",
        "  from 1.00 s on, box [24, 16, 72, 48] px",
        "  <b>it</b> melts.",
    ]
    assert one.as_json()["bbox"] == [24.0, 16.0, 72.0, 48.0]


@pytest.mark.parametrize(
    ("result", "fault"),
    [({"response": "Who knows."}, "the model said: Who knows."), ("the file is empty", "the file is empty")],
)
def test_no_answer_is_told_as_none(tmp_path, result, fault):
    one = explained({"id": "a", "task": "deeptrace", "meta": META}, result)
    first, second, *_ = lines(one)
    assert first == "a: no answer"
    assert fault in second


def test_the_box_is_in_the_video_from_its_onset_on(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    drawing.write(asked(clip), tmp_path / "made" / "out.mp4")
    top = 2 * 12  # the headline above the frame
    for second, shows in ((0.5, False), (1.0, True), (1.9, True)):
        image, at = frame_at(str(tmp_path / "made" / "out.mp4"), second)
        assert at == pytest.approx(second, abs=0.01)
        assert is_box(image, 48, top + 16) is shows, second
    drawing.write(asked(clip), tmp_path / "out.jpg")
    assert is_box(Image.open(tmp_path / "out.jpg"), 48, top + 48)


def test_an_image_of_any_size_is_drawn_on_and_its_headline_is_whole(tmp_path):
    Image.new("RGB", (57, 65), "teal").save(tmp_path / "a.gif")
    drawing.write(asked(tmp_path / "a.gif", "-5, 10, 500, 20"), tmp_path / "out.png")
    drawn = Image.open(tmp_path / "out.png")
    assert is_box(drawn, 50, 24 + 10)
    inked = drawn.convert("L").crop((0, 0, drawn.width, 24)).point(lambda value: 255 * (value > 60)).getbbox()
    assert 57 < inked[2] < drawn.width - 2


def test_a_folder_holds_a_file_for_each(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    assert drawing.write(asked(clip), tmp_path / "out", 7) == tmp_path / "out" / "007 a.mp4"
    assert (tmp_path / "out" / "007 a.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("files", "out", "fault"),
    [
        (["a.png"], "x.mp4", "is an image"),
        (["a.png", "a.png"], "x.png", "holds one answer"),
        (["a.png"], "x.doc", "name a file that ends with"),
        (["a.png"], "file", "or a folder"),
    ],
)
def test_what_cannot_show_the_answers_is_refused_before_they_are_asked_for(tmp_path, monkeypatch, files, out, fault):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=fault):
        drawing.check_out(files, tmp_path / out)


def test_a_page_shows_files_without_calling_any_answer_right(chromium, tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    fault = explained({"id": "gone.mp4", "task": None, "meta": {}}, "the file is empty")
    facts = {
        "browser": browser(facts_of([asked(clip), fault], tmp_path), ()),
        "title": "2 files",
        "model": "M",
        "no_proof": NO_PROOF,
    }
    (tmp_path / "page.html").write_text(render("explained.html", facts))
    with opened(chromium, tmp_path / "page.html") as tab:
        assert tab.locator(".row p:first-child").all_text_contents() == [
            "unparsed no answer",
            "fake FAKE, P(fake) 0.910",
        ]
        tab.locator(".row").last.click()
        assert "<b>it</b> melts." in tab.locator(".texts").text_content()
        assert tab.locator("#detail rect.pred").get_attribute("x") == "25"
        assert violations(tab) == []
