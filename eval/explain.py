"""Ask a checkpoint about files of which nothing is known: is one real or fake, why, and where and when does it show.

    python eval/explain.py --model CKPT clip.mp4 --out explained.mp4
    python eval/explain.py --model CKPT photos/ more.jpg --out explained.html
    python eval/explain.py --model CKPT --serve

Prints the verdict with P(fake), the reason, the onset and the box of each file; with --json a JSON object a line. --out
draws them: into a video (.mp4), an image (.png; of a video its frame at the onset), a page of all files (.html), or a
folder with a file for each. The question is the one that the checkpoint was trained on; no file needs a label, and no
URL is opened. --serve opens a page on this machine alone, into which files are dropped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.answering.asking import BACKENDS, Asking, BackEnd, Item, Streaming, answered, error_text
from swift_plugins.answering.files import ASKED, data_for, media_files, row_about
from swift_plugins.answering.options import add_model_options, asking_of
from swift_plugins.core.checks import check_many
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.records import encode

if TYPE_CHECKING:
    from eval.reporting.explained import Explained

Ask = Callable[[Sequence[str]], "list[Explained]"]


def asker(asking: Asking, task: str | None) -> Ask:
    """What asks the model about files; it is loaded once, when the first file is there to ask about."""
    from eval.reporting.explained import explained

    data_for(asking.settings, task)  # whether it can be asked at all
    level = "header" if asking.check == "none" else asking.check  # a box needs the size of what it is on
    loaded: list[BackEnd | Streaming] = []

    def ask(paths: Sequence[str]) -> list[Explained]:
        told, items = {}, []
        reader = BACKENDS[asking.backend].video_reader()
        for path, found in check_many(paths, level, asking.workers, reader=reader):
            try:
                if isinstance(found, str):
                    raise ValueError(found)
                items.append(Item(path, [row_about(path, found, asking.settings, task)]))
            except ValueError as error:
                told[path] = explained({"id": path, "task": task, "meta": {}}, error_text(str(error)))
        if items and not loaded:
            loaded.append(asking.start())
        for batch, results, _ in answered(loaded[0], asking.batches(items), {}) if items else ():
            for item, (result,) in zip(batch, results, strict=True):
                told[item.id] = explained(item.rows[0], result)
        return [told[path] for path in paths]

    return ask


def show(some: Sequence[Explained], out: Path, model: str) -> list[Path]:
    """Draw the answers into the file or the folder `out`; returns what was written."""
    from eval.reporting import drawing
    from eval.reporting.explained import NO_PROOF, facts_of
    from eval.reporting.pages import browser, render, write_texts

    if out.suffix.lower() not in drawing.PAGES:
        return [drawing.write(one, out, i) for i, one in enumerate(some, 1) if one.readable]
    title = f"{len(some)} files explained" if len(some) > 1 else f"{Path(some[0].path).name} explained"
    page = {"browser": browser(facts_of(some, out.parent), ()), "title": title, "model": model, "no_proof": NO_PROOF}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_texts(out.parent, {out.name: render("explained.html", page)})
    return [out]


def serve(ask: Ask, port: int, model: str) -> None:
    """A page on this machine alone, into which a file is dropped to be asked about."""
    import os
    import tempfile

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError:
        raise ValueError(
            "--serve needs gradio, which is not installed: EXTRAS=train,test,app bash shell/setup.sh"
        ) from None
    from eval.reporting import drawing
    from eval.reporting.explained import NO_PROOF, lines

    def answer(path: str | None) -> tuple[str, str | None]:
        if path is None:
            return "", None
        (one,) = ask([path])
        target = Path(tempfile.mkdtemp(dir=folder)) / "explained.png"
        if one.readable:
            drawing.write(one, target)
        return "\n".join(lines(one)).replace(path, Path(path).name), str(target) if target.exists() else None

    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # what is dropped here is gone when the page is
        about = f"The first file takes as long as loading {model} does. {NO_PROOF}"
        text = gradio.Textbox(label="answer", lines=6)
        picture = gradio.Image(label="where", type="filepath", buttons=["download", "fullscreen"])  # none that uploads
        dropped = gradio.File(label="image or video", type="filepath")
        page = gradio.Interface(
            answer, dropped, [text, picture], title="Real or fake?", description=about, flagging_mode="never"
        )
        page.launch(server_name="127.0.0.1", server_port=port, share=False, quiet=True, allowed_paths=[folder])


def explain(args: argparse.Namespace) -> int:
    """Answer, print, draw; 1 where there is no answer about any file."""
    from eval.reporting.drawing import check_out
    from eval.reporting.explained import lines

    paths = media_files(args.files)
    if args.out:
        check_out(paths, args.out)
    ask = asker(asking_of(args), args.task)
    if args.serve:
        say(f"http://127.0.0.1:{args.port} (Ctrl-C ends it)")
        serve(ask, args.port, args.model)
        return 0
    some = ask(paths)
    for one in some:
        for line in [encode(one.as_json()).decode()] if args.json else lines(one):
            say(line)
    if args.out:
        for path in show(some, args.out, args.model):
            say(f"written: {path}", sys.stderr if args.json else sys.stdout)
    return 0 if any(one.verdict for one in some) else 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="images, videos, folders of them")
    add_model_options(parser, "checkpoint folder (full or LoRA), a base model's folder, or a server's model")
    parser.add_argument(
        "--backend",
        choices=tuple(BACKENDS),
        default="transformers",
        help="transformers or vllm: a folder on this machine; openai: a server (default transformers)",
    )
    parser.add_argument("--base-url", action="append", help="the server's address, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--max-tokens", type=whole_number(), default=512, help="longest answer in tokens (default 512)")
    parser.set_defaults(retry_errors=False)  # nothing is kept that could be asked again
    parser.add_argument(
        "--task", help=f"what to ask where the model does not tell, or was trained for several: {', '.join(ASKED)}"
    )
    parser.add_argument("--out", type=Path, help="an .mp4, .png, .jpg, .webp or .html file, or a folder (default none)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")
    parser.add_argument("--serve", action="store_true", help="open a page on this machine instead (needs gradio)")
    parser.add_argument("--port", type=whole_number(), default=7860, help="of --serve (default 7860)")
    args = parser.parse_args(argv)
    if bool(args.files) == args.serve or (args.serve and (args.out or args.json)):
        parser.error("name files, or --serve alone")
    return run(explain, args)


if __name__ == "__main__":
    sys.exit(main())
