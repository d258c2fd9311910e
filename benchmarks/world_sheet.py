"""Write docs/world.png, the picture of the generated sample: `python benchmarks/world_sheet.py [FILE]` (half a minute)."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from landmark.config import WorldConfig
from landmark.photos.world import contact_sheet, write_world


def main() -> None:
    """Draw a small world in a larger size and lay it out on one page of 256 colours."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "world.png"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "world"
        write_world(out, WorldConfig(landmarks=12, photos=40, others=150, size=192))
        sheet = contact_sheet(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Pillow dithers only towards a palette that it is given.
    palette = sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
    sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
    print(f"{file}: {sheet.width} x {sheet.height}, {file.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
