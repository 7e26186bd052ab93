"""The volumes of the benchmarks: an ext4 image of real files, and the same with 1 % changed."""
import os
import pathlib
import random
import shutil
import subprocess

BLOCK = 65536
TOPS = ("/usr/bin", "/usr/include", "/usr/lib", "/usr/share", "/usr/local")


def files_below(folders):
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                path = pathlib.Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    yield path


def make_image(path, gib):
    """An ext4 image up to 58 % full of this machine's files, each once: copies would measure how
    a program finds content that has moved."""
    stage = path.parent / "files"
    shutil.rmtree(stage, ignore_errors=True)
    want, have = int(gib * 0.58 * 2**30), 0
    for source in files_below(TOPS):
        have += source.stat().st_size + 4096
        if have >= want:
            break
        target = stage / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    path.unlink(missing_ok=True)
    subprocess.run(["truncate", "-s", f"{gib}G", path], check=True)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", "-d", stage, path], check=True)
    shutil.rmtree(stage)


def change(source, target, seed):
    """1 % of the 64 KiB regions get one write of 4 KiB; returns the extents in order."""
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    rng, size, extents = random.Random(seed), os.path.getsize(source), []
    with open(target, "r+b") as out:
        for region in rng.sample(range(size // BLOCK), size // BLOCK // 100):
            offset = region * BLOCK + rng.randrange(16) * 4096
            out.seek(offset)
            out.write(rng.randbytes(4096))
            extents.append({"offset": offset, "length": 4096, "zero": False})
    return sorted(extents, key=lambda e: e["offset"])
