"""Unpacks the parts of a wheel that match any of some patterns: unpack_wheel.py WHEEL FOLDER PATTERN...

Patterns are those of fnmatch, where `*` also spans slashes. The built-in zipfile checks every part's CRC.
Programs stay programs.
"""

import fnmatch
import os
import shutil
import sys
import zipfile


def main(wheel, folder, patterns):
    root = os.path.realpath(folder)
    with zipfile.ZipFile(wheel) as archive:
        for part in archive.infolist():
            if part.is_dir() or not any(fnmatch.fnmatchcase(part.filename, p) for p in patterns):
                continue
            target = os.path.realpath(os.path.join(root, part.filename))
            if not target.startswith(root + os.sep):
                sys.exit(f"{wheel}: '{part.filename}' would be written outside of {folder}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(part) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            if part.external_attr >> 16 & 0o111:
                os.chmod(target, 0o755)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
