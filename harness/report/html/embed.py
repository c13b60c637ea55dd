#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py - makes one C header of the report's page, its style and its scripts.

    embed.py HEADER PAGE STYLE LIBRARY_DIR SCRIPT...

The header holds two byte arrays: the page up to the place of the data, and from there on. LIBRARY_DIR is uPlot as its
npm package unpacks it; when it does not exist the page comes without it and says so.
"""
import os
import sys

WIDTH = 20


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def library(directory):
    """Style, and script with its licence, of the plotting library."""
    script = os.path.join(directory, "dist", "uPlot.iife.min.js")
    if not os.path.exists(script):
        return "", ""
    licence = read(os.path.join(directory, "LICENSE")).replace("*/", "* /")
    return read(os.path.join(directory, "dist", "uPlot.min.css")), f"/*!\nuPlot\n{licence}*/\n{read(script)}"


def array(name, text):
    data = text.encode()
    rows = (", ".join(f"0x{byte:02x}" for byte in data[at:at + WIDTH]) for at in range(0, len(data), WIDTH))
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(rows) + "};\n"


def main():
    header, page, style, directory, *scripts = sys.argv[1:]
    library_style, library_script = library(directory)
    text = read(page).replace("@@STYLE@@", library_style + read(style))
    before, after = text.split("@@DATA@@")
    # A script must not end before its end.
    script = "\n".join([library_script, *map(read, scripts)]).replace("</script", "<\\/script")
    after = after.replace("@@SCRIPT@@", script)
    with open(header, "w", encoding="utf-8") as out:
        out.write(array("page_before_data", before) + array("page_after_data", after))


main()
